"""Numbers for the eye: errors over time, over powers of ten, over frequency. None of them decides anything.

Errors over time are the judge's own measure (`parity.judge.metrics`), so a strip over 1× is what the judge saw.
"""

import itertools
from typing import Any

import numpy as np

from parity import stages
from parity.goldens.arrays import Array
from parity.goldens.time_axes import TimeAxis
from parity.judge import metrics

LOW, HIGH, STEP = -12.0, 2.0, 0.25  # powers of ten of a histogram


def common(name: str, golden: Array, ours: Array) -> tuple[Array, Array] | None:
    """Both arrays as far as both reach in time, or None where they cannot be laid over each other."""
    time_axis = stages.tensor(name).time_axis
    if time_axis is None or golden.ndim != ours.ndim or not golden.size or not ours.size:
        return None
    count = min(golden.shape[time_axis], ours.shape[time_axis])
    cut = (slice(None),) * time_axis + (slice(count),)
    left, right = golden[cut], ours[cut]
    return (left, right) if left.shape == right.shape else None


def over_time(name: str, golden: Array, ours: Array, axis: TimeAxis) -> tuple[Array, float]:
    """Relative RMS error of each frame, float32 (T,), and the seconds from one frame to the next.

    golden, ours : one shape, as `common` gives them
    For decisions: infinity where any differs, else 0. A NaN of ours stays NaN.
    """
    row = stages.tensor(name)
    step = metrics.hop(row, axis) * (axis.step or 0.01)
    if row.kind == "decision":
        differs = metrics.per_frame(row, (golden != ours).astype("f8"), axis)
        return np.where(differs > 0, np.inf, 0.0).astype("f4"), step
    with np.errstate(invalid="ignore"):
        return metrics.compare(name, golden, ours, axis).frames.astype("f4"), step


def histogram(name: str, golden: Array, ours: Array, limit: float | None) -> dict[str, Any] | None:
    """Counts of |error| ÷ RMS of the golden over powers of ten; elements exactly equal are counted apart.

    None for decisions, which have no size. `limit` is drawn as a line at its power of ten.
    """
    row = stages.tensor(name)
    if row.kind == "decision":
        return None
    exact = golden.astype("f8")
    scale = metrics.rms(exact - exact.mean() if row.kind in ("wave", "pcm") else exact) or 1.0
    relative = np.abs(ours.astype("f8") - exact).ravel() / scale
    relative = relative[np.isfinite(relative)]
    nonzero = relative[relative > 0]
    counts, _ = np.histogram(np.clip(np.log10(nonzero), LOW, HIGH - 1e-9), round((HIGH - LOW) / STEP), (LOW, HIGH))
    return {
        "low": LOW,
        "high": HIGH,
        "step": STEP,
        "counts": counts.tolist(),
        "zero": int(relative.size - nonzero.size),
        "total": int(relative.size),
        "limit": float(np.log10(limit)) if limit else None,
    }


def spectrum(samples: Array, rate: int) -> tuple[Array, Array]:
    """Mean level in dB over frequency: Hz and dB, each float64 (bands,), bands about a twentieth of an octave wide."""
    from scipy.signal import welch

    size = min(4096, len(samples))
    hertz, power = welch(samples.astype("f8"), rate, nperseg=size, scaling="spectrum", detrend=False)
    edges = np.unique(np.round(np.geomspace(2, len(hertz), 110)).astype(int))
    bands = list(itertools.pairwise(edges))
    centres = np.array([hertz[a:b].mean() for a, b in bands])
    levels = np.array([power[a:b].mean() for a, b in bands])
    return centres, 10 * np.log10(levels + 1e-30)
