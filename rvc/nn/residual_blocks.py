"""The generator's residual blocks, plain and fast, each computing just the rows it is asked for, docs/spec/05 §5.7."""

from __future__ import annotations

import threading
from functools import partial

from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.conv import Conv, Weights
from rvc.nn.kernels.fast_fir import FastConv, add_joined, each, silence, split, take
from rvc.nn.streaming.ranges import Span, add_reaching, added_reaching, cut, reaching

SLOPE = 0.1
ALIGNED = 4  # rows; what two levels of pairing need

leaky = partial(F.leaky_relu, negative_slope=SLOPE)
leaky_ = partial(F.leaky_relu_, negative_slope=SLOPE)


def levels_for(channels: int, width: int) -> int:
    """How often pairing rows pays: products saved grow with the width, and the additions they cost with 1/channels."""
    if channels * width < 64 * 11 or width < 7:
        return 0
    return 2 if channels >= 128 and width >= 11 else 1


class ResBlock1:
    """Per dilation: LeakyReLU, dilated convolution, LeakyReLU, plain convolution, added to what came in."""

    def __init__(self, weights: Weights, at: str, dilations: tuple[int, ...]) -> None:
        self.pairs = [
            (weights.conv(f"{at}.convs1.{l}", d, normed=True), weights.conv(f"{at}.convs2.{l}", normed=True))
            for l, d in enumerate(dilations)
        ]
        self.reach = sum(first.reach + second.reach for first, second in self.pairs)
        first = self.pairs[0][0]
        odd = all(d % 2 for d in dilations)
        self.fast = FastBlock(self.pairs, levels_for(first.out, first.width)) if odd else None

    def convs(self) -> list[Conv]:
        """All of them."""
        return [conv for pair in self.pairs for conv in pair]

    def __call__(self, x: Tensor, given: Span, wanted: Span) -> Tensor:
        """Rows `given` of x, left as they are, to rows `wanted`."""
        left = self.reach
        mine = wanted.wider(left)
        x = cut(x, given, mine)
        for l, (first, second) in enumerate(self.pairs):
            left -= first.reach
            middle = wanted.wider(left)
            h = reaching(first, x, mine, middle, SLOPE, SLOPE)
            left -= second.reach
            out = wanted.wider(left)
            add = added_reaching if l == 0 else add_reaching  # the other blocks still need what came in
            x = add(cut(x, mine, out), second, h, middle, out)
            mine = out
        return x


class FastBlock:
    """The same by fast filtering; made from the plain convolutions when first needed."""

    def __init__(self, pairs: list[tuple[Conv, Conv]], levels: int) -> None:
        self.pairs, self.levels = pairs, levels
        self._made: list[tuple[FastConv, FastConv]] | None = None
        self._lock = threading.Lock()

    @property
    def serves(self) -> bool:
        """Whether it is faster here, and exact enough: rounding sums of weights to bfloat16 would not be."""
        first = self.pairs[0][0]
        return self.levels > 0 and first.packed and first.is_float32

    def kernels(self) -> list[tuple[FastConv, FastConv]]:
        """The fast form of each pair."""
        with self._lock:
            if self._made is None:
                fast = [[FastConv(c.dense()[:, :, 0], c.bias, c.dilation, self.levels) for c in p] for p in self.pairs]
                self._made = [(first, second) for first, second in fast]
            return self._made

    def windows(self, start: int, count: int) -> list[tuple[int, int]]:
        """For `count` rows from `start` on: (first row, rows) of what goes into each pair, and of what comes out."""
        found = [(start, count)]
        for (plain_1, plain_2), (first, second) in zip(reversed(self.pairs), reversed(self.kernels()), strict=True):
            start -= plain_1.reach + plain_2.reach
            count = first.need(second.need(count))
            found.append((start, count))
        return found[::-1]

    def reads(self, wanted: Span) -> Span:
        """The rows that go in for the rows `wanted`: a few more than can reach them, in which anything cancels."""
        start, count = self.windows(wanted.start, len(wanted))[0]
        return Span(start, start + count, wanted.length)

    def add_to(self, total: Tensor, x: Tensor, given: Span, wanted: Span) -> None:
        """Add the block's rows `wanted`, a multiple of ALIGNED many, of rows `given` of x, left as they are."""
        windows = self.windows(wanted.start, len(wanted))
        signal = split(cut(x, given, self.reads(wanted)), self.levels)
        for l, (one, two) in enumerate(self.kernels()):
            start, (out, count) = windows[l][0], windows[l + 1]
            h = each(leaky_, one(each(leaky, signal), two.need(count)))
            silence(h, start + self.pairs[l][0].reach, wanted.length)
            signal = two(h, count, take(signal, out - start, count))
            silence(signal, out, wanted.length)
        add_joined(total, signal)


class ResBlock2:
    """Per dilation, the first two of them: LeakyReLU, dilated convolution, added to what came in."""

    fast: FastBlock | None = None

    def __init__(self, weights: Weights, at: str, dilations: tuple[int, ...]) -> None:
        self.steps = [weights.conv(f"{at}.convs.{l}", d, normed=True) for l, d in enumerate(dilations[:2])]
        self.reach = sum(conv.reach for conv in self.steps)

    def convs(self) -> list[Conv]:
        """All of them."""
        return self.steps

    def __call__(self, x: Tensor, given: Span, wanted: Span) -> Tensor:
        """Rows `given` of x, left as they are, to rows `wanted`."""
        left = self.reach
        mine = wanted.wider(left)
        x = cut(x, given, mine)
        for conv in self.steps:
            left -= conv.reach
            out = wanted.wider(left)
            x = added_reaching(cut(x, mine, out), conv, x, mine, out, SLOPE)
            mine = out
        return x
