"""The generator's two changes of rate: the transposed convolutions, and the source brought down to each rate."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.conv import Conv, Weights
from rvc.nn.streaming.ranges import Span, taken
from rvc.nn.synthesizer_config import Sizes


class Upsampler:
    """A transposed convolution, stride u, kernel k, padding (k − u)/2: T rows become exactly u·T.

    Row n out hears the rows in that are i = (n + pad)//u and the `turns` − 1 before it, each through the taps
    (n + pad) mod u, + u, …: one convolution of width `turns` whose channels are the u rows out of each row in.
    """

    def __init__(self, sizes: Sizes, weights: Weights, i: int, gain: float = 1.0, bias: Tensor | None = None) -> None:
        """gain : a factor of what will come in;  bias : added to the layer's own."""
        self.rate, width = sizes.upsample_rates[i], sizes.upsample_kernels[i]
        self.pad, self.out = (width - self.rate) // 2, sizes.channels(i)
        self.turns = -(-width // self.rate)
        taps = weights.folded(f"dec.ups.{i}").mul_(gain)  # (in, out, k)
        taps = F.pad(taps, (0, self.turns * self.rate - width)).view(taps.shape[0], self.out, self.turns, self.rate)
        kernel = taps.flip(2).permute(3, 1, 0, 2).reshape(self.rate * self.out, -1, self.turns)
        own = weights[f"dec.ups.{i}.bias"]
        self.product = Conv(kernel, (own if bias is None else own + bias).repeat(self.rate))

    def needs(self, wanted: Span) -> Span:
        """The rows before that reach the rows `wanted` after."""
        first = (wanted.start + self.pad) // self.rate - self.turns + 1
        last = (wanted.end - 1 + self.pad) // self.rate
        return Span(first, last + 1, wanted.length // self.rate)

    def __call__(self, x: Tensor, given: Span, wanted: Span) -> Tensor:
        """Rows `given`, (·, in), to rows `wanted`, (·, out); those beyond the true ends are left undefined."""
        y = self.product(x).view(-1, self.out)
        start = (given.start + self.turns - 1) * self.rate - self.pad  # the row that y begins with
        return y[wanted.start - start : wanted.end - start]


class NoiseConv:
    """The source at one stage's rate: stride s, kernel 2·s, padding s/2; at the last stage each sample by itself."""

    def __init__(self, sizes: Sizes, weights: Weights, i: int) -> None:
        weight = weights[f"dec.noise_convs.{i}.weight"]  # (out, 1, k)
        self.stride, self.width = sizes.noise_stride(i), weight.shape[2]
        self.pad = self.stride // 2 if self.width > 1 else 0
        self.weight = weight[:, 0].t().contiguous()
        self.bias = weights[f"dec.noise_convs.{i}.bias"]  # whoever makes the rows adds it

    def add_to(self, x: Tensor, source: Tensor, wanted: Span) -> None:
        """Rows `wanted`, (·, out), with the source (T·upp,) heard at them added in place."""
        start = wanted.start * self.stride - self.pad
        heard = Span(start, start + (len(wanted) - 1) * self.stride + self.width, source.shape[0])
        x.addmm_(taken(source, heard).unfold(0, self.width, self.stride), self.weight)
