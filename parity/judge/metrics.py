"""Two arrays to numbers: first their form, then how far apart they are, where, and when that is.

Errors are measured in float64. A relative error is divided by the RMS of the golden (its mean removed for a
waveform, while the difference keeps its own, so that an offset cannot hide). A NaN on our side is never close.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity import stages
from parity.goldens.arrays import Array, Curve
from parity.goldens.time_axes import TimeAxis

METRICS: dict[str, tuple[str, ...]] = {
    "float": ("relative_rms", "worst_frame"),
    "wave": ("relative_rms", "worst_frame"),
    "hz": ("relative_rms", "worst_frame"),
    "decision": ("unequal",),
    "pcm": ("steps", "relative_rms"),
    "given": (),
    "noise": (),
}
MAY_BE_EMPTY = ("segment.cuts",)


@dataclass(frozen=True)
class Worst:
    """The worst place: a frame of the time axis (10 ms for a waveform), its time, and both values there."""

    frame: int
    time_s: float | None
    index: tuple[int, ...]
    ours: float
    golden: float
    samples: tuple[int, int] | None = None

    def document(self) -> dict[str, Any]:
        """As verdict.json writes it."""
        found: dict[str, Any] = {
            "frame": self.frame,
            "time_s": self.time_s,
            "index": list(self.index),
            "ours": number(self.ours),
            "golden": number(self.golden),
        }
        return found | ({"samples": list(self.samples)} if self.samples else {})


@dataclass(frozen=True)
class Numbers:
    """What two arrays of one form differ by: `values` by metric, the largest absolute error, the worst place."""

    values: Mapping[str, float]
    max_abs: float
    worst: Worst | None
    frames: Curve = field(repr=False, default_factory=lambda: np.zeros(0))  # relative error of each frame


def number(value: float) -> float | None:
    """A float that JSON can hold: None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None


def form(name: str, golden: Array, ours: Array | None) -> tuple[str, str]:
    """The state of a tensor before any number is looked at: ("", "") or a state with its sentence.

    States: missing, dtype, shape, empty, nan.
    """
    if ours is None:
        return "missing", f"{name} is missing: the golden has {_kind(golden)}, the candidate made none"
    if ours.dtype != golden.dtype:
        return "dtype", f"{name} is {ours.dtype}, the golden is {golden.dtype}; convert it before it is handed over"
    if ours.size == 0 and golden.size:
        return "empty", f"{name} is empty: the golden has {_kind(golden)}"
    if ours.shape != golden.shape:
        return "shape", f"{name} is {_kind(ours)}, the golden is {_kind(golden)}{_shorter(name, golden, ours)}"
    if golden.size == 0 and name not in MAY_BE_EMPTY:
        return "empty", f"{name} is empty in the golden and here: nothing was compared"
    if ours.dtype.kind == "f" and not np.isfinite(ours).all():
        bad = ~np.isfinite(ours)
        first = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
        count = int(bad.sum())
        return "nan", f"{name} holds {count} NaN or infinite values, the first at {list(first)}; the golden none"
    return "", ""


def _kind(value: Array) -> str:
    return f"{value.dtype}{list(value.shape)}"


def _shorter(name: str, golden: Array, ours: Array) -> str:
    axis = stages.tensor(name).time_axis
    if axis is None or golden.ndim != ours.ndim:
        return ""
    by = ours.shape[axis] - golden.shape[axis]
    others = [n for place, n in enumerate(ours.shape) if place != axis]
    if by == 0 or others != [n for place, n in enumerate(golden.shape) if place != axis]:
        return ""
    return f": {abs(by)} {stages.tensor(name).axes[axis]} {'short' if by < 0 else 'too many'}; was a tail trimmed?"


def metrics(name: str) -> tuple[str, ...]:
    """The metrics a tensor is judged by once its form is right."""
    return METRICS[stages.tensor(name).kind]


def compare(name: str, golden: Array, ours: Array, axis: TimeAxis | None = None) -> Numbers:
    """How far `ours` is from `golden`; both of the form that `form` has accepted."""
    row = stages.tensor(name)
    axis = axis or TimeAxis(None)
    if golden.size == 0:
        return Numbers(dict.fromkeys(metrics(name), 0.0), 0.0, None)
    exact, other = golden.astype(np.float64), ours.astype(np.float64)
    gap = other - exact
    size = np.abs(gap)
    if row.kind == "decision":
        return Numbers({"unequal": float((size > 0).sum())}, float(size.max()), _worst(row, size, exact, other, axis))
    scale = rms(exact - exact.mean()) if row.kind in ("wave", "pcm") else rms(exact)
    frames = per_frame(row, gap, axis)
    values = {
        "relative_rms": ratio(rms(gap), scale),
        "worst_frame": ratio(float(frames.max()), scale),
        "steps": float(size.max()),
    }
    return Numbers(
        {metric: values[metric] for metric in metrics(name)},
        float(size.max()),
        _worst(row, size, exact, other, axis),
        frames / scale if scale else frames,
    )


def rms(value: Array) -> float:
    """Root mean square of all elements, in float64; 0 for none."""
    flat = np.asarray(value, np.float64).ravel()
    return math.sqrt(float(flat @ flat) / flat.size) if flat.size else 0.0


def ratio(error: float, scale: float) -> float:
    """error / scale, where nothing divided by nothing is 0 and something by nothing is infinite."""
    if scale:
        return error / scale
    return math.inf if error else 0.0


def hop(row: stages.Tensor, axis: TimeAxis) -> int:
    """Elements of the time axis in one frame: 10 ms of a waveform, one element of anything else."""
    if row.time_axis is None or axis.step is None or axis.step > 0.005:
        return 1
    return max(1, round(0.01 / axis.step))


def per_frame(row: stages.Tensor, gap: Array, axis: TimeAxis) -> Curve:
    """The RMS of the difference in each frame along the time axis, float64 (T,)."""
    if row.time_axis is None or gap.ndim <= row.time_axis:
        return np.array([rms(gap)])
    rows = np.moveaxis(gap, row.time_axis, 0).reshape(gap.shape[row.time_axis], -1)
    energy = np.einsum("ij,ij->i", rows, rows)
    step = hop(row, axis)
    starts = np.arange(0, len(rows), step)
    widths = np.diff(np.append(starts, len(rows))) * rows.shape[1]
    return np.asarray(np.sqrt(np.add.reduceat(energy, starts) / widths))


def place(row: stages.Tensor, index: tuple[int, ...], ours: float, golden: float, axis: TimeAxis) -> Worst:
    """A place of an array with its frame, its time and the samples of the input that it covers."""
    if row.time_axis is None or len(index) <= row.time_axis:
        return Worst(0, None, index, ours, golden)
    step = hop(row, axis)
    frame = index[row.time_axis] // step
    begin = axis.seconds(frame * step)
    end = axis.seconds((frame + 1) * step)
    samples = None if begin is None or end is None else (round(begin * stages.SR16), round(end * stages.SR16))
    return Worst(frame, begin, index, ours, golden, samples)


def _worst(row: stages.Tensor, size: Array, exact: Array, other: Array, axis: TimeAxis) -> Worst:
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(size)), size.shape))
    return place(row, index, float(other[index]), float(exact[index]), axis)


def first_above(row: stages.Tensor, golden: Array, ours: Array, allowed: float, axis: TimeAxis) -> Worst | None:
    """The first frame whose RMS error exceeds `allowed` (in the tensor's unit), at its worst element."""
    exact, other = golden.astype(np.float64), ours.astype(np.float64)
    gap = np.abs(other - exact)
    over = np.flatnonzero(per_frame(row, gap, axis) > allowed)
    if not over.size:
        return None
    if row.time_axis is None:
        return _worst(row, gap, exact, other, axis)
    step = hop(row, axis)
    begin = int(over[0]) * step
    piece = (slice(None),) * row.time_axis + (slice(begin, begin + step),)
    local = [int(i) for i in np.unravel_index(int(np.argmax(gap[piece])), gap[piece].shape)]
    local[row.time_axis] += begin
    index = tuple(local)
    return place(row, index, float(other[index]), float(exact[index]), axis)
