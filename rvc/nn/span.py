"""Stretches of a layer, and convolutions that compute just those: exact inside, zeros beyond the true ends."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from rvc.nn.conv import Conv


@dataclass(frozen=True)
class Span:
    """Rows start … end−1 of a layer whose true ends are 0 and `length`."""

    start: int
    end: int
    length: int

    def wider(self, reach: int) -> Span:
        """With `reach` more rows at each side, as far as there are any."""
        return Span(max(self.start - reach, 0), min(self.end + reach, self.length), self.length)


def cut(x: Tensor, given: Span, wanted: Span) -> Tensor:
    """Rows `wanted` of the rows `given`; no copy."""
    return x[wanted.start - given.start : wanted.end - given.start]


def reaching(conv: Conv, x: Tensor, given: Span, wanted: Span, slope: float | None = None) -> Tensor:
    """The convolution at rows `wanted` of rows `given`, which end where the reach does or at a true end."""
    x, pad = padded(conv, x, given, wanted)
    return conv(x, pad, slope)


def add_reaching(other: Tensor, conv: Conv, x: Tensor, given: Span, wanted: Span) -> Tensor:
    """`other` at rows `wanted`, with the convolution of rows `given` of x added in place."""
    x, pad = padded(conv, x, given, wanted)
    return conv.add_to(other, x, pad)


def padded(conv: Conv, x: Tensor, given: Span, wanted: Span) -> tuple[Tensor, int]:
    """The rows that `conv` reads for `wanted`, with zeros only beyond the true ends; and zeros it must add itself."""
    needs = wanted.wider(conv.reach)
    x = cut(x, given, needs)
    before, after = conv.reach - (wanted.start - needs.start), conv.reach - (needs.end - wanted.end)
    pad = min(before, after)
    if before != after:
        x = F.pad(x, (0, 0, before - pad, after - pad))
    return x, pad
