"""The generator's changes of rate: transposed convolutions, and the source at each stage's rate (docs/spec/05 §5.6)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.conv import Conv, Weights
from rvc.nn.streaming.ranges import FrameRange, slice_padded
from rvc.nn.synthesizer_config import Sizes


class Upsampler:
    """A transposed convolution of stride u, kernel size k and padding (k − u)/2: T frames become exactly u·T.

    Where k − u is odd, which only k = 2u with an odd stride allows, the padding is u//2 + 1 and one frame of output
    padding restores the length, so that T frames become u·T there too.

    Result n depends on input frame i = (n + pad) // u and the `taps_per_phase` − 1 frames before it, through the taps
    (n + pad) mod u, (n + pad) mod u + u, …: one convolution of that width whose channels are the u results per frame.
    """

    def __init__(self, sizes: Sizes, weights: Weights, i: int, gain: float = 1.0, bias: Tensor | None = None) -> None:
        """Pack upsampler `i`.

        Args:
            sizes, weights: the sizes and the weights of the voice.
            i: the stage, from 0.
            gain: a factor that the signal is multiplied by.
            bias: float32 (out,), added to the layer's own.
        """
        self.rate, width = sizes.upsample_rates[i], sizes.upsample_kernels[i]
        self.pad, self.out = (width - self.rate + 1) // 2, sizes.channels(i)
        self.taps_per_phase = -(-width // self.rate)
        taps = weights.folded(f"dec.ups.{i}").mul_(gain)  # (in, out, k)
        taps = F.pad(taps, (0, self.taps_per_phase * self.rate - width))
        taps = taps
        taps = taps.view(taps.shape[0], self.out, self.taps_per_phase, self.rate)
        kernel = taps.flip(2).permute(3, 1, 0, 2).reshape(self.rate * self.out, -1, self.taps_per_phase)
        own = weights[f"dec.ups.{i}.bias"]
        self.product = Conv(kernel, (own if bias is None else own + bias).repeat(self.rate))

    def input_range(self, outputs: FrameRange) -> FrameRange:
        """The range of the signal that the range `outputs` of the result depends on."""
        first = (outputs.start + self.pad) // self.rate - self.taps_per_phase + 1
        last = (outputs.end - 1 + self.pad) // self.rate
        return FrameRange(first, last + 1, outputs.length // self.rate)

    def __call__(self, x: Tensor, inputs: FrameRange, outputs: FrameRange) -> Tensor:
        """Upsample float32 (len(inputs), in) to (len(outputs), out); frames beyond the true ends are undefined."""
        y = self.product(x).view(-1, self.out)
        start = (inputs.start + self.taps_per_phase - 1) * self.rate - self.pad  # the frame that y begins with
        return y[outputs.start - start : outputs.end - start]


class NoiseConv:
    """The source at one stage's rate: stride s, kernel size 2·s, padding s/2; at the last stage a kernel of size 1."""

    def __init__(self, sizes: Sizes, weights: Weights, i: int) -> None:
        weight = weights[f"dec.noise_convs.{i}.weight"]  # (out, 1, k)
        self.stride, self.width = sizes.noise_stride(i), weight.shape[2]
        self.pad = self.stride // 2 if self.width > 1 else 0
        self.weight = weight[:, 0].t().contiguous()
        self.bias = weights[f"dec.noise_convs.{i}.bias"]  # float32 (out,), which the caller adds

    def add_to(self, x: Tensor, source: Tensor, outputs: FrameRange) -> None:
        """Add the convolved source in place.

        Args:
            x: float32 (len(outputs), out), the range `outputs` of the upsampled signal.
            source: float32 (T·upp,).
            outputs: a range at this stage's rate.
        """
        start = outputs.start * self.stride - self.pad
        span = FrameRange(start, start + (len(outputs) - 1) * self.stride + self.width, source.shape[0])
        x.addmm_(slice_padded(source, span).unfold(0, self.width, self.stride), self.weight)
