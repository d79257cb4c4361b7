"""Fast filtering gives what the plain convolution gives, with fewer products."""

import pytest
import torch

from rvc.nn.kernels.conv import Conv
from rvc.nn.kernels.fast_fir import FastConv, Kernel, add_joined, need, silence, split, take


def joined(signal, rows):
    total = torch.zeros(rows, 6)
    add_joined(total, signal)
    return total


@pytest.mark.parametrize("width, levels", [(3, 1), (5, 1), (7, 1), (7, 2), (11, 1), (11, 2)])
@pytest.mark.parametrize("dilation", [1, 3, 5])
@pytest.mark.parametrize("with_base", [False, True])
def test_it_is_the_plain_convolution(width, levels, dilation, with_base):
    made = torch.Generator().manual_seed(width)
    weight, bias = torch.randn(6, 5, width, generator=made), torch.randn(6, generator=made)
    fast, count = FastConv(weight, bias, dilation, levels), 40
    x = torch.randn(fast.need(count), 5, generator=made)
    base = torch.randn(count, 6, generator=made)
    expected = Conv(weight, bias, dilation)(x)[:count] + (base if with_base else 0)
    ours = joined(fast(split(x, levels), count, split(base.clone(), levels) if with_base else None), count)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=2e-5)
    assert fast.need(count) <= count + (width - 1) * dilation + 8


def products(kernel: Kernel, rows: int):
    """Taps multiplied for `rows` rows out."""
    if isinstance(kernel, Conv):
        return kernel.width * rows
    return sum(products(part, rows // 2) for part in (kernel.both, kernel.a, kernel.b))


@pytest.mark.parametrize("width, levels, of_four", [(3, 1, 10), (7, 1, 22), (7, 2, 17), (11, 1, 34), (11, 2, 26)])
def test_products_saved(width, levels, of_four):
    assert products(FastConv(torch.zeros(1, 1, width), None, 1, levels), 4) == of_four < 4 * width


def test_rows_taken_from_anywhere():
    x = torch.arange(32.0)[:, None].expand(-1, 6)
    for levels in (0, 1, 2):
        for start in range(8):
            ours = joined(take(split(x, levels), start, 16), 16)
            assert torch.equal(ours, x[start : start + 16])
    assert need(Conv(torch.zeros(1, 1, 3), None, 5), 4) == 14


def test_silence_beyond_the_true_ends():
    for levels in (0, 1, 2):
        for start in range(-9, 30):
            signal = split(torch.ones(16, 6), levels)
            silence(signal, start, 20)
            inside = torch.tensor([float(0 <= start + i < 20) for i in range(16)])
            assert torch.equal(joined(signal, 16), inside[:, None].expand(-1, 6)), (levels, start)
