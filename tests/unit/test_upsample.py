"""The changes of rate, compared with torch's transposed and strided convolutions."""

import pytest
import small_voice as sv
import torch
from torch.nn import functional as F

from rvc.nn.kernels.conv import Weights
from rvc.nn.streaming.ranges import FrameRange, slice_padded
from rvc.nn.synthesizer_config import layout, read_config
from rvc.nn.upsample import NoiseConv, Upsampler


@pytest.mark.parametrize("kind", sv.KINDS)
def test_upsampling_equals_the_transposed_convolution(kind):
    sizes = read_config(sv.config(kind), "v2", True)
    tensors = sv.weights(layout(sizes))
    for i, (rate, width) in enumerate(zip(sizes.upsample_rates, sizes.upsample_kernels, strict=True)):
        up = Upsampler(sizes, Weights(tensors), i, 0.5)
        x = torch.randn(30, sizes.channels(i - 1), generator=torch.Generator().manual_seed(i))
        weight = 0.5 * sv.folded(tensors, f"dec.ups.{i}")
        bias = tensors[f"dec.ups.{i}.bias"]
        expected = F.conv_transpose1d(x.t()[None], weight, bias, stride=rate, padding=(width - rate) // 2)[0].t()
        length = 30 * rate
        assert len(expected) == length
        for outputs in (
            FrameRange(0, length, length),
            FrameRange(7, 8, length),
            FrameRange(length // 2, length, length),
        ):
            inputs = up.input_range(outputs)
            result = up(slice_padded(x, inputs), inputs, outputs)
            torch.testing.assert_close(result, expected[outputs.start : outputs.end], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", sv.KINDS)
def test_the_source_is_added_at_each_rate(kind):
    sizes = read_config(sv.config(kind), "v2", True)
    tensors = sv.weights(layout(sizes))
    source = torch.randn(3 * sizes.upp, generator=torch.Generator().manual_seed(1))
    for i in range(len(sizes.upsample_rates)):
        noise, stride = NoiseConv(sizes, Weights(tensors), i), sizes.noise_stride(i)
        last = i == len(sizes.upsample_rates) - 1
        weight, pad = tensors[f"dec.noise_convs.{i}.weight"], 0 if last else stride // 2
        expected = F.conv1d(source[None, None], weight, stride=stride, padding=pad)[0].t()
        length = len(source) // stride
        for outputs in (FrameRange(0, length, length), FrameRange(length // 3, length - 1, length)):
            x = torch.ones(len(outputs), sizes.channels(i))
            noise.add_to(x, source, outputs)
            torch.testing.assert_close(x, 1 + expected[outputs.start : outputs.end], rtol=1e-5, atol=1e-5)
