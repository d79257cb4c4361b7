"""What the decoder of an F0 network would return with another threshold, or by another reading of the same salience."""

from collections.abc import Iterator

import numpy as np

from parity.goldens.arrays import Array
from parity.judge.decisions.voicing import Salience
from parity.judge.diagnosis.registry import Guess
from parity.rvc_bridge import f0_salience
from parity.rvc_bridge.case_voice import CaseVoice

# Thresholds of FCPE found in ports; the original's is 0.006 (docs/divergences.md, D10).
THRESHOLDS = {"fcpe": (0.0, 0.001, 0.03, 0.05, 0.1)}
# Bins on each side of the strongest over which FCPE takes its mean (docs/spec/03, FCPE).
REACH = 4


def guesses(voice: CaseVoice, padded: Array) -> Iterator[Guess]:
    """F0 of FCPE by other decoders than the local mean above a threshold of 0.006 (D10); none for another method.

    Args:
        voice: the case.
        padded: float (samples,) at 16 kHz, the input of the F0 method.
    """
    method = str(voice.case.options.get("f0_method"))
    salience = f0_salience.salience_of(voice, padded) if method in THRESHOLDS else None
    if salience is None:
        return
    for threshold in THRESHOLDS[method]:
        yield Guess(
            "another threshold of FCPE",
            f"the salience threshold is {threshold:g}, not {salience.threshold:g}",
            decode(salience, threshold, REACH),
        )
    yield Guess(
        "another decoder",
        "the strongest bin is taken, not the mean of the nine around it",
        decode(salience, salience.threshold, 0),
    )
    yield Guess(
        "another decoder",
        "the mean is over all bins, not over the nine around the strongest",
        decode(salience, salience.threshold, salience.salience.shape[1]),
    )


def decode(salience: Salience, threshold: float, reach: int) -> Array:
    """Decode salience by the weighted mean of the bins around the strongest.

    Args:
        salience: (frames, bins) with the cents of every bin.
        threshold: a frame whose strongest bin is not above it is unvoiced.
        reach: bins on each side of the strongest; the number of bins or more takes all of them.
    Returns:
        float32 (frames,) in Hz, 0 where unvoiced.
    """
    values, cents = salience.salience.astype(np.float64), salience.cents
    assert cents is not None  # only CREPE, which has no entry in THRESHOLDS, decides by a path
    strongest = values.argmax(axis=1)
    if reach >= values.shape[1]:
        mean = (values * cents).sum(axis=1) / values.sum(axis=1)
    else:
        window = np.clip(strongest[:, None] + np.arange(-reach, reach + 1), 0, len(cents) - 1)
        weights = np.take_along_axis(values, window, axis=1)
        mean = (weights * cents[window]).sum(axis=1) / weights.sum(axis=1)
    return np.where(values.max(axis=1) > threshold, 10 * 2 ** (mean / 1200), 0).astype(np.float32)
