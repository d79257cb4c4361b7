"""The generator's two changes of rate: the transposed convolutions, and the source brought down to each rate."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.nn.conv import Conv, Weights
from rvc.nn.sizes import Sizes
from rvc.nn.span import Span


class Upsampler:
    """A transposed convolution, stride u, kernel k, padding (k − u)/2: T rows become exactly u·T.

    Each row in gives k rows out, which is one matrix product; then the overlapping rows are added.
    """

    def __init__(self, sizes: Sizes, weights: Weights, i: int) -> None:
        self.rate, self.width = sizes.upsample_rates[i], sizes.upsample_kernels[i]
        self.pad = (self.width - self.rate) // 2
        self.out = sizes.channels(i)
        weight = weights.folded(f"dec.ups.{i}")  # (in, out, k)
        self.product = Conv(weight.permute(2, 1, 0).reshape(self.width * self.out, -1, 1), None)
        self.bias = weights[f"dec.ups.{i}.bias"]

    def needs(self, wanted: Span) -> Span:
        """The rows before that reach the rows `wanted` after: row n comes from rows i with 0 ≤ n + pad − i·u < k."""
        first = -(-(wanted.start + self.pad - self.width + 1) // self.rate)
        last = (wanted.end - 1 + self.pad) // self.rate
        length = wanted.length // self.rate
        return Span(max(first, 0), min(last + 1, length), length)

    def __call__(self, x: Tensor, given: Span, wanted: Span) -> Tensor:
        """Rows `given`, (·, in), to rows `wanted`, (·, out)."""
        u, n = self.rate, x.shape[0]
        taps = self.product(x).view(n, self.width, self.out)
        turns = -(-self.width // u)  # how many rows in reach one row out
        y = self.bias.to(x.dtype).repeat((n + turns - 1) * u, 1)
        for turn in range(turns):
            part = taps[:, turn * u : (turn + 1) * u]
            y[turn * u : (turn + n) * u].view(n, u, self.out)[:, : part.shape[1]] += part
        start = given.start * u - self.pad  # the row that y begins with
        return y[wanted.start - start : wanted.end - start]


class NoiseConv:
    """The source at one stage's rate: stride s, kernel 2·s, padding s/2; at the last stage each sample by itself."""

    def __init__(self, sizes: Sizes, weights: Weights, i: int) -> None:
        weight = weights[f"dec.noise_convs.{i}.weight"]  # (out, 1, k)
        self.stride, self.width = sizes.noise_stride(i), weight.shape[2]
        self.pad = self.stride // 2 if self.width > 1 else 0
        self.weight = weight[:, 0].t().contiguous()
        self.bias = weights[f"dec.noise_convs.{i}.bias"]

    def add_to(self, x: Tensor, source: Tensor, wanted: Span) -> None:
        """Rows `wanted`, (·, out), with the source (T·upp,) heard at them added in place."""
        start, end = wanted.start * self.stride - self.pad, (wanted.end - 1) * self.stride - self.pad + self.width
        heard = source[max(start, 0) : min(end, source.shape[0])]
        heard = F.pad(heard, (max(-start, 0), max(end - source.shape[0], 0)))
        x += torch.addmm(self.bias, heard.unfold(0, self.width, self.stride), self.weight)
