"""Figures to a verdict: pass, fail or inconclusive, with the interval that says why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median
from typing import Any

Point = tuple[float, Sequence[float]]  # a length, and what was measured at it


@dataclass(frozen=True)
class Interval:
    """The median of some measurements and the range it lies in with at least the stated confidence."""

    low: float
    middle: float
    high: float
    confidence: float

    def __str__(self) -> str:
        low, middle, high = (
            f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}" for value in (self.low, self.middle, self.high)
        )
        return f"{middle} ({low} to {high})"

    def at_least_as_wide(self, noise: float) -> "Interval":
        """This one, or where it rests on a single measurement, the range that `noise`, a share, gives it."""
        if self.low < self.high:
            return self
        return Interval(self.low * (1 - noise), self.middle, self.high * (1 + noise), self.confidence)


@dataclass(frozen=True)
class Figure:
    """One measured figure beside what it may be: at most `budget`, or at least it where `at_least`."""

    what: str
    value: Interval
    unit: str
    budget: float
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """pass, fail or inconclusive."""
        return verdict(self.value, self.budget, at_least=self.at_least)

    def sentence(self) -> str:
        """What was found, what was expected."""
        bound = f"{'≥' if self.at_least else '≤'} {self.budget:.4g}"
        return f"{self.what}: {self.value} {self.unit}, budget {bound} {self.unit}: {self.verdict}"

    def table(self) -> dict[str, Any]:
        """The form that `speed` of verdict.json has and that a report draws."""
        low, high = self.value.low, self.value.high
        fixed = {"what": self.what, "value": self.value.middle, "low": low, "high": high, "unit": self.unit}
        return {**fixed, "budget": self.budget, "verdict": self.verdict, "who": "ours"}


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
    outside: float = sum(math.comb(count, i) for i in range(rank + 1)) / 2**count
    return max(0.0, 1 - 2 * outside)


def verdict(found: Interval, budget: float, *, at_least: bool = False) -> str:
    """`pass` when all of the interval is within the budget, `fail` when none of it is, else `inconclusive`."""
    if at_least:
        return verdict(Interval(-found.high, -found.middle, -found.low, found.confidence), -budget)
    if found.high <= budget:
        return "pass"
    return "fail" if found.low > budget else "inconclusive"


def steps(points: Sequence[Point]) -> list[Interval]:
    """How fast a cost rises from each length to the next, between the extremes of what was measured at both.

    A length that was measured once gets the widest spread that another length showed.
    """
    order = sorted((length, list(values)) for length, values in points)
    if len({length for length, _ in order}) < 2:
        raise ValueError(f"a slope needs two different lengths, not {[length for length, _ in order]}")
    spread = max(max(values) - min(values) for _, values in order)
    ranges = []
    for length, values in order:
        middle, half = median(values), (spread / 2 if len(values) == 1 else 0.0)
        ranges.append((length, min(values) - half, middle, max(values) + half))
    return [
        Interval((l2 - h1) / (x2 - x1), (m2 - m1) / (x2 - x1), (h2 - l1) / (x2 - x1), 0.0)
        for (x1, l1, m1, h1), (x2, l2, m2, h2) in pairwise(ranges)
    ]


def slope(points: Sequence[Point], first: float = 0.0) -> Interval:
    """The steepest of the steps from the length `first` on: MiB per second of audio, say."""
    found = steps([point for point in points if point[0] >= first])
    return max(found, key=lambda step: step.middle)


def curvature(points: Sequence[Point]) -> Interval:
    """How much steeper the last step is than the first, in the unit of a slope: zero for a straight line.

    A buffer that grows with the square of the length shows here long before it shows in the slope.
    """
    found = steps(points)
    if len(found) < 2:
        raise ValueError(f"growth needs three lengths, not {[length for length, _ in points]}")
    a, b = found[0], found[-1]
    return Interval(b.low - a.high, b.middle - a.middle, b.high - a.low, 0.0)


def drift(values: Sequence[float], warm: int = 3) -> Interval:
    """The rise per run of what was measured after each of many runs of one process, after `warm` of them.

    The slopes between all runs that lie at least a third of the series apart: their median, and the middle eight
    tenths of them. A leak lifts them all; an allocator that keeps a page more once does not.
    """
    kept = list(values)[warm:]
    apart = max(len(kept) // 3, 1)
    found = sorted((b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(kept), 2) if j - i >= apart)
    if len(kept) < 6:
        raise ValueError(f"a drift needs {warm + 6} runs at least, not {len(values)}")
    cut = len(found) // 10
    return Interval(found[cut], median(found), found[-1 - cut], 0.8)
