"""Config lists: what the published ones contain, and which are refused before any memory is taken."""

import pytest

from rvc.errors import BadCheckpoint
from rvc.nn.synthesizer_config import layout, read_config

PUBLISHED = {
    "32k-v1": [513, [10, 4, 2, 2, 2], [16, 16, 4, 4, 4], 32000],
    "32k-v2": [513, [10, 8, 2, 2], [20, 16, 4, 4], 32000],
    "40k-v1": [1025, [10, 10, 2, 2], [16, 16, 4, 4], 40000],
    "40k-v2": [1025, [10, 10, 2, 2], [16, 16, 4, 4], 40000],
    "48k-v1": [1025, [10, 6, 2, 2, 2], [16, 16, 4, 4, 4], 48000],
    "48k-v2": [1025, [12, 10, 2, 2], [24, 20, 4, 4], 48000],
}


def published(name):
    spec, rates, kernels, rate = PUBLISHED[name]
    return [
        spec,
        32,
        192,
        192,
        768,
        2,
        6,
        3,
        0,
        "1",
        [3, 7, 11],
        [[1, 3, 5]] * 3,
        rates,
        512,
        kernels,
        109,
        256,
        rate,
    ]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("f0", [0, 1])
def test_counts_of_names_are_the_specifications(name, f0):
    sizes = read_config(published(name), name[-2:], bool(f0))
    five = len(sizes.upsample_rates) == 5
    assert len(layout(sizes)) == {(True, 1): 516, (True, 0): 503, (False, 1): 457, (False, 0): 446}[five, f0]
    assert sizes.upp == sizes.rate // 100


def test_some_shapes_word_for_word():
    shapes = layout(read_config(published("48k-v1"), "v1", True))
    assert shapes["enc_p.emb_phone.weight"] == (192, 256)
    assert shapes["flow.flows.6.enc.cond_layer.weight_v"] == (1152, 256, 1)
    assert shapes["flow.flows.0.enc.res_skip_layers.2.weight_v"] == (192, 192, 1)
    assert shapes["dec.ups.0.weight_g"] == (512, 1, 1)
    assert shapes["dec.ups.1.weight_v"] == (256, 128, 16)
    assert [shapes[f"dec.noise_convs.{i}.weight"][2] for i in range(5)] == [96, 16, 8, 4, 1]
    assert shapes["dec.conv_post.weight"] == (1, 16, 7)
    assert shapes["dec.resblocks.14.convs2.2.weight_v"] == (16, 16, 11)


def test_a_rate_may_be_written_40k():
    assert read_config([*published("40k-v2")[:-1], "40k"], "v2", True).rate == 40000


@pytest.mark.parametrize(
    "index, value, message",
    [
        (3, 10**9, "hidden is 1000000000, expected a whole number from 1 to 65536"),
        (3, True, "hidden is True"),
        (5, 5, "192 hidden channels in 5 heads"),
        (10, [3, 6, 11], "an even kernel width 6"),
        (11, "x", "resblock_dilations is 'x'"),
        (12, [10, 10, 2], "3 upsample_rates and 4 upsample_kernels"),
        (12, [10, 10, 2, 4], "80000 samples a second and a rate of 40000"),
        (14, [16, 16, 4, 1], "upsampling by 2 with a kernel of 1"),
        (17, "loud", "rate is 'loud'"),
    ],
)
def test_impossible_sizes_are_refused(index, value, message):
    config = published("40k-v2")
    config[index] = value
    with pytest.raises(BadCheckpoint, match=message):
        read_config(config, "v2", True)


def test_a_short_list_or_another_version_is_refused():
    with pytest.raises(BadCheckpoint, match="config holds 3 entries, expected a list of 18"):
        read_config([1, 2, 3], "v2", True)
    with pytest.raises(BadCheckpoint, match="config holds a str"):
        read_config("config", "v2", True)
    with pytest.raises(BadCheckpoint, match="version is 'v3'; known versions are v1 and v2"):
        read_config(published("40k-v2"), "v3", True)
