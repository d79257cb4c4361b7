"""Intervals of repeated measurements, and their comparison with a bound."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import combinations, pairwise
from statistics import median
from typing import Any

Point = tuple[float, Sequence[float]]  # a length of audio in s, and the costs measured at it


class Outcome(StrEnum):
    """The result of a comparison with a bound. The values stand in result.json and in `speed` of verdict.json."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_COUNTED = "not counted"  # fast, but the output is not exact


@dataclass(frozen=True)
class Interval:
    """The median of some measurements, and the range that contains it with at least the stated confidence."""

    low: float
    middle: float
    high: float
    confidence: float

    def __str__(self) -> str:
        low, middle, high = (
            f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}" for value in (self.low, self.middle, self.high)
        )
        return f"{middle} ({low} to {high})"

    def __neg__(self) -> "Interval":
        return Interval(-self.high, -self.middle, -self.low, self.confidence)

    def scaled(self, factor: float) -> "Interval":
        """The interval of the measurements multiplied by a positive factor."""
        return Interval(self.low * factor, self.middle * factor, self.high * factor, self.confidence)

    def at_least_as_wide(self, noise: float) -> "Interval":
        """The interval, or for a single measurement the range that `noise`, a fraction of it, gives."""
        if self.low < self.high:
            return self
        return Interval(self.low * (1 - noise), self.middle, self.high * (1 + noise), self.confidence)


@dataclass(frozen=True)
class Measurement:
    """A measured quantity and its bound: at most `budget`, or at least `budget` where `at_least`."""

    what: str
    value: Interval
    unit: str
    budget: float
    at_least: bool = False

    @property
    def outcome(self) -> Outcome:
        """Whether the interval is within the bound."""
        return compare(self.value, self.budget, at_least=self.at_least)

    def sentence(self) -> str:
        """Quantity, interval, bound and outcome in one line."""
        bound = f"{'≥' if self.at_least else '≤'} {self.budget:.4g}"
        return f"{self.what}: {self.value} {self.unit}, budget {bound} {self.unit}: {self.outcome}"

    def document(self) -> dict[str, Any]:
        """An entry of `speed.figures` of verdict.json, which the report draws."""
        low, high = self.value.low, self.value.high
        fixed = {"what": self.what, "value": self.value.middle, "low": low, "high": high, "unit": self.unit}
        return {**fixed, "budget": self.budget, "verdict": str(self.outcome), "who": "rvc"}


def interval(values: Sequence[float], confidence: float = 0.9) -> Interval:
    """The median and its distribution-free confidence interval from order statistics.

    Args:
        values: the measurements. With few of them even the range from minimum to maximum has less than `confidence`;
            the interval then states the confidence that it has.
        confidence: the least probability that the interval contains the median.
    Raises:
        ValueError: `values` is empty or not finite.
    """
    if not values or not all(math.isfinite(value) for value in values):
        raise ValueError(f"cannot judge {list(values)}: expected at least one finite figure; was anything timed?")
    ordered, count = sorted(values), len(values)
    rank, reached = 0, _coverage(count, 0)
    while rank + 1 < (count + 1) // 2 and _coverage(count, rank + 1) >= confidence:
        rank += 1
        reached = _coverage(count, rank)
    return Interval(ordered[rank], median(ordered), ordered[count - 1 - rank], reached)


def interval_document(values: Sequence[float]) -> dict[str, float]:
    """`interval(values)` as result.json holds it."""
    return asdict(interval(values))


def _coverage(count: int, rank: int) -> float:
    """The probability that the median is between the (rank+1)-th smallest and largest of `count` draws."""
    outside: float = sum(math.comb(count, i) for i in range(rank + 1)) / 2**count
    return max(0.0, 1 - 2 * outside)


def compare(value: Interval, bound: float, *, at_least: bool = False) -> Outcome:
    """PASS when the complete interval is within the bound, FAIL when none of it is, else INCONCLUSIVE."""
    if at_least:
        return compare(-value, -bound)
    if value.high <= bound:
        return Outcome.PASS
    return Outcome.FAIL if value.low > bound else Outcome.INCONCLUSIVE


def slopes(points: Sequence[Point]) -> list[Interval]:
    """The rise of a cost from each length to the next, in cost per second of audio.

    Args:
        points: costs by length. A length that was measured once gets the widest spread of the other lengths.
    Returns:
        Each interval lies between the extremes of the measurements at both lengths.
    Raises:
        ValueError: fewer than two different lengths.
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
    """The steepest of the slopes from the length `first` on, for example in MiB per second of audio."""
    return max(slopes([point for point in points if point[0] >= first]), key=lambda step: step.middle)


def curvature(points: Sequence[Point]) -> Interval:
    """The last slope minus the first, in the unit of a slope: 0 for a straight line.

    A buffer that grows with the square of the length changes the curvature before it changes the slope noticeably.

    Raises:
        ValueError: fewer than three different lengths.
    """
    steps = slopes(points)
    if len(steps) < 2:
        raise ValueError(f"growth needs three lengths, not {[length for length, _ in points]}")
    a, b = steps[0], steps[-1]
    return Interval(b.low - a.high, b.middle - a.middle, b.high - a.low, 0.0)


def drift(values: Sequence[float], warm: int = 3) -> Interval:
    """The rise per run of a quantity measured after each run of one process.

    The slopes between all pairs of runs that are at least a third of the series apart: their median, and the range of
    the middle 80 % of them. A leak raises all slopes; a page that an allocator retains once does not.

    Args:
        values: one measurement after each run.
        warm: runs at the beginning that are left out.
    Raises:
        ValueError: fewer than six runs remain.
    """
    kept = list(values)[warm:]
    apart = max(len(kept) // 3, 1)
    rises = sorted((b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(kept), 2) if j - i >= apart)
    if len(kept) < 6:
        raise ValueError(f"a drift needs {warm + 6} runs at least, not {len(values)}")
    cut = len(rises) // 10
    return Interval(rises[cut], median(rises), rises[-1 - cut], 0.8)
