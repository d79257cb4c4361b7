"""The values of a tensor over time as RMS of each frame, also for stages without sound."""

import math
from dataclasses import dataclass

import numpy as np

from parity import stages
from parity.goldens import time_axes
from parity.goldens.arrays import Array
from parity.judge import metrics
from reports.data import timeline
from reports.data.load import Evidence
from reports.data.pack import ArrayBlock, ArrayReference

MOST_FRAMES = 1500  # frames of a drawn curve; longer ones are joined, since a screen has no more columns


@dataclass(frozen=True)
class LevelPiece:
    """RMS over time of one tensor: three arrays of `count` values, `step` seconds apart, in the tensor's own unit."""

    start: float
    step: float
    count: int
    original: ArrayReference
    candidate: ArrayReference
    difference: ArrayReference


def piece(name: str, golden: Array, candidate: Array, evidence: Evidence, arrays: ArrayBlock) -> LevelPiece | None:
    """The levels of one tensor; None for a tensor that holds no finite number.

    Args:
        name: the tensor's name with its prefix.
        golden: the original's array.
        candidate: the candidate's array, in the same shape.
        evidence: the case, for the time axis.
        arrays: receives the levels.
    """
    row = stages.tensor(name)
    begin = timeline.start(name, evidence.meta, evidence.golden)
    axis = time_axes.TimeAxis(time_axes.step(name, evidence.meta), begin)
    sides = [np.nan_to_num(side.astype("f8"), posinf=0.0, neginf=0.0) for side in (golden, candidate)]
    curves = [metrics.per_frame(row, values, axis) for values in (*sides, sides[1] - sides[0])]
    if not curves[0].size:
        return None
    step = metrics.hop(row, axis) * (axis.step or 0.01)
    if stages.TensorName.parse(name).scope is stages.Scope.BLOCK:
        # the tensors of consecutive blocks overlap, so each block is shown as one value
        curves, step = [_joined(curve, len(curve)) for curve in curves], time_axes.block_seconds(evidence.meta)
    factor = max(1, math.ceil(len(curves[0]) / MOST_FRAMES))
    joined = [_joined(curve, factor) for curve in curves]
    return LevelPiece(begin, step * factor, len(joined[0]), *(arrays.add(curve) for curve in joined))


def _joined(curve: Array, factor: int) -> Array:
    """The RMS of `factor` frames each, float32."""
    starts = np.arange(0, len(curve), max(1, factor))
    widths = np.diff(np.append(starts, len(curve)))
    return np.asarray(np.sqrt(np.add.reduceat(curve**2, starts) / widths), "f4")
