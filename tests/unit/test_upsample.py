"""The changes of rate against torch's transposed and strided convolutions."""

import pytest
import small_voice as sv
import torch
from torch.nn import functional as F

from rvc.nn.kernels.conv import Weights
from rvc.nn.streaming.ranges import Span, taken
from rvc.nn.synthesizer_config import layout, read_config
from rvc.nn.upsample import NoiseConv, Upsampler


@pytest.mark.parametrize("kind", sv.KINDS)
def test_upsampling_is_the_transposed_convolution(kind):
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
        for wanted in (Span(0, length, length), Span(7, 8, length), Span(length // 2, length, length)):
            given = up.needs(wanted)
            ours = up(taken(x, given), given, wanted)
            torch.testing.assert_close(ours, expected[wanted.start : wanted.end], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", sv.KINDS)
def test_the_source_is_heard_at_each_rate(kind):
    sizes = read_config(sv.config(kind), "v2", True)
    tensors = sv.weights(layout(sizes))
    source = torch.randn(3 * sizes.upp, generator=torch.Generator().manual_seed(1))
    for i in range(len(sizes.upsample_rates)):
        noise, stride = NoiseConv(sizes, Weights(tensors), i), sizes.noise_stride(i)
        last = i == len(sizes.upsample_rates) - 1
        weight, pad = tensors[f"dec.noise_convs.{i}.weight"], 0 if last else stride // 2
        expected = F.conv1d(source[None, None], weight, stride=stride, padding=pad)[0].t()
        length = len(source) // stride
        for wanted in (Span(0, length, length), Span(length // 3, length - 1, length)):
            x = torch.ones(len(wanted), sizes.channels(i))
            noise.add_to(x, source, wanted)
            torch.testing.assert_close(x, 1 + expected[wanted.start : wanted.end], rtol=1e-5, atol=1e-5)
