"""The generator's residual blocks, plain and fast, which compute any range of frames, docs/spec/05 §5.7."""

from __future__ import annotations

import threading
from functools import partial

from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.backends.backend import Operation
from rvc.nn.kernels.conv import Conv, Weights
from rvc.nn.kernels.fast_fir import FastConv, add_joined, map_signals, split_frames, take, zero_outside
from rvc.nn.streaming.ranges import (
    FrameRange,
    add_convolved_range,
    convolve_range,
    slice_range,
    sum_with_convolved_range,
)

SLOPE = 0.1  # negative slope of every LeakyReLU in a block (docs/spec/05 §5.7)
ALIGNED = 4  # frames to a multiple of which ranges are extended: two levels of pairing need it

leaky = partial(F.leaky_relu, negative_slope=SLOPE)
leaky_ = partial(F.leaky_relu_, negative_slope=SLOPE)


class ResBlock1:
    """Per dilation: LeakyReLU, dilated convolution, LeakyReLU, plain convolution, added to the block's input."""

    def __init__(self, weights: Weights, name: str, dilations: tuple[int, ...]) -> None:
        conv = partial(weights.conv, normed=True, operation=Operation.RESIDUAL)
        self.pairs = [
            (conv(f"{name}.convs1.{l}", dilation), conv(f"{name}.convs2.{l}")) for l, dilation in enumerate(dilations)
        ]
        self.reach = sum(first.reach + second.reach for first, second in self.pairs)
        odd = all(d % 2 for d in dilations)  # FastConv has no even dilations
        self.fast = FastBlock(self.pairs) if odd else None

    def convs(self) -> list[Conv]:
        """Every convolution of the block."""
        return [conv for pair in self.pairs for conv in pair]

    def __call__(self, x: Tensor, inputs: FrameRange, outputs: FrameRange) -> Tensor:
        """The range `outputs` of the result, from the range `inputs` of the input x (n, channels), left as it is."""
        left = self.reach
        held = outputs.widened(left)
        x = slice_range(x, inputs, held).to(self.pairs[0][0].signal_dtype)
        for l, (first, second) in enumerate(self.pairs):
            left -= first.reach
            middle = outputs.widened(left)
            h = convolve_range(first, x, held, middle, SLOPE, SLOPE)
            left -= second.reach
            out = outputs.widened(left)
            add = sum_with_convolved_range if l == 0 else add_convolved_range  # the other blocks read the same input
            x = add(slice_range(x, held, out), second, h, middle, out)
            held = out
        return x


class FastBlock:
    """ResBlock1 by fast FIR filtering; its kernels are packed from the plain convolutions when first used."""

    def __init__(self, pairs: list[tuple[Conv, Conv]]) -> None:
        self.pairs = pairs
        self._made: list[tuple[FastConv, FastConv]] | None = None
        self._lock = threading.Lock()

    @property
    def levels(self) -> int:
        """The levels of filtering that the backend of the block's convolutions uses; 0 for none."""
        return self.pairs[0][0].kernel.filtering_levels

    def kernels(self) -> list[tuple[FastConv, FastConv]]:
        """The fast form of each pair."""
        with self._lock:
            if self._made is None:
                fast = [[FastConv(c.plain()[:, :, 0], c.bias, c.dilation, self.levels) for c in p] for p in self.pairs]
                self._made = [(first, second) for first, second in fast]
            return self._made

    def pair_ranges(self, start: int, count: int) -> list[tuple[int, int]]:
        """Ranges of the signal before each pair and after the last one.

        Args:
            start, count: the first frame of the result, and the number of frames.
        Returns:
            (first frame, number of frames) for each pair, and for the result.
        """
        ranges = [(start, count)]
        for (plain_1, plain_2), (first, second) in zip(reversed(self.pairs), reversed(self.kernels()), strict=True):
            start -= plain_1.reach + plain_2.reach
            count = first.frames_needed(second.frames_needed(count))
            ranges.append((start, count))
        return ranges[::-1]

    def input_range(self, outputs: FrameRange) -> FrameRange:
        """The range of the input for the range `outputs`: a few frames more than it depends on, whose values cancel."""
        start, count = self.pair_ranges(outputs.start, len(outputs))[0]
        return FrameRange(start, start + count, outputs.length)

    def add_to(self, total: Tensor, x: Tensor, inputs: FrameRange, outputs: FrameRange) -> None:
        """Add the block's result to `total` in place.

        Args:
            total: float32 (len(outputs), channels).
            x: float32 (len(inputs), channels), the range `inputs` of the block's input; left as it is.
            inputs, outputs: ranges of the signal; `outputs` has a multiple of ALIGNED frames.
        """
        pair_ranges = self.pair_ranges(outputs.start, len(outputs))
        signal = split_frames(slice_range(x, inputs, self.input_range(outputs)), self.levels)
        for l, (one, two) in enumerate(self.kernels()):
            start, (out, count) = pair_ranges[l][0], pair_ranges[l + 1]
            h = map_signals(leaky_, one(map_signals(leaky, signal), two.frames_needed(count)))
            zero_outside(h, start + self.pairs[l][0].reach, outputs.length)
            signal = two(h, count, take(signal, out - start, count))
            zero_outside(signal, out, outputs.length)
        add_joined(total, signal)


class ResBlock2:
    """For each of the first two dilations: LeakyReLU, dilated convolution, added to the block's input."""

    fast: FastBlock | None = None

    def __init__(self, weights: Weights, name: str, dilations: tuple[int, ...]) -> None:
        self.steps = [
            weights.conv(f"{name}.convs.{l}", dilation, normed=True, operation=Operation.RESIDUAL)
            for l, dilation in enumerate(dilations[:2])
        ]
        self.reach = sum(conv.reach for conv in self.steps)

    def convs(self) -> list[Conv]:
        """Every convolution of the block."""
        return self.steps

    def __call__(self, x: Tensor, inputs: FrameRange, outputs: FrameRange) -> Tensor:
        """The range `outputs` of the result, from the range `inputs` of the input x (n, channels), left as it is."""
        left = self.reach
        held = outputs.widened(left)
        x = slice_range(x, inputs, held).to(self.steps[0].signal_dtype)
        for conv in self.steps:
            left -= conv.reach
            out = outputs.widened(left)
            x = sum_with_convolved_range(slice_range(x, held, out), conv, x, held, out, SLOPE)
            held = out
        return x
