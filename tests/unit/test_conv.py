"""The convolution over rows: packed and plain, fused and not, in both precisions."""

import pytest
import torch
from torch.nn import functional as F

from rvc.errors import BadCheckpoint
from rvc.nn import conv as module
from rvc.nn.conv import Conv, Weights, from_rows, to_rows


def made(width=5, dilation=3):
    random = torch.Generator().manual_seed(width)
    weight, bias = torch.randn(4, 6, width, generator=random), torch.randn(4, generator=random)
    return weight, bias, Conv(weight, bias, dilation), torch.randn(40, 6, generator=random)


@pytest.mark.parametrize("fused", [True, False])
def test_it_is_torchs_convolution(monkeypatch, fused):
    monkeypatch.setattr(module, "FUSED", fused and module.FUSED)
    weight, bias, conv, x = made()
    plain = F.conv1d(x.t()[None], weight, bias, dilation=3)[0].t()
    torch.testing.assert_close(conv(x), plain)
    torch.testing.assert_close(conv(x, slope=0.1), F.leaky_relu(plain, 0.1))
    assert conv.same(x).shape == (40, 4)
    torch.testing.assert_close(conv.same(x)[6:-6], plain)
    other = torch.ones(28, 4)
    assert conv.add_to(other, x).data_ptr() == other.data_ptr()
    torch.testing.assert_close(other, plain + 1)
    assert torch.equal(conv.dense()[:, :, 0], weight)


def test_a_slice_of_rows_needs_no_copy():
    _, _, conv, x = made()
    torch.testing.assert_close(conv(x[7:30]), conv(x)[7:18])


def test_bfloat16_is_close_and_float32_again_is_the_rounded_weight():
    weight, _, conv, x = made()
    exact = conv(x)
    conv.to_precision(torch.bfloat16)
    rounded = conv(x.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, rtol=0.05, atol=0.1)
    conv.to_precision(torch.float32)
    assert torch.equal(conv.dense()[:, :, 0], weight.bfloat16().float())


def test_rows_and_back():
    x = torch.randn(1, 3, 7)
    assert to_rows(x).is_contiguous()
    assert torch.equal(from_rows(to_rows(x)), x)


def test_folding_promotes_each_part_first():
    random = torch.Generator().manual_seed(0)
    v, g = torch.randn(4, 3, 5, generator=random).half(), torch.randn(4, 1, 1, generator=random).half()
    folded = Weights({"x.weight_v": v, "x.weight_g": g}).folded("x")
    expected = v.double() * g.double() / v.double().pow(2).sum((1, 2), keepdim=True).sqrt()
    torch.testing.assert_close(folded.double(), expected, rtol=1e-6, atol=1e-7)


def test_large_weights_are_not_taken_for_infinite_ones():
    large = torch.full((4, 4), 3e38)
    assert torch.equal(Weights({"x": large})["x"], large)
    with pytest.raises(BadCheckpoint, match="tensor x holds NaN or infinity"):
        Weights({"x": torch.tensor([1.0, float("inf"), -float("inf")])})["x"]
