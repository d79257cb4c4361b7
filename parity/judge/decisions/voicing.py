"""Decisions inside a pitch network: whether a frame is voiced, and which bin has the largest salience.

A golden holds no salience, so the margin is computed from the salience of our own network on the golden's audio. A
frame with the other decision is explained only where the golden was nearer to it than the candidate's own audio moves
that salience, plus the difference of the same network between processors. The bins of a path search (CREPE) have no
margin in a single frame; only its voicing has one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parity.goldens.arrays import Array
from parity.judge.decisions.flip import Flip, flip, unexplained, without_margin

# Largest rounding error of a salience, 0 to 1. On AVX2, RMVPE's salience and CREPE's periodicity differ by 3e-7.
SLACK = 5e-6
SAME_BIN = 0.5  # cents; between two machines a frame of the same bin differs by 0.02
FEW = 0.05  # share of the frames; where more differ, rounding at a threshold is not the reason
REACH = 9  # bins around the strongest that the weighted mean of a tracker's window covers


@dataclass(frozen=True)
class Salience:
    """What a pitch network decides on.

    Attributes:
        salience: float (F, B), one row for each frame of 10 ms.
        threshold: A frame whose largest salience is above it is voiced.
        cents: float (B,), the pitch of each bin in cents above 10 Hz; None where a path search chooses the bin.
    """

    salience: Array
    threshold: float
    cents: Array | None


SalienceOf = Callable[[Array], Salience | None]  # padded audio at 16 kHz → salience; None for an unknown network


def changed(golden: Array, ours: Array) -> Array:
    """The frames with another voicing or another bin, int64 (n,).

    Args:
        golden: F0 in Hz, (F,), 0 where unvoiced.
        ours: The candidate's.
    """
    theirs, own = golden.astype(np.float64).ravel(), ours.astype(np.float64).ravel()
    both = (theirs > 0) & (own > 0)
    with np.errstate(all="ignore"):
        apart = np.abs(1200 * np.log2(own / theirs)) > SAME_BIN
    return np.flatnonzero(((theirs > 0) != (own > 0)) | (both & apart))


def flips(golden: Array, ours: Array, theirs: Salience, own: Salience) -> list[Flip]:
    """Every frame with another decision, with its margin.

    Args:
        golden: F0 in Hz, (F,).
        ours: The candidate's.
        theirs: The salience of the golden's audio.
        own: The salience of the candidate's audio.
    """
    return [_flip(int(frame), golden.ravel(), ours.ravel(), theirs, own) for frame in changed(golden, ours)]


def _flip(frame: int, golden: Array, ours: Array, theirs: Salience, own: Salience) -> Flip:
    salience = theirs.salience[frame].astype(np.float64)
    moved = float(np.abs(own.salience[frame] - salience).max())
    values = (frame,), float(ours[frame]), float(golden[frame])
    if (golden[frame] > 0) != (ours[frame] > 0):
        margin = abs(float(salience.max()) - theirs.threshold)
        return flip(*values, margin, moved + SLACK, f"the strongest bin was {margin:.2g} from the voicing threshold")
    if theirs.cents is None:
        return without_margin(*values, "a path through the bins has no margin in one frame")
    strongest = int(salience.argmax())
    rival = int(np.abs(theirs.cents - 1200 * np.log2(float(ours[frame]) / 10)).argmin())
    near = [bin for bin in range(max(0, rival - REACH), min(len(salience), rival + REACH + 1)) if bin != strongest]
    margin = float(salience[strongest] - salience[near].max())
    if margin == 0 and moved == 0:
        return unexplained(*values, margin, moved, "two bins are equally strong; the original takes the first")
    return flip(*values, margin, 2 * (moved + SLACK), f"the strongest bin was {margin:.2g} above its rival")
