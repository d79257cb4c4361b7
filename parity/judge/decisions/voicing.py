"""The hard decisions inside a pitch network: is a frame voiced, and which bin is the strongest?

A golden holds no salience, so the margin is read off our own network's salience on the golden's own sound. A frame
that falls the other way is explained only where the golden stood nearer to the edge than the candidate's own sound
moves that salience, plus what the same network differs by between processors. A path search (CREPE) has a margin for
voicing alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parity.goldens.arrays import Array
from parity.judge.decisions.margins import Flip

SLACK = 5e-6  # of a salience between 0 and 1; AVX2 moves RMVPE's by 3e-7 and CREPE's periodicity by 3e-7
SAME = 0.5  # cents; between two machines a frame of the same bin differs by 0.02
FEW = 0.05  # of the frames; more of them are no knife-edge
REACH = 9  # bins from the strongest within which the mean of a window may lie


@dataclass(frozen=True)
class Heard:
    """What a pitch network decides on: salience (F, B), the voicing threshold, and the bins' cents above 10 Hz.

    `cents` is None where the bin is found by a path, whose margin no single frame has.
    """

    salience: Array
    threshold: float
    cents: Array | None


Hear = Callable[[Array], Heard | None]  # a padded sound at 16 kHz → what the case's pitch network hears in it


def changed(golden: Array, ours: Array) -> Array:
    """The frames whose voicing or bin is another: int64 (n,)."""
    there, here = golden.astype(np.float64).ravel(), ours.astype(np.float64).ravel()
    both = (there > 0) & (here > 0)
    with np.errstate(all="ignore"):
        apart = np.abs(1200 * np.log2(here / there)) > SAME
    return np.flatnonzero(((there > 0) != (here > 0)) | (both & apart))


def flips(golden: Array, ours: Array, there: Heard, here: Heard) -> list[Flip]:
    """Every frame that fell the other way, with its margin.

    golden, ours : f0.raw (F,) in Hz;  there, here : what is heard in the golden's and in the candidate's own sound
    """
    return [_flip(int(frame), golden.ravel(), ours.ravel(), there, here) for frame in changed(golden, ours)]


def _flip(frame: int, golden: Array, ours: Array, there: Heard, here: Heard) -> Flip:
    line = there.salience[frame].astype(np.float64)
    moved = float(np.abs(here.salience[frame] - line).max())
    found: Flip = {"index": [frame], "ours": float(ours[frame]), "golden": float(golden[frame])}
    if (golden[frame] > 0) != (ours[frame] > 0):
        margin, reach = abs(float(line.max()) - there.threshold), moved + SLACK
        what = f"the strongest bin was {margin:.2g} from the voicing threshold"
    elif there.cents is not None:
        strongest = int(line.argmax())
        rival = int(np.abs(there.cents - 1200 * np.log2(float(ours[frame]) / 10)).argmin())
        near = [bin for bin in range(max(0, rival - REACH), min(len(line), rival + REACH + 1)) if bin != strongest]
        margin, reach = float(line[strongest] - line[near].max()), 2 * (moved + SLACK)
        what = f"the strongest bin was {margin:.2g} above its rival"
    else:
        return found | {
            "margin": None,
            "upstream": None,
            "explained": False,
            "sentence": "a path through the bins has no margin in one frame",
        }
    explained = margin <= reach
    word = "reaches" if explained else "does not reach"
    return found | {
        "margin": margin,
        "upstream": reach,
        "explained": explained,
        "sentence": f"{what}; the upstream error {reach:.2g} {word} it",
    }
