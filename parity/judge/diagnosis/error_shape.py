"""How an error lies in time: at the edges, in one place, growing, with the segments, or everywhere; and what of a
waveform's error is pitch drift rather than magnitude."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from parity import stages
from parity.goldens.arrays import Array, Curve
from parity.judge.metrics import ratio, rms

_TELLS = {
    "none": "no error to describe",
    "edge": "the error lies at the ends",
    "transient": "the error lies in one short stretch",
    "growing": "the error grows with time",
    "periodic": "the error comes back at every segment's edge",
    "persistent": "the error is there all the time",
}


def shape(frames: Curve, seams: Sequence[int] = ()) -> dict[str, str]:
    """The kind of an error curve, relative RMS by frame; `seams` are the frames at which segments meet."""
    kind = _kind(np.asarray(frames, np.float64), seams)
    return {"kind": kind, "sentence": _TELLS[kind]}


def over_blocks(blocks: Sequence[Curve]) -> dict[str, str] | None:
    """The kind of an error over the blocks of a stream: `growing` where each holds more than the one before,
    `periodic` where each begins or ends with it; None where the blocks say no more than one of them does."""
    wrong = [block for block in blocks if block.size and np.any(block)]
    if len(wrong) < 3:
        return None
    sizes = [rms(block) for block in wrong]
    if all(one < other for one, other in pairwise(sizes)) and sizes[-1] > 3 * sizes[0]:
        return {
            "kind": "growing",
            "sentence": f"the error grows from block to block, {sizes[0]:.2g} in the first "
            f"and {sizes[-1]:.2g} in the last: a state is carried on wrongly",
        }
    if all(_kind(np.asarray(block, np.float64), ()) == "edge" for block in wrong):
        return {"kind": "periodic", "sentence": "the error comes back at every block's edge"}
    return None


def _kind(frames: Curve, seams: Sequence[int]) -> str:
    energy = np.where(np.isfinite(frames), frames, 0.0) ** 2
    total = float(energy.sum())
    count = len(energy)
    if total == 0:
        return "none"
    if count < 8:
        return "persistent"
    near = max(1, count // 50)
    edge = float(energy[:near].sum() + energy[-near:].sum()) / total
    if seams:
        at = np.zeros(count, bool)
        for seam in seams:
            at[max(seam - near, 0) : seam + near + 1] = True
        if float(energy[at].sum()) / total > 0.9 and at.mean() < 0.5:
            return "periodic"
    if edge > 0.9:
        return "edge"
    loudest = np.sort(energy)[::-1][: max(1, count // 10)]
    if float(loudest.sum()) / total > 0.9:
        return "transient"
    thirds = [float(np.sqrt(part.mean())) for part in np.array_split(energy, 3)]
    return "growing" if thirds[2] > 3 * thirds[0] and thirds[0] <= thirds[1] <= thirds[2] else "persistent"


def drift_cents(tensors: Mapping[str, Array], golden: Mapping[str, Array], prefix: str = "") -> float | None:
    """The median distance of two pitch tracks over the frames that both voice, in cents; None without pitch.

    prefix : of the block, where it is a stream's pitch
    """
    name = prefix + "f0.hz" if stages.scope_of(prefix) is stages.Scope.BLOCK else "f0.hz"
    if name not in tensors or name not in golden or tensors[name].shape != golden[name].shape:
        return None
    ours, theirs = tensors[name].astype(np.float64), golden[name].astype(np.float64)
    both = (ours > 0) & (theirs > 0)
    if not both.any():
        return None
    return float(np.median(1200 * np.log2(ours[both] / theirs[both])))


def magnitude(ours: Array, golden: Array) -> float:
    """The relative RMS between two waveforms' short-time magnitudes: what is left when phase may drift."""
    there = _spectra(golden)
    return ratio(rms(_spectra(ours) - there), rms(there))


def _spectra(wave: Array, size: int = 1024) -> Array:
    flat = np.asarray(wave, np.float64).ravel()
    flat = np.pad(flat - flat.mean(), (0, max(0, size - flat.size)))
    frames = np.lib.stride_tricks.sliding_window_view(flat, size)[:: size // 2]
    return np.asarray(np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)))
