"""Figures to a verdict: pass, fail or inconclusive, with the interval that says why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median


@dataclass(frozen=True)
class Interval:
    """The median of some measurements and the range it lies in with at least the stated confidence."""

    low: float
    middle: float
    high: float
    confidence: float

    def __str__(self) -> str:
        return f"{self.middle:.3g} ({self.low:.3g} to {self.high:.3g})"


def interval(values: Sequence[float], confidence: float = 0.9) -> Interval:
    """The median and its distribution-free confidence interval from order statistics.

    With few values the widest interval there is, minimum to maximum, reaches less than `confidence`; the interval
    then says what it reaches.  raises ValueError when `values` is empty or not finite
    """
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError(f"cannot judge {list(values)}: expected at least one finite figure; was anything timed?")
    ordered, count = sorted(values), len(values)
    rank, reached = 0, _coverage(count, 0)
    while rank + 1 < (count + 1) // 2 and _coverage(count, rank + 1) >= confidence:
        rank += 1
        reached = _coverage(count, rank)
    return Interval(ordered[rank], median(ordered), ordered[count - 1 - rank], reached)


def _coverage(count: int, rank: int) -> float:
    """P(the median lies between the (rank+1)-th smallest and largest of `count` draws)."""
    outside = sum(math.comb(count, i) for i in range(rank + 1)) / 2**count
    return max(0.0, 1 - 2 * outside)


def verdict(found: Interval, budget: float) -> str:
    """`pass` when all of the interval is within the budget, `fail` when none of it is, else `inconclusive`."""
    if found.high <= budget:
        return "pass"
    return "fail" if found.low > budget else "inconclusive"


def slope(lengths: Sequence[float], values: Sequence[float]) -> float:
    """The least-squares slope of `values` over `lengths`: MiB per second of audio, say."""
    if len(lengths) != len(values) or len(set(lengths)) < 2:
        raise ValueError(f"a slope needs two different lengths, not {list(lengths)}")
    x, y = sum(lengths) / len(lengths), sum(values) / len(values)
    top = sum((a - x) * (b - y) for a, b in zip(lengths, values, strict=True))
    return top / sum((a - x) ** 2 for a in lengths)


def curvature(lengths: Sequence[float], values: Sequence[float]) -> float:
    """How much steeper the last step is than the first, in the unit of a slope: zero for a straight line.

    A buffer that grows with the square of the length shows here long before it shows in the slope.
    """
    order = sorted(zip(lengths, values, strict=True))
    if len(order) < 3:
        raise ValueError(f"growth needs three lengths, not {list(lengths)}")
    steps = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(order)]
    return steps[-1] - steps[0]
