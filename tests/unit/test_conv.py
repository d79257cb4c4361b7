"""The convolution over frames: packed and plain, fused and not, in both precisions."""

import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from rvc.errors import BadCheckpoint
from rvc.nn.kernels import onednn
from rvc.nn.kernels.backends import selection
from rvc.nn.kernels.conv import Conv, Weights
from rvc.nn.kernels.layout import from_frames, to_frames


def made(width=5, dilation=3):
    random = torch.Generator().manual_seed(width)
    weight, bias = torch.randn(4, 6, width, generator=random), torch.randn(4, generator=random)
    return weight, bias, Conv(weight, bias, dilation), torch.randn(40, 6, generator=random)


@pytest.mark.parametrize("fused", [True, False])
def test_it_equals_the_convolution_of_torch(monkeypatch, fused):
    if not fused:
        monkeypatch.setattr(onednn, "has_fused_convolutions", lambda: False)
    weight, bias, conv, x = made()
    expected = F.conv1d(x.t()[None], weight, bias, dilation=3)[0].t()
    torch.testing.assert_close(conv(x), expected)
    torch.testing.assert_close(conv(x, slope=0.1), F.leaky_relu(expected, 0.1))
    assert conv.same(x).shape == (40, 4)
    torch.testing.assert_close(conv.same(x)[6:-6], expected)
    addend = torch.ones(28, 4)
    assert conv.add_to(addend, x).data_ptr() == addend.data_ptr()
    torch.testing.assert_close(addend, expected + 1)
    assert torch.equal(conv.plain()[:, :, 0], weight)


def test_a_slice_of_frames_needs_no_copy():
    _, _, conv, x = made()
    torch.testing.assert_close(conv(x[7:30]), conv(x)[7:18])


def test_bfloat16_is_close_and_float32_again_is_the_rounded_weight():
    weight, _, conv, x = made()
    exact = conv(x)
    conv.to_precision(torch.bfloat16)
    rounded = conv(x.to(conv.signal_dtype))
    assert rounded.dtype == conv.signal_dtype
    torch.testing.assert_close(rounded.float(), exact, rtol=0.05, atol=0.1)
    conv.to_precision(torch.float32)
    assert torch.equal(conv.plain()[:, :, 0], weight.bfloat16().float())


def test_frames_and_back():
    x = torch.randn(1, 3, 7)
    assert to_frames(x).is_contiguous()
    assert torch.equal(from_frames(to_frames(x)), x)


def test_folding_widens_each_part_first():
    random = torch.Generator().manual_seed(0)
    v, g = torch.randn(4, 3, 5, generator=random).half(), torch.randn(4, 1, 1, generator=random).half()
    folded = Weights({"x.weight_v": v, "x.weight_g": g}).folded("x")
    expected = v.double() * g.double() / v.double().pow(2).sum((1, 2), keepdim=True).sqrt()
    torch.testing.assert_close(folded.double(), expected, rtol=1e-6, atol=1e-7)


def test_large_weights_are_not_mistaken_for_infinite_ones():
    large = torch.full((4, 4), 3e38)
    assert torch.equal(Weights({"x": large})["x"], large)
    with pytest.raises(BadCheckpoint, match="tensor x holds NaN or infinity"):
        Weights({"x": torch.tensor([1.0, float("inf"), -float("inf")])})["x"]


CALLS = """
import torch
from rvc.nn.kernels.conv import Conv
conv = Conv(torch.randn(768, 192, 3), torch.zeros(768), dtype=torch.bfloat16)
for rows in (55, 286, 1000, 3200):
    x = torch.randn(rows, 192).to(conv.signal_dtype)
    conv.same(x)
    print("packed for", rows, flush=True)
    conv.same(x)
    print("done", flush=True)
"""


def test_bfloat16_weights_are_not_rearranged_at_every_call():
    """By oneDNN's log, the second call of each length runs one product and nothing else."""
    environment = os.environ | {"ONEDNN_VERBOSE": "1", "RVC_TILES": "0"}
    done = subprocess.run([sys.executable, "-c", CALLS], env=environment, text=True, capture_output=True, check=True)
    for rows in (55, 286, 1000, 3200):
        again = done.stdout.split(f"packed for {rows}\n")[1].split("done\n")[0]
        assert "reorder" not in again, f"{rows} rows: {again}"


FLOAT32_CALLS = """
import torch
from rvc.nn.kernels.backends import selection
from rvc.nn.kernels.conv import Conv
with selection.pinned("onednn"):
    for into, width, dilation, rows in ((192, 5, 1, 598), (256, 3, 5, 1100), (256, 11, 1, 1100), (128, 11, 5, 10000)):
        out = 384 if into == 192 else into
        conv = Conv(torch.randn(out, into, width), torch.zeros(out), dilation)
        x = torch.randn(rows, into)
        conv(x)
        print("packed for", into, width, flush=True)
        conv(x)
        print("done", flush=True)
"""


def test_float32_weights_of_long_signals_are_not_rearranged_at_every_call():
    """By oneDNN's log, a weight is packed for the size of its first signal."""
    environment = os.environ | {"ONEDNN_VERBOSE": "1", "RVC_TILES": "0"}
    command = [sys.executable, "-c", FLOAT32_CALLS]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=True)
    for shape in ("192 5", "256 3", "256 11", "128 11"):
        again = done.stdout.split(f"packed for {shape}\n")[1].split("done\n")[0]
        assert "reorder" not in again, f"{shape}: {again}"


def test_a_weight_is_the_same_before_and_after_it_is_packed():
    weight = torch.randn(24, 16, 5, generator=torch.Generator().manual_seed(0))
    with selection.pinned("onednn"):
        conv, again = Conv(weight, None), Conv(weight, None)
    signals = [torch.randn(rows, 16, generator=torch.Generator().manual_seed(rows)) for rows in (50, 400, 3000)]
    assert torch.equal(conv.plain()[:, :, 0], weight)
    results = [conv(signal) for signal in signals]
    assert torch.equal(conv.plain()[:, :, 0], weight)
    for signal, result in reversed(list(zip(signals, results, strict=True))):  # packed for another length first
        assert torch.equal(again(signal), result)
