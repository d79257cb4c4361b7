"""Where an error lies, as a sentence: first frame, channels, segments or blocks, and its shape in time.

It stands in the verdict where no known mistake explains an error.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from parity.goldens.arrays import Array, Curve
from parity.goldens.reduction import Reduction
from parity.judge.diagnosis.acceptance import SILENT_PLACE, finite
from parity.judge.metrics import Worst
from parity.stages import Scope, TensorName


def sentence(
    ours: Array,
    golden: Array,
    axes: Sequence[str],
    first: Worst | None = None,
    shape: Mapping[str, str] | None = None,
    parts: str | None = None,
    reduction: Reduction | None = None,
) -> str:
    """Where an error lies.

    Args:
        ours: The candidate's tensor.
        golden: The golden's, of the same shape.
        axes: The labels of the axes.
        first: The first frame beyond the limit.
        shape: The shape of the error in time, with a sentence.
        parts: Which segments or blocks it lies in, from `parts`.
        reduction: How the tensors were reduced; None where they are whole.
    """
    clauses = []
    if reduction is not None:
        if begin := _begin_of_reduced(ours, golden, reduction):
            clauses.append(begin)
    elif first is not None:
        time = f" ({first.time_s:.3f} s)" if first.time_s is not None else ""
        clauses.append(f"it begins in frame {first.frame}{time}")
    if golden.dtype.kind == "i" and "sample" not in " ".join(axes):
        clauses.append(f"{int((ours != golden).sum())} of {golden.size} values differ")
    if channels := _channels(ours, golden, axes):
        clauses.append(channels)
    if parts:
        clauses.append(parts)
    if shape is not None and shape["kind"] != "none":
        clauses.append(shape["sentence"])
    return ", ".join(clauses)


def unequal(ours: Array, golden: Array, axis: int | None) -> Curve:
    """How many values of a decision differ in each frame, float64 (T,); without a time axis, at each place."""
    differs = (ours != golden).astype(np.float64)
    if axis is None or axis >= differs.ndim:
        return np.asarray(differs.ravel())
    return np.asarray(differs.sum(axis=tuple(other for other in range(differs.ndim) if other != axis)))


def _begin_of_reduced(ours: Array, golden: Array, reduction: Reduction) -> str | None:
    energy = (finite(ours) - finite(golden)) ** 2
    curve = energy.sum(axis=tuple(other for other in range(energy.ndim) if other != reduction.axis))
    place = reduction.first_place(curve > SILENT_PLACE * curve.mean())
    if place is None:
        return None
    where = f"frame {place[0]}" if place[1] == place[0] + 1 else f"frames {place[0]} to {place[1] - 1}"
    return f"it begins in {where} of {reduction.shape[reduction.axis]}"


def parts(name: TensorName, failed: Collection[TensorName], every: Collection[TensorName]) -> str | None:
    """Which segments or blocks an error lies in.

    Args:
        name: A tensor of a segment or block.
        failed: The names of this tensor in the segments or blocks where it differs.
        every: The names of this tensor in all segments or blocks.
    Returns:
        Such as "only in segment 1 of 3"; None for a tensor of the file, or one that differs in all.
    """
    if name.scope is Scope.FILE or len(every) < 2 or len(failed) == len(every):
        return None
    word = "block" if name.scope is Scope.BLOCK else "segment"
    numbers = sorted(other.index for other in failed)
    if len(numbers) == 1:
        return f"only in {word} {numbers[0]} of {len(every)}, counted from 0"
    return f"in {word}s {', '.join(map(str, numbers))} of {len(every)}, counted from 0"


def _channels(ours: Array, golden: Array, axes: Sequence[str]) -> str | None:
    """The channels that hold error; None for a tensor without channels."""
    if "channel" not in axes or ours.shape != golden.shape or ours.ndim != len(axes):
        return None
    axis = list(axes).index("channel")
    error = (finite(ours) - finite(golden)) ** 2
    energy = error.sum(axis=tuple(other for other in range(error.ndim) if other != axis))
    if not energy.any():
        return None
    held = np.flatnonzero(energy > SILENT_PLACE * energy[energy > 0].mean())
    if len(held) == len(energy):
        return f"in all {len(energy)} channels"
    if len(held) == 1:
        return f"in channel {held[0]} of {len(energy)}"
    if held[-1] - held[0] + 1 == len(held):
        return f"in channels {held[0]} to {held[-1]} of {len(energy)}"
    return f"in {len(held)} of {len(energy)} channels, the first of them {held[0]}"
