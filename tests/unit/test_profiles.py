"""The table of profiles, and the options of a conversion that come from it."""

import argparse

import pytest

from rvc.cli import options
from rvc.config import Config
from rvc.errors import BadInput
from rvc.f0.registry import METHODS
from rvc.profiles import PROFILES, named


def test_the_command_line_offers_what_the_tables_list():
    parser = argparse.ArgumentParser()
    options.add_conversion_options(parser)
    choices = {action.dest: action.choices for action in parser._actions}
    assert choices["profile"] == tuple(PROFILES)
    assert choices["f0_method"] == tuple(METHODS)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_default_method_is_one_that_the_original_has(profile):
    assert profile.has(profile.f0_method)
    assert Config.of(profile).extensions() == []


@pytest.mark.parametrize(
    ("name", "method", "index", "rms", "protect"),
    [
        ("webui-2026", "rmvpe", 0.75, 0.25, 0.33),
        ("webui-classic", "rmvpe", 0.75, 0.25, 0.33),
        ("rvc-python", "harvest", 0.5, 1.0, 0.33),
    ],
)
def test_defaults_are_those_of_the_originals(name, method, index, rms, protect):
    config = Config.of(name)
    assert (config.f0_method, config.index_rate, config.rms_mix_rate, config.protect) == (method, index, rms, protect)
    assert (config.speaker, config.transpose, config.resample_rate, config.filter_radius) == (0, 0, 0, 3)


def test_an_unknown_profile_is_refused():
    with pytest.raises(
        BadInput, match="there is no profile 'applio'; choose one of webui-2026, webui-classic, rvc-python"
    ):
        named("applio")


def test_an_option_overrides_the_default_and_none_does_not():
    config = Config.of("rvc-python", protect=0.1, index_rate=None)
    assert (config.protect, config.index_rate) == (0.1, 0.5)


def test_an_option_without_an_original_is_announced(tmp_path):
    config = Config.of("webui-2026", f0_method="harvest", f0_file=tmp_path)
    assert config.extensions() == [
        "harvest has no original under webui-2026; it runs as an extension",
        "an F0 curve file has no original under webui-2026; it acts as in webui-classic",
    ]


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"protect": 2}, "protect is 2; expected 0 to 1"),
        ({"index_rate": float("nan")}, "index_rate is nan; expected 0 to 1"),
        ({"rms_mix_rate": "1"}, "rms_mix_rate is 1; expected 0 to 1"),
        ({"transpose": 0.5}, "transpose is 0.5 semitones; expected a whole number, as in the originals"),
        ({"resample_rate": 8000}, "resample_rate is 8000 Hz; expected 16000 to 192000, or 0 for none"),
        ({"f0_method": "swipe"}, "there is no F0 method 'swipe'; choose one of " + ", ".join(METHODS)),
        ({"exact_hits": "inf"}, "exact_hits is 'inf'; expected finite or nan"),
    ],
)
def test_a_value_outside_its_range_is_refused(option, sentence):
    with pytest.raises(BadInput) as refused:
        Config.of(**option)
    assert str(refused.value) == sentence


def test_an_unknown_option_is_refused():
    with pytest.raises(BadInput, match="a conversion has no option 'pitch'; its options are exact_hits, "):
        Config.of(pitch=3)
