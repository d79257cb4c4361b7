"""What the pitch networks' decoders would have made with another threshold or another reading of the same salience."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.decisions.voicing import Salience
from parity.judge.diagnosis.registry import Guess
from parity.rvc_bridge import pitch_salience

THRESHOLDS = {"fcpe": (0.0, 0.001, 0.03, 0.05, 0.1)}
REACH = 4


def guesses(program: Any, case: Case, padded: Array) -> Iterator[Guess]:
    """D10: FCPE read otherwise than by its local argmax above 0.006; nothing for another method."""
    method = str(case.options.get("f0_method"))
    decided_on = pitch_salience.salience_of(program, case, padded) if method in THRESHOLDS else None
    if decided_on is None:
        return
    for threshold in THRESHOLDS[method]:
        yield Guess(
            "voicing threshold",
            f"the salience threshold is {threshold:g}, not {decided_on.threshold:g}",
            read(decided_on, threshold, REACH),
            "D10",
        )
    yield Guess(
        "another decoder",
        "the strongest bin is taken, not the mean of the nine around it",
        read(decided_on, decided_on.threshold, 0),
        "D10",
    )
    yield Guess(
        "another decoder",
        "the mean is over all bins, not over the nine around the strongest",
        read(decided_on, decided_on.threshold, decided_on.salience.shape[1]),
        "D10",
    )


def read(decided_on: Salience, threshold: float, reach: int) -> Array:
    """Pitch in Hz, float32 (F,), 0 where unvoiced: the weighted mean of the bins within `reach` of the strongest."""
    salience, cents = decided_on.salience.astype(np.float64), decided_on.cents
    assert cents is not None  # only methods that decide bin by bin are asked
    strongest = salience.argmax(axis=1)
    if reach >= salience.shape[1]:
        mean = (salience * cents).sum(axis=1) / salience.sum(axis=1)
    else:
        window = np.clip(strongest[:, None] + np.arange(-reach, reach + 1), 0, len(cents) - 1)
        weights = np.take_along_axis(salience, window, axis=1)
        mean = (weights * cents[window]).sum(axis=1) / weights.sum(axis=1)
    return np.where(salience.max(axis=1) > threshold, 10 * 2 ** (mean / 1200), 0).astype(np.float32)
