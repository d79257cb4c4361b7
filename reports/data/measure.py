"""Numbers that the report draws: errors over time, over powers of ten, over frequency. None of them decides a state.

Errors over time use the judge's own metric (`parity.judge.metrics`), so a strip above 1× agrees with the verdict.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from parity import stages
from parity.goldens.arrays import Array
from parity.goldens.time_axes import TimeAxis
from parity.judge import metrics

# Range and bin width of a histogram, in powers of ten of |error| ÷ RMS: from far below float32 rounding (1e-7) to 100.
LOW, HIGH, STEP = -12.0, 2.0, 0.25


@dataclass(frozen=True)
class Histogram:
    """Counts of relative errors over powers of ten.

    Attributes:
        counts: elements per bin; errors outside the range are counted in the outermost bins.
        zero: elements that are exactly equal; they are in no bin.
        total: all elements with a finite error.
        limit: the power of ten of the limit, drawn as a line.
        low: the power of ten at which the first bin begins.
        high: the power of ten at which the last bin ends.
        step: width of a bin in powers of ten.
    """

    counts: tuple[int, ...]
    zero: int
    total: int
    limit: float | None
    low: float = LOW
    high: float = HIGH
    step: float = STEP

    def __add__(self, other: "Histogram") -> "Histogram":
        """The histogram of the elements of both; the limit is that of the first."""
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return replace(self, counts=counts, zero=self.zero + other.zero, total=self.total + other.total)


def overlap(name: str, golden: Array, candidate: Array) -> tuple[Array, Array] | None:
    """Two arrays of the tensor `name`, cut to the shorter one in time; None where other axes differ or one is empty."""
    time_axis = stages.tensor(name).time_axis
    if time_axis is None or golden.ndim != candidate.ndim or not golden.size or not candidate.size:
        return None
    count = min(golden.shape[time_axis], candidate.shape[time_axis])
    cut = (slice(None),) * time_axis + (slice(count),)
    left, right = golden[cut], candidate[cut]
    return (left, right) if left.shape == right.shape else None


def error_over_time(name: str, golden: Array, candidate: Array, axis: TimeAxis) -> tuple[Array, float]:
    """Relative RMS error of each frame.

    Args:
        name: the tensor's name with its prefix.
        golden: the original's array.
        candidate: the candidate's array, in the same shape (see `overlap`).
        axis: the tensor's time axis.
    Returns:
        float32 (frames,) and the seconds from one frame to the next. For decisions a frame is infinity where any
        element differs, else 0. A NaN of the candidate stays NaN.
    """
    row = stages.tensor(name)
    step = metrics.hop(row, axis) * (axis.step or 0.01)  # a tensor without a time axis is drawn as frames of 10 ms
    if row.kind == "decision":
        differs = metrics.per_frame(row, (golden != candidate).astype("f8"), axis)
        return np.where(differs > 0, np.inf, 0.0).astype("f4"), step
    with np.errstate(invalid="ignore"):
        frames = metrics.compare(name, golden, candidate, axis).frames.astype("f4")
    moved = np.isnan(candidate.astype("f8")) & ~np.isnan(golden.astype("f8"))
    return np.where(metrics.per_frame(row, moved.astype("f8"), axis) > 0, np.float32(np.nan), frames), step


def histogram(name: str, golden: Array, candidate: Array, limit: float | None) -> Histogram | None:
    """Count |error| ÷ RMS of the golden over powers of ten.

    Args:
        name: the tensor's name with its prefix.
        golden: the original's array.
        candidate: the candidate's array, in the same shape.
        limit: the limit of the relative RMS error, if the judge has one.
    Returns:
        None for decisions, which have no magnitude.
    """
    row = stages.tensor(name)
    if row.kind == "decision":
        return None
    exact = golden.astype("f8")
    scale = metrics.rms(exact - exact.mean() if row.kind in ("wave", "pcm") else exact) or 1.0
    relative = np.abs(candidate.astype("f8") - exact).ravel() / scale
    relative = relative[np.isfinite(relative)]
    nonzero = relative[relative > 0]
    # The subtraction keeps errors above the range within the last bin.
    counts, _ = np.histogram(np.clip(np.log10(nonzero), LOW, HIGH - 1e-9), round((HIGH - LOW) / STEP), (LOW, HIGH))
    zero, total = int(relative.size - nonzero.size), int(relative.size)
    return Histogram(tuple(counts.tolist()), zero, total, float(np.log10(limit)) if limit else None)


def spectrum(samples: Array, rate: int) -> tuple[Array, Array]:
    """Mean level over frequency.

    Args:
        samples: float (N,), full scale 1.
        rate: Hz.
    Returns:
        Center frequencies in Hz and levels in dB, each float64 (bands,): 110 bands of equal width in octaves, fewer
        where a band would be narrower than one bin.
    """
    from scipy.signal import welch

    size = min(4096, len(samples))
    hertz, power = welch(samples.astype("f8"), rate, nperseg=size, scaling="spectrum", detrend=False)
    edges = np.unique(np.round(np.geomspace(2, len(hertz), 110)).astype(int))
    bands = list(itertools.pairwise(edges))
    centers = np.array([hertz[a:b].mean() for a, b in bands])
    levels = np.array([power[a:b].mean() for a, b in bands])
    return centers, 10 * np.log10(levels + 1e-30)  # silence is -300 dB instead of minus infinity
