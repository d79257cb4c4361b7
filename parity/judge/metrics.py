"""The comparison of two arrays: first their form, then their distance, and where it is largest.

Errors are measured in float64. A relative error is divided by the RMS of the golden. For a waveform the golden's mean
is removed from that RMS but not from the difference, so that an added offset counts as an error. A NaN of the candidate
exceeds every limit.

Some elements are no measurement: NaN, infinity, and FLT_MAX, the distance of a neighbor that is missing. Such markers
must be equal; no error is measured in them, and they are no part of the golden's RMS. A marker in another place is an
infinite error. In a pitch track 0 Hz marks an unvoiced frame, and another voicing is an error of 50 Hz at least.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity import stages
from parity.goldens.arrays import Array, Curve
from parity.goldens.time_axes import TimeAxis
from parity.judge.states import CellState, Metric
from parity.stages import TensorKind

METRICS: dict[TensorKind, tuple[Metric, ...]] = {
    TensorKind.FLOAT: (Metric.RELATIVE_RMS, Metric.WORST_FRAME),
    TensorKind.WAVE: (Metric.RELATIVE_RMS, Metric.WORST_FRAME),
    TensorKind.HZ: (Metric.RELATIVE_RMS, Metric.WORST_FRAME),
    TensorKind.DECISION: (Metric.UNEQUAL,),
    TensorKind.PCM: (Metric.STEPS, Metric.RELATIVE_RMS),
    TensorKind.INPUT: (),
    TensorKind.NOISE: (),
}
MAY_BE_EMPTY = ("segment.cuts",)
FLT_MAX = float(np.finfo(np.float32).max)  # the distance of a missing neighbor (docs/spec/04 §4.2)
LEAST_PITCH = 50.0  # Hz, the lowest F0 of every method but a file (docs/spec/03)
NEARLY = 0.1  # relative RMS of a tensor that is the golden's but for an error of its own
FULL_SCALE_STEPS = 2  # an int16 golden with larger values is no silence
# Seconds in one frame of a waveform, and the longest step of an axis whose elements are grouped into such frames.
FRAME_SECONDS, LONGEST_GROUPED_STEP = 0.01, 0.005


@dataclass(frozen=True)
class Worst:
    """One element of a tensor with its place in time.

    Attributes:
        frame: The frame of the time axis that holds it; 10 ms for a waveform, else one element.
        time_s: Seconds into the input at which the frame begins; None without a time axis.
        index: The position of the element.
        ours: The candidate's value.
        golden: The golden's value.
        samples: [first, last) sample of the input at 16 kHz that the frame covers.
    """

    frame: int
    time_s: float | None
    index: tuple[int, ...]
    ours: float
    golden: float
    samples: tuple[int, int] | None = None

    def document(self) -> dict[str, Any]:
        """As verdict.json writes it."""
        document: dict[str, Any] = {
            "frame": self.frame,
            "time_s": self.time_s,
            "index": list(self.index),
            "ours": number(self.ours),
            "golden": number(self.golden),
        }
        return document | ({"samples": list(self.samples)} if self.samples else {})


@dataclass(frozen=True)
class Numbers:
    """The distance between two arrays of one form.

    Attributes:
        values: One number for each metric of the tensor's kind.
        max_abs: The largest absolute error, in the tensor's unit.
        worst: Where it lies; None for an empty tensor.
        frames: The relative RMS error of each frame, float64 (T,).
        markers: A phrase about markers that are not where the golden has them; "" where all are.
    """

    values: Mapping[Metric, float]
    max_abs: float
    worst: Worst | None
    frames: Curve = field(repr=False, default_factory=lambda: np.zeros(0))
    markers: str = ""


def number(value: float) -> float | None:
    """A float that JSON can hold: None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None


def form(name: str, golden: Array, ours: Array | None) -> tuple[CellState | None, str]:
    """Whether a tensor has the form of the golden.

    Returns:
        (None, "") where it has, else the state (missing, dtype, shape, empty or nan) and a sentence.
    """
    if ours is None:
        return CellState.MISSING, f"{name} is missing: the golden has {_kind(golden)}, the candidate made none"
    if ours.dtype != golden.dtype:
        return (
            CellState.DTYPE,
            f"{name} is {ours.dtype}, the golden is {golden.dtype}; convert it before it is handed over"
            f"{_full_scale(golden, ours)}",
        )
    if ours.size == 0 and golden.size:
        return CellState.EMPTY, f"{name} is empty: the golden has {_kind(golden)}"
    if ours.shape != golden.shape:
        return (
            CellState.SHAPE,
            f"{name} is {_kind(ours)}, the golden is {_kind(golden)}{_length_difference(name, golden, ours)}"
            f"{_exchanged_axes(golden, ours)}",
        )
    if golden.size == 0 and name not in MAY_BE_EMPTY:
        return CellState.EMPTY, f"{name} is empty in the golden and here: nothing was compared"
    if ours.dtype.kind == "f" and not np.isfinite(ours).all():
        bad = ~np.isfinite(ours) & np.isfinite(golden)
        if bad.any():
            first = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
            there = "the golden none" if np.isfinite(golden).all() else "the golden holds numbers there"
            return (
                CellState.NAN,
                f"{name} holds {int(bad.sum())} NaN or infinite values, the first at {list(first)}; {there}",
            )
    return None, ""


def _kind(value: Array) -> str:
    return f"{value.dtype}{list(value.shape)}"


def _full_scale(golden: Array, ours: Array) -> str:
    if golden.dtype.kind != "i" or ours.dtype.kind != "f" or not ours.size or not np.any(golden > FULL_SCALE_STEPS):
        return ""
    return " (its full scale is 1, the golden's 32768)" if float(np.max(np.abs(ours))) <= 1.0 else ""


def _exchanged_axes(golden: Array, ours: Array) -> str:
    """How the axes have to be exchanged, where the values are then nearly the golden's."""
    if ours.ndim != golden.ndim or sorted(ours.shape) != sorted(golden.shape):
        return ""
    scale = float(np.sqrt(np.mean(golden.astype(np.float64) ** 2)))
    if float(np.sqrt(np.mean((ours.reshape(golden.shape).astype(np.float64) - golden) ** 2))) <= NEARLY * scale:
        return "; with the golden's shape its values are nearly the golden's"
    for axes in itertools.permutations(range(ours.ndim)):
        if tuple(ours.shape[axis] for axis in axes) == golden.shape:
            error = ours.transpose(axes).astype(np.float64) - golden
            if float(np.sqrt(np.mean(error**2))) <= NEARLY * scale:
                return f"; with transpose = {list(axes)} its values are nearly the golden's"
    return ""


def _length_difference(name: str, golden: Array, ours: Array) -> str:
    axis = stages.tensor(name).time_axis
    if axis is None or golden.ndim != ours.ndim:
        return ""
    by = ours.shape[axis] - golden.shape[axis]
    others = [n for place, n in enumerate(ours.shape) if place != axis]
    if by == 0 or others != [n for place, n in enumerate(golden.shape) if place != axis]:
        return ""
    return f": {abs(by)} {stages.tensor(name).axes[axis]} {'short' if by < 0 else 'too many'}; was a tail trimmed?"


def metrics(name: str) -> tuple[Metric, ...]:
    """The metrics a tensor is judged by once its form is right."""
    return METRICS[stages.tensor(name).kind]


def compare(name: str, golden: Array, ours: Array, axis: TimeAxis | None = None) -> Numbers:
    """The distance between two arrays of one form.

    Args:
        name: The full name of the tensor.
        golden: The reference.
        ours: The candidate's value; `form` has accepted it.
        axis: The time axis, for the times of the worst place; without it no times are computed.
    """
    row = stages.tensor(name)
    axis = axis or TimeAxis(None)
    if golden.size == 0:
        return Numbers(dict.fromkeys(metrics(name), 0.0), 0.0, None)
    exact, other = golden.astype(np.float64), ours.astype(np.float64)
    if row.kind is TensorKind.DECISION:
        size = np.abs(other - exact)
        return Numbers(
            {Metric.UNEQUAL: float((size > 0).sum())}, float(size.max()), _worst(row, size, exact, other, axis)
        )
    gap, moved = difference(row, golden, ours), _moved_markers(golden, ours)
    size = np.where(moved, np.inf, np.abs(gap))
    divisor = scale(row, golden)
    # For the curve over time, which is drawn and described, a misplaced marker is an error of the golden's own size.
    frames = per_frame(row, np.where(moved, divisor or 1.0, gap), axis, is_number(golden))
    values = {
        Metric.RELATIVE_RMS: math.inf if moved.any() else ratio(_rms_of_numbers(gap, golden), divisor),
        Metric.WORST_FRAME: math.inf if moved.any() else ratio(float(frames.max()), divisor),
        Metric.STEPS: float(size.max()),
    }
    return Numbers(
        {metric: values[metric] for metric in metrics(name)},
        float(size.max()),
        _worst(row, size, exact, other, axis),
        frames / divisor if divisor else frames,
        _phrase(moved, golden, ours) if moved.any() else "",
    )


def is_number(value: Array) -> Array:
    """Which elements are measurements: bool of the same shape, False for NaN, infinity and FLT_MAX."""
    if value.dtype.kind != "f":
        return np.ones(value.shape, bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(value) < FLT_MAX)


def _moved_markers(golden: Array, ours: Array) -> Array:
    """Where one side has a marker and the other has none, or another one."""
    theirs, own = ~is_number(golden), ~is_number(ours)
    if not theirs.any() and not own.any():
        return np.zeros(golden.shape, bool)
    same = (golden == ours) | (np.isnan(golden) & np.isnan(ours))
    return np.asarray((theirs | own) & ~same)


def _phrase(moved: Array, golden: Array, ours: Array) -> str:
    first = tuple(int(i) for i in np.unravel_index(int(np.argmax(moved)), moved.shape))
    return (
        f"{int(moved.sum())} values are a number where the golden holds a marker (NaN, infinity, or the largest "
        f"float32 of a missing neighbor) or the reverse; first at {list(first)}, ours {float(ours[first]):.6g}, golden "
        f"{float(golden[first]):.6g}"
    )


def difference(row: stages.Tensor, golden: Array, ours: Array) -> Array:
    """The error of each element, float64 of the same shape; 0 in markers.

    Where the voicing of a pitch track differs, it is `LEAST_PITCH` at least.
    """
    numbers = is_number(golden) & is_number(ours)
    exact, other = (np.where(numbers, value, 0).astype(np.float64) for value in (golden, ours))
    gap = other - exact
    if row.kind is TensorKind.HZ:
        voicing = (exact == 0) != (other == 0)
        gap[voicing] = np.sign(gap[voicing]) * np.maximum(np.abs(gap[voicing]), LEAST_PITCH)
    return gap


def scale(row: stages.Tensor, golden: Array) -> float:
    """The RMS of a golden of any shape, by which an error is divided.

    It is taken over the golden's measurements; for a waveform, over their deviations from the mean.
    """
    numbers = is_number(golden)
    exact = (golden if numbers.all() else golden[numbers]).astype(np.float64)
    if not exact.size:
        return 0.0
    return rms(exact - exact.mean()) if row.is_waveform else rms(exact)


def relative(golden: Array, ours: Array) -> float:
    """RMS of the difference over RMS of the golden, over its measurements; infinite where a marker is misplaced.

    Both arrays have one shape.
    """
    if _moved_markers(golden, ours).any():
        return math.inf
    numbers = is_number(golden)
    exact = golden[numbers].astype(np.float64)
    return ratio(rms(ours[numbers].astype(np.float64) - exact), rms(exact))


def _rms_of_numbers(gap: Array, golden: Array) -> float:
    numbers = is_number(golden)
    return rms(gap) if numbers.all() else rms(gap[numbers])


def rms(value: Array) -> float:
    """Root mean square of all elements, in float64; 0 for none."""
    flat = np.asarray(value, np.float64).ravel()
    # a product by BLAS would start threads, which wait busily after each of a case's hundreds of comparisons
    return math.sqrt(float(np.einsum("i,i->", flat, flat)) / flat.size) if flat.size else 0.0


def ratio(error: float, scale: float) -> float:
    """error / scale; for a scale of 0 it is 0 where the error is 0, else infinite."""
    if scale:
        return error / scale
    return math.inf if error else 0.0


def hop(row: stages.Tensor, axis: TimeAxis) -> int:
    """The number of elements of the time axis in one frame: 10 ms of a waveform, one element of any other tensor."""
    if row.time_axis is None or axis.step is None or axis.step > LONGEST_GROUPED_STEP:
        return 1
    return max(1, round(FRAME_SECONDS / axis.step))


def per_frame(row: stages.Tensor, gap: Array, axis: TimeAxis, counted: Array | None = None) -> Curve:
    """The RMS of the difference in each frame along the time axis, float64 (T,).

    Args:
        row: The tensor.
        gap: The difference.
        axis: Its time axis.
        counted: Which elements the mean is taken over, bool of the same shape; None for all. A frame without any is 0.
    """
    counted = None if counted is None or counted.all() else counted
    if row.time_axis is None or gap.ndim <= row.time_axis:
        return np.array([rms(gap if counted is None else gap[counted])])
    elements = np.moveaxis(gap, row.time_axis, 0).reshape(gap.shape[row.time_axis], -1)
    energy = np.einsum("ij,ij->i", elements, elements)
    step = hop(row, axis)
    starts = np.arange(0, len(elements), step)
    widths = np.diff(np.append(starts, len(elements))) * elements.shape[1]
    if counted is not None:
        each = np.moveaxis(counted, row.time_axis, 0).reshape(elements.shape).sum(axis=1)
        widths = np.maximum(np.add.reduceat(each, starts), 1)
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
    moved = _moved_markers(golden, ours)
    gap = np.where(moved, np.inf, np.abs(difference(row, golden, ours)))
    over = np.flatnonzero(per_frame(row, gap, axis, is_number(golden) | moved) > allowed)
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
