"""Stretches of a layer, and convolutions that compute just those: exact inside, silent beyond the true ends.

A stretch may stick out beyond the ends of its layer; the rows there are zeros, as the padding of the uncut network.
So pieces at the ends have the shapes of those in the middle, for which oneDNN has its kernels already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.conv import Conv


@dataclass(frozen=True)
class Span:
    """Rows start … end−1 of a layer whose true ends are 0 and `length`."""

    start: int
    end: int
    length: int

    def __len__(self) -> int:
        return self.end - self.start

    def wider(self, reach: int) -> Span:
        """With `reach` more rows at each side."""
        return Span(self.start - reach, self.end + reach, self.length)

    def aligned(self, rows: int) -> Span:
        """With more rows at both sides, up to multiples of `rows` counted from the layer's start."""
        return Span(self.start - self.start % rows, self.end + -self.end % rows, self.length)

    def parts(self, rows: int) -> Iterator[Span]:
        """Itself in stretches of `rows` rows, the last of them shorter."""
        for start in range(self.start, self.end, rows):
            yield Span(start, min(start + rows, self.end), self.length)


def cut(x: Tensor, given: Span, wanted: Span) -> Tensor:
    """Rows `wanted` of the rows `given`; no copy."""
    assert given.start <= wanted.start <= wanted.end <= given.end
    return x[wanted.start - given.start : wanted.end - given.start]


def taken(x: Tensor, wanted: Span) -> Tensor:
    """Rows `wanted` of all rows x of a layer, with zeros beyond its ends."""
    inside = x[max(wanted.start, 0) : max(min(wanted.end, wanted.length), 0)]
    before = min(max(-wanted.start, 0), len(wanted))
    return F.pad(inside.contiguous(), (0, 0) * (x.dim() - 1) + (before, len(wanted) - len(inside) - before))


def silenced(x: Tensor, span: Span) -> Tensor:
    """x, rows `span`, with zeros, in place, beyond the true ends."""
    if span.start < 0:
        x[: -span.start] = 0
    if span.end > span.length:
        x[max(span.length - span.start, 0) :] = 0
    return x


def reaching(
    conv: Conv, x: Tensor, given: Span, wanted: Span, slope: float | None = None, before: float | None = None
) -> Tensor:
    """The convolution at rows `wanted` of rows `given`, which hold all that it reaches; its LeakyReLUs are Conv's."""
    return silenced(conv(cut(x, given, wanted.wider(conv.reach)), slope=slope, before=before), wanted)


def add_reaching(
    other: Tensor, conv: Conv, x: Tensor, given: Span, wanted: Span, before: float | None = None
) -> Tensor:
    """`other` at rows `wanted`, with the convolution of rows `given` of x added in place."""
    return silenced(conv.add_to(other, cut(x, given, wanted.wider(conv.reach)), before=before), wanted)


def added_reaching(
    other: Tensor, conv: Conv, x: Tensor, given: Span, wanted: Span, before: float | None = None
) -> Tensor:
    """What `add_reaching` gives, with `other` left as it is."""
    return silenced(conv.added(other, cut(x, given, wanted.wider(conv.reach)), before=before), wanted)
