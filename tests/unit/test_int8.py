"""The integer convolution: close to the exact one inside and at its padded edges, for signals of any size."""

import pytest
import torch
from torch.nn import functional as F

from rvc.nn.kernels.conv import Conv


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("pad", [0, 6])
def test_the_error_is_below_two_percent(size, pad):
    made = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(16, 12, 5, generator=made), size * torch.randn(16, generator=made)
    x = size * torch.randn(60, 12, generator=made)
    conv = Conv(weight, bias, 3)
    conv.to_precision(torch.int8)
    exact = F.conv1d(x.t()[None], weight, bias, dilation=3, padding=pad)[0].t()
    for part in (slice(None), slice(0, 1), slice(-1, None)):
        assert (conv(x, pad)[part] - exact[part]).norm() < 0.02 * exact[part].norm()
    addend = torch.full(exact.shape, size)
    assert (conv.add_to(addend, x, pad) - (exact + size)).norm() < 0.02 * exact.norm()
    assert (conv(x, pad, 0.1) - F.leaky_relu(exact, 0.1)).norm() < 0.02 * exact.norm()
    assert (conv.plain()[:, :, 0] - weight).abs().max() <= weight.abs().max() / 127


def test_zeros_stay_zeros():
    conv = Conv(torch.ones(3, 3, 3), None)
    conv.to_precision(torch.int8)
    assert torch.equal(conv(torch.zeros(10, 3)), torch.zeros(8, 3))


@pytest.mark.parametrize(("out", "into", "width", "dilation"), [(16, 12, 5, 3), (64, 64, 11, 1), (1, 3, 1, 1)])
def test_the_weights_are_held_once_in_eight_bits(out, into, width, dilation):
    """What is packed is all there is, and gives back the numbers that were rounded."""
    weight = torch.randn(out, into, width, generator=torch.Generator().manual_seed(0))
    conv = Conv(weight, None, dilation, torch.int8)
    scale = (weight.abs().amax((1, 2)) / 127)[:, None, None]
    assert torch.equal(conv.plain()[:, :, 0], (weight / scale).round() * scale)
    held = [value for value in vars(conv.kernel.int8).values() if isinstance(value, torch.Tensor)]
    assert sum(value.numel() for value in held if value.ndim > 1) <= conv.kernel.int8.packed.numel()
