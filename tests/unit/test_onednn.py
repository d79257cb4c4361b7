"""What is decided from oneDNN's capabilities: each way gives the same numbers."""

import pytest
import torch
from torch.nn import functional as F

from rvc.nn.kernels import amx, int8, onednn
from rvc.nn.kernels.conv import Conv
from rvc.nn.kernels.dense import Dense
from rvc.nn.kernels.int8 import Int8


def made(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def without_bfloat16(monkeypatch):
    """A processor on which oneDNN packs no bfloat16 weight and has no matrix tiles."""
    monkeypatch.setattr(amx, "available", lambda: False)
    monkeypatch.setattr(onednn, "packs_bfloat16", lambda: False)


@pytest.mark.skipif(not onednn.has_fused_convolutions(), reason="this torch has no oneDNN")
def test_bfloat16_weights_can_be_packed_where_the_capability_is_reported():
    ops = torch.ops.mkldnn
    weight = torch.ones(8, 8, 1, 3, dtype=torch.bfloat16)
    if onednn.packs_bfloat16():
        ops._reorder_convolution_weight(weight, [0, 0], [1, 1], [1, 1], 1, [1, 8, 1, 64])
    else:
        with pytest.raises(RuntimeError, match="bf16 path needs the cpu support"):
            ops._reorder_convolution_weight(weight, [0, 0], [1, 1], [1, 1], 1, [1, 8, 1, 64])


@pytest.mark.skipif(not onednn.has_fused_convolutions(), reason="this torch has no oneDNN")
@pytest.mark.parametrize(("pad", "dilation"), [(0, 1), (5, 3)])
def test_a_convolution_held_in_bfloat16_is_that_of_the_rounded_weight(without_bfloat16, pad, dilation):
    weight, bias, x = made(1, 20, 24, 5), made(2, 20), made(3, 300, 24)
    conv = Conv(weight, bias, dilation, torch.bfloat16)
    assert conv.backend.name == "widened" and conv.kernel.weight.weight.dtype == torch.bfloat16
    rounded = weight.bfloat16().float()
    assert torch.equal(conv.plain()[:, :, 0], rounded)
    expected = F.conv1d(x.t()[None], rounded, bias, padding=pad, dilation=dilation)[0].t()
    torch.testing.assert_close(conv(x, pad), expected)
    torch.testing.assert_close(conv(x, pad, 0.1, 0.2), F.leaky_relu(conv(F.leaky_relu(x, 0.2), pad), 0.1))
    other = made(4, *expected.shape)
    added = conv.sum_with(other, x, pad)
    torch.testing.assert_close(added, other + expected)
    assert torch.equal(conv.add_to(other, x, pad), added)


def test_pieces_of_an_unfolded_signal_make_the_same_convolution(without_bfloat16, monkeypatch):
    x, conv = made(3, 300, 24), Conv(made(1, 20, 24, 5), None, 2, torch.bfloat16)
    expected = conv(x)
    monkeypatch.setattr("rvc.nn.kernels.bfloat16_weight.PIECE", 1000)
    torch.testing.assert_close(conv(x), expected)


@pytest.mark.skipif(not onednn.has_packed_products(), reason="this torch has no packed products")
def test_a_product_held_in_bfloat16_is_that_of_the_rounded_weight(without_bfloat16):
    weight, bias, x = made(1, 20, 24), made(2, 20), made(3, 30, 24)
    product = Dense(weight, bias, torch.bfloat16)
    assert product.kernel.weight.dtype == torch.bfloat16 and product(x).dtype == torch.float32
    torch.testing.assert_close(product(x), F.linear(x, weight.bfloat16().float(), bias))
    torch.testing.assert_close(product(x, gelu=True), F.gelu(product(x)))


def largest_bytes():
    """A weight and a signal whose products are all as large as bytes allow, and their exact convolution."""
    weight, x = torch.full((16, 64, 1, 3), 127.0), torch.full((1, 64, 1, 40), 127.0)
    weight[::2] = -127
    x[..., 20:] = -127
    return weight, x.contiguous(memory_format=torch.channels_last), F.conv2d(x.double(), weight.double())


@pytest.mark.skipif(not onednn.has_integer_convolutions(), reason="this torch has no oneDNN")
def test_the_largest_bytes_are_added_exactly_where_the_capability_is_reported(monkeypatch):
    weight, x, exact = largest_bytes()
    monkeypatch.setattr(int8, "adds_bytes_exactly", lambda: True)
    assert torch.equal(Int8(weight, 1)(x, None, 0).double(), exact) == onednn.adds_bytes_exactly()


@pytest.mark.skipif(not onednn.has_integer_convolutions(), reason="this torch has no oneDNN")
def test_the_largest_bytes_are_added_exactly_in_two_halves(monkeypatch):
    weight, x, exact = largest_bytes()
    monkeypatch.setattr(int8, "adds_bytes_exactly", lambda: False)
    convolution = Int8(weight, 1)
    assert torch.equal(convolution(x, None, 0).double(), exact)
    other = torch.ones(exact.shape).contiguous(memory_format=torch.channels_last)
    assert torch.equal(convolution(x, None, 0, other).double(), exact + 1)
