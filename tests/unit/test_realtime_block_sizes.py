"""Lengths of a stream's buffers."""

from __future__ import annotations

import pytest

from rvc.errors import BadInput
from rvc.realtime.block_sizes import BlockSizes


def test_sizes_at_40_khz_equal_the_originals():
    sizes = BlockSizes.of(40000)
    assert (sizes.zc, sizes.block, sizes.block16, sizes.fade, sizes.held, sizes.search, sizes.extra) == (
        400,
        10000,
        4000,
        2000,
        1600,
        400,
        100000,
    )
    assert (sizes.window, sizes.window16, sizes.skip_head, sizes.return_length) == (112400, 44960, 250, 30)


def test_latency_follows_the_originals_formula():
    assert BlockSizes.of(40000).latency() == pytest.approx(0.25 + 0.05 + 0.01)
    assert BlockSizes.of(40000, crossfade=0.03).latency(denoised=True) == pytest.approx(0.25 + 0.03 + 0.01 + 0.03)
    assert BlockSizes.of(48000).latency(denoised=True, device=0.1) == pytest.approx(0.1 + 0.25 + 0.05 + 0.01 + 0.04)


def test_block_times_round_half_to_even():
    assert BlockSizes.of(40000, block=0.125).block == 12 * 400
    assert BlockSizes.of(40000, block=0.135).block == 14 * 400


@pytest.mark.parametrize("rate", [16000, 22000, 32000, 40000, 44100, 48000, 96000])
def test_every_length_is_whole_frames(rate):
    sizes = BlockSizes.of(rate, block=0.11, crossfade=0.03, extra=1.0)
    for length in (sizes.block, sizes.fade, sizes.held, sizes.search, sizes.extra, sizes.window):
        assert length % sizes.zc == 0
    assert sizes.window16 * rate == sizes.window * 16000


@pytest.mark.parametrize(
    ("rate", "times", "message"),
    [
        (22050, {}, "22050"),
        (7000, {}, "7000"),
        (40000, {"block": 0.0}, "above 0"),
        (40000, {"block": 0.004}, "10 ms"),
        (40000, {"extra": 11.0}, "10.24"),
        (40000, {"extra": 0.0, "crossfade": 0.01}, "40 ms"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(rate, times, message):
    with pytest.raises(BadInput, match=message):
        BlockSizes.of(rate, **times)


def test_the_number_of_blocks_includes_the_delay():
    sizes = BlockSizes.of(40000)
    assert sizes.blocks(0) == 0
    assert sizes.blocks(1) == 1
    assert sizes.blocks(10000 - sizes.delay()) == 1
    assert sizes.blocks(10000 - sizes.delay() + 1) == 2
