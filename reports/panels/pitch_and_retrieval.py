"""The data of the F0 and retrieval panels, and the chart of the error's spectrum."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parity import stages
from parity.goldens import time_axes
from parity.goldens.arrays import Array
from parity.judge import metrics
from reports.data import measure, timeline
from reports.data.load import Evidence
from reports.data.pack import ArrayBlock, ArrayReference
from reports.panels import svg
from reports.panels.waveforms import Waveforms

NEIGHBORS = 8  # K of every original's retrieval
CONTENT_FRAME_SECONDS = 0.02  # one HuBERT frame: 320 samples at 16 kHz


@dataclass(frozen=True)
class PitchData:
    """F0 of both sides in Hz (0: unvoiced), one value each `step` seconds; pitch.js reads it."""

    name: str
    start: float
    step: float
    count: int
    original: ArrayReference
    candidate: ArrayReference


@dataclass(frozen=True)
class RetrievalPiece:
    """The neighbors of each content frame of one segment, each array (count, NEIGHBORS); retrieval.js reads it."""

    start: float
    step: float
    count: int
    ids: dict[str, ArrayReference]
    distances: dict[str, ArrayReference]
    weights: dict[str, ArrayReference]


def pitch_tensor(evidence: Evidence, candidate: Mapping[str, Array]) -> str | None:
    """The F0 tensor to show, or None where a side has none.

    `f0.raw` is preferred, since profiles that interpolate over unvoiced frames leave none in `f0.hz`.
    """
    return next((name for name in ("f0.raw", "f0.hz") if name in evidence.golden and name in candidate), None)


def pitch(evidence: Evidence, arrays: ArrayBlock) -> PitchData | None:
    """F0 of both sides in the chain, cut to the shorter; None without F0."""
    candidate = evidence.chained or evidence.isolated
    if evidence.meta.get("blocks"):
        return _realtime_pitch(evidence, arrays)
    name = pitch_tensor(evidence, candidate)
    if name is None:
        return None
    start = timeline.start(name, evidence.meta, evidence.golden)
    return _pitch_data(name, start, np.ravel(evidence.golden[name]), np.ravel(candidate[name]), arrays)


def _realtime_pitch(evidence: Evidence, arrays: ArrayBlock) -> PitchData | None:
    """The last frames of each block, as many as are new in it, block after block."""
    candidate = evidence.chained or evidence.isolated
    new_frames = round(time_axes.block_seconds(evidence.meta) / timeline.FRAME_SECONDS)
    names = [f"rt.{n}.f0.hz" for n in range(int(evidence.meta["blocks"]))]
    if new_frames < 1 or not names or not all(name in evidence.golden and name in candidate for name in names):
        return None
    left = np.concatenate([np.ravel(evidence.golden[name])[-new_frames:] for name in names])
    right = np.concatenate([np.ravel(candidate[name])[-new_frames:] for name in names])
    return _pitch_data("f0.hz", 0.0, left, right, arrays)


def _pitch_data(name: str, start: float, original: Array, candidate: Array, arrays: ArrayBlock) -> PitchData:
    count = min(len(original), len(candidate))
    references = arrays.add(original[:count]), arrays.add(candidate[:count])
    return PitchData(name, start, timeline.FRAME_SECONDS, count, *references)


def retrieval(evidence: Evidence, arrays: ArrayBlock) -> list[RetrievalPiece] | None:
    """Ids, distances and weights of the neighbors of each content frame on both sides, one piece per segment."""
    candidate, pieces = evidence.chained or evidence.isolated, []
    for prefix in stages.prefixes_of(name for name in evidence.golden if ".retrieval." in name):
        names = {kind: f"{prefix}retrieval.{kind}" for kind in ("ids", "distances", "weights")}
        present = all(name in evidence.golden and name in candidate for name in names.values())
        if stages.scope_of(prefix) is stages.Scope.BLOCK or not present:
            continue
        sides = {
            kind: {"original": evidence.golden[name], "candidate": candidate[name]} for kind, name in names.items()
        }
        values = [array for both in sides.values() for array in both.values()]
        if any(array.ndim != 2 or array.shape[1] != NEIGHBORS for array in values):
            continue
        count = min(len(array) for array in values)
        references = {
            kind: {who: arrays.add(array[:count], "i4" if kind == "ids" else "f4") for who, array in both.items()}
            for kind, both in sides.items()
        }
        start = timeline.start(names["ids"], evidence.meta, evidence.golden)
        pieces.append(RetrievalPiece(start, CONTENT_FRAME_SECONDS, count, **references))
    return pieces or None


def error_spectrum(waveforms: Waveforms) -> str:
    """An SVG of level over frequency: original, candidate, and their difference; "" for fewer than 64 samples."""
    if min(len(waveforms.original), len(waveforms.candidate)) < 64:
        return ""
    signals = {
        "original": waveforms.original,
        "candidate": waveforms.candidate,
        "difference": waveforms.difference,
    }
    if metrics.rms(waveforms.difference) == 0:
        del signals["difference"]
    curves = {name: measure.spectrum(samples, waveforms.rate) for name, samples in signals.items()}
    top = float(max(levels.max() for _, levels in curves.values()))
    low = float(max(top - 200, min(np.percentile(levels, 2) for _, levels in curves.values()) - 6))
    return svg.curves(
        {name: (hertz, np.maximum(levels, low)) for name, (hertz, levels) in curves.items()},
        "Hz",
        "dB below full scale",
        low,
        top + 4,
    )
