"""Ranges of a layer: computed alone, they equal that part of the layer."""

import pytest
import torch

from rvc.nn.kernels.conv import Conv
from rvc.nn.streaming.ranges import (
    FrameRange,
    add_convolved_range,
    convolve_range,
    slice_padded,
    slice_range,
    sum_with_convolved_range,
    zero_beyond_ends,
)


def test_a_range_may_extend_beyond_the_ends():
    assert FrameRange(5, 9, 12).widened(7) == FrameRange(-2, 16, 12)
    assert FrameRange(-4, 8, 12).aligned(4) == FrameRange(-4, 8, 12)
    assert FrameRange(-5, 9, 12).aligned(4) == FrameRange(-8, 12, 12)
    assert len(FrameRange(-2, 16, 12)) == 18


@pytest.mark.parametrize("start, end", [(-3, 2), (-5, -1), (2, 5), (4, 9), (7, 12), (-4, 12)])
def test_frames_beyond_the_ends_are_zeros(start, end):
    signal, outputs = torch.arange(1.0, 6.0), FrameRange(start, end, 5)
    expected = torch.tensor([signal[frame] if 0 <= frame < 5 else 0 for frame in range(start, end)])
    assert torch.equal(slice_padded(signal, outputs), expected)
    assert torch.equal(slice_padded(signal[:, None].expand(-1, 3), outputs), expected[:, None].expand(-1, 3))
    frames = torch.ones(end - start, 2)
    assert torch.equal(zero_beyond_ends(frames, outputs)[:, 0], (expected > 0).float())


@pytest.mark.parametrize("start, end", [(0, 40), (0, 9), (31, 40), (12, 20), (2, 39), (-4, 6), (38, 45)])
def test_a_range_equals_that_part_of_the_layer(start, end):
    made = torch.Generator().manual_seed(0)
    conv = Conv(torch.randn(4, 6, 5, generator=made), torch.randn(4, generator=made), 3)
    x = torch.randn(40, 6, generator=made)
    outputs = FrameRange(start, end, 40)
    inputs = outputs.widened(conv.reach)
    part = slice_padded(x, inputs)
    result = convolve_range(conv, part, inputs, outputs)
    torch.testing.assert_close(result, slice_padded(conv.same(x), outputs))
    ones = slice_padded(torch.ones(40, 4), outputs)
    torch.testing.assert_close(sum_with_convolved_range(ones, conv, part, inputs, outputs), result + ones)
    assert torch.equal(ones, slice_padded(torch.ones(40, 4), outputs))
    torch.testing.assert_close(add_convolved_range(ones.clone(), conv, part, inputs, outputs), result + ones)
    assert slice_range(part, inputs, outputs).data_ptr() == part[conv.reach :].data_ptr()
