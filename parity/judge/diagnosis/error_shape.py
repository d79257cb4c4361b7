"""The shape of an error in time (at the ends, in one place, growing, at segment edges, everywhere), and a waveform's
error
split into drift of F0 and error of magnitude."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from parity import stages
from parity.goldens.arrays import Array, Curve
from parity.judge.metrics import ratio, rms

# Shares and factors that separate the shapes. They are choices; tests/harness/test_error_shapes.py fixes them by
# examples.
CONCENTRATED = 0.9  # share of the error's energy that lies in the frames of a shape
EDGE = 50  # 1 / EDGE of the frames at each end, and around each seam, counts as the edge
LOUDEST = 10  # the energy of a transient lies in at most 1 / LOUDEST of the frames
GROWTH = 3  # factor by which a growing error is larger in the last third, or block, than in the first
FEWEST_FRAMES = 8  # frames; a shorter curve is given no shape
FEWEST_BLOCKS = 3  # blocks with errors; a stream with fewer is given no shape over its blocks
CONSTANT = 0.05  # standard deviation over mean of an error that is the same in every frame
# A periodic error is present in frames whose error exceeds RAISED times the median; where the median is 0, the largest
# error divided by RAISED.
RAISED = 5
FEWEST_RETURNS = 3  # times that a periodic error recurs at least
WINDOW = 1024  # samples in one short-time spectrum of `magnitude`

_SENTENCES = {
    "none": "no error to describe",
    "edge": "the error lies at the ends",
    "transient": "the error lies in one short stretch",
    "growing": "the error grows with time",
    "periodic": "the error comes back at every segment's edge",
    "persistent": "the error is there all the time",
}


def shape(frames: Curve, seams: Sequence[int] = ()) -> dict[str, str]:
    """The kind of an error and its sentence.

    Args:
        frames: The relative RMS error of each frame.
        seams: The frames at which segments meet.
    """
    errors = np.asarray(frames, np.float64)
    kind = _kind(errors, seams)
    if kind in ("persistent", "growing", "transient") and (every := period(errors)):
        return {"kind": "periodic", "sentence": f"the error comes back every {every} frames"}
    if kind == "persistent" and len(errors) >= FEWEST_FRAMES and _spread(errors) < CONSTANT:
        return {"kind": kind, "sentence": "the error is the same in every frame"}
    return {"kind": kind, "sentence": _SENTENCES[kind]}


def period(frames: Curve) -> int | None:
    """The period of an error in frames, where it is periodic.

    Args:
        frames: The error of each frame.
    Returns:
        The distance of the frames in which an error begins; None where there are fewer than `FEWEST_RETURNS` or the
        distances differ.
    """
    errors = np.where(np.isfinite(frames), frames, 0.0)
    high = errors > RAISED * np.median(errors) if np.median(errors) > 0 else errors > errors.max(initial=0.0) / RAISED
    begins = np.flatnonzero(high & ~np.concatenate([[False], high[:-1]]))
    distances = np.diff(begins)
    if len(begins) < FEWEST_RETURNS or (distances != distances[0]).any():
        return None
    return int(distances[0])


def _spread(frames: Curve) -> float:
    """Standard deviation over mean; infinite for an error that is no number."""
    mean = float(np.mean(frames))
    return float(np.std(frames)) / mean if np.isfinite(mean) and mean else math.inf


def over_blocks(blocks: Sequence[Curve]) -> dict[str, str] | None:
    """The kind of an error over the blocks of a stream.

    Args:
        blocks: The relative error of each frame, one curve for each block.
    Returns:
        Kind and sentence: `growing` where each block holds more error than the one before, `periodic` where each begins
        or ends with it; None where the blocks have no common shape.
    """
    wrong = [block for block in blocks if block.size and np.any(block)]
    if len(wrong) < FEWEST_BLOCKS:
        return None
    sizes = [rms(block) for block in wrong]
    if all(one < other for one, other in pairwise(sizes)) and sizes[-1] > GROWTH * sizes[0]:
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
    if count < FEWEST_FRAMES:
        return "persistent"
    near = max(1, count // EDGE)
    edge = float(energy[:near].sum() + energy[-near:].sum()) / total
    if seams:
        at = np.zeros(count, bool)
        for seam in seams:
            at[max(seam - near, 0) : seam + near + 1] = True
        if float(energy[at].sum()) / total > CONCENTRATED and at.mean() < 0.5:
            return "periodic"
    if edge > CONCENTRATED:
        return "edge"
    largest = np.sort(energy)[::-1][: max(1, count // LOUDEST)]
    if float(largest.sum()) / total > CONCENTRATED:
        return "transient"
    thirds = [float(np.sqrt(part.mean())) for part in np.array_split(energy, 3)]
    return "growing" if thirds[2] > GROWTH * thirds[0] and thirds[0] <= thirds[1] <= thirds[2] else "persistent"


def drift_cents(tensors: Mapping[str, Array], golden: Mapping[str, Array], prefix: str = "") -> float | None:
    """The median distance of two pitch tracks over the frames that both voice, in cents; None without such frames.

    Args:
        tensors: The candidate's tensors.
        golden: The golden's.
        prefix: The block of a stream whose pitch is compared; any other prefix means the pitch of the file.
    """
    name = prefix + "f0.hz" if stages.scope_of(prefix) is stages.Scope.BLOCK else "f0.hz"
    if name not in tensors or name not in golden or tensors[name].shape != golden[name].shape:
        return None
    own, theirs = tensors[name].astype(np.float64), golden[name].astype(np.float64)
    both = (own > 0) & (theirs > 0)
    if not both.any():
        return None
    return float(np.median(1200 * np.log2(own[both] / theirs[both])))


def magnitude(ours: Array, golden: Array) -> float:
    """The relative RMS between the short-time magnitudes of two waveforms (n,), which ignores a drift of the phase."""
    exact = _spectra(golden)
    return ratio(rms(_spectra(ours) - exact), rms(exact))


def _spectra(wave: Array, size: int = WINDOW) -> Array:
    flat = np.asarray(wave, np.float64).ravel()
    flat = np.pad(flat - flat.mean(), (0, max(0, size - flat.size)))
    frames = np.lib.stride_tricks.sliding_window_view(flat, size)[:: size // 2]
    return np.asarray(np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)))
