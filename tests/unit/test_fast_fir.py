"""Fast FIR filtering computes the plain convolution with fewer products."""

import pytest
import torch

from rvc.nn.kernels.conv import Conv
from rvc.nn.kernels.fast_fir import FastConv, Kernel, add_joined, frames_needed, split_frames, take, zero_outside


def joined(signal, frames):
    total = torch.zeros(frames, 6)
    add_joined(total, signal)
    return total


@pytest.mark.parametrize("width, levels", [(3, 1), (5, 1), (7, 1), (7, 2), (11, 1), (11, 2)])
@pytest.mark.parametrize("dilation", [1, 3, 5])
@pytest.mark.parametrize("with_addend", [False, True])
def test_it_equals_the_plain_convolution(width, levels, dilation, with_addend):
    made = torch.Generator().manual_seed(width)
    weight, bias = torch.randn(6, 5, width, generator=made), torch.randn(6, generator=made)
    fast, count = FastConv(weight, bias, dilation, levels), 40
    x = torch.randn(fast.frames_needed(count), 5, generator=made)
    addend = torch.randn(count, 6, generator=made)
    expected = Conv(weight, bias, dilation)(x)[:count] + (addend if with_addend else 0)
    result = joined(
        fast(split_frames(x, levels), count, split_frames(addend.clone(), levels) if with_addend else None), count
    )
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=2e-5)
    assert fast.frames_needed(count) <= count + (width - 1) * dilation + 8


def products(kernel: Kernel, frames: int):
    """Taps multiplied for `frames` results."""
    if isinstance(kernel, Conv):
        return kernel.width * frames
    return sum(products(part, frames // 2) for part in (kernel.sum_of_taps, kernel.even_taps, kernel.odd_taps))


@pytest.mark.parametrize("width, levels, of_four", [(3, 1, 10), (7, 1, 22), (7, 2, 17), (11, 1, 34), (11, 2, 26)])
def test_it_needs_fewer_products(width, levels, of_four):
    assert products(FastConv(torch.zeros(1, 1, width), None, 1, levels), 4) == of_four < 4 * width


def test_frames_can_be_taken_from_any_start():
    x = torch.arange(32.0)[:, None].expand(-1, 6)
    for levels in (0, 1, 2):
        for start in range(8):
            result = joined(take(split_frames(x, levels), start, 16), 16)
            assert torch.equal(result, x[start : start + 16])
    assert frames_needed(Conv(torch.zeros(1, 1, 3), None, 5), 4) == 14


def test_frames_beyond_the_true_ends_are_set_to_zero():
    for levels in (0, 1, 2):
        for start in range(-9, 30):
            signal = split_frames(torch.ones(16, 6), levels)
            zero_outside(signal, start, 20)
            inside = torch.tensor([float(0 <= start + i < 20) for i in range(16)])
            assert torch.equal(joined(signal, 16), inside[:, None].expand(-1, 6)), (levels, start)
