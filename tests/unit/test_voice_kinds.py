"""The table of voice kinds agrees with the judge's own table, and everything in rvc derives from it."""

import pytest

from parity.voices import KINDS, Kind
from rvc.voice_kinds import GENERATORS, VERSIONS, VOICE_KINDS, version_of_width


def test_the_kinds_are_those_of_the_judge():
    assert tuple(kind.name for kind in VOICE_KINDS) == tuple(KINDS)


@pytest.mark.parametrize("kind", VOICE_KINDS, ids=lambda kind: kind.name)
def test_generators_have_the_sizes_of_the_judges_voices(kind):
    (generator,) = (g for g in GENERATORS if g.rate == kind.rate and kind.version in g.versions)
    config = Kind(kind.name).config
    assert config[0] == generator.spec_channels
    assert config[12] == list(generator.upsample_rates)
    assert config[14] == list(generator.upsample_kernels)
    assert config[17] == generator.rate


def test_noise_convolutions_have_twice_their_stride_and_the_last_one():
    (generator,) = (g for g in GENERATORS if g.rate == 48000 and "v2" in g.versions)
    assert generator.noise_kernels == (80, 8, 4, 1)


def test_the_width_of_content_features_gives_the_version():
    assert {width: version_of_width(width) for width in (256, 768, 100)} == {256: "v1", 768: "v2", 100: None}
    assert [version.hubert_layer for version in VERSIONS.values()] == [9, 12]
