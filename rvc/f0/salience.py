"""From the salience of 20-cent bins to F0: salience (F, 360) → f0 (F,) in Hz, 0 where unvoiced."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BINS = 360  # pitch bins of 20 cents each in the output of CREPE, RMVPE and FCPE
LOWEST_CENTS = 1997.3794084376191  # cents above 10 Hz of the first bin: 31.70 Hz (docs/spec/03 §3.5)
CENTS = np.asarray(20 * np.arange(BINS) + LOWEST_CENTS, np.float64)  # cents above 10 Hz of each bin, (360,)
REACH = 4  # bins averaged on either side of the strongest


def decode(salience: npt.NDArray[np.float32], threshold: float) -> npt.NDArray[np.float64]:
    """Decode salience as RMVPE does: the mean of nine bins around the strongest, weighted by salience.

    Args:
        salience: float32 (F, 360), 0 to 1.
        threshold: a frame whose strongest bin is not above it is unvoiced.
    Returns:
        float64 (F,), Hz, 0 where unvoiced.
    """
    strongest = salience.argmax(axis=1)
    window = strongest[:, None] + np.arange(2 * REACH + 1)  # indices into arrays padded by REACH
    padded = np.pad(salience, ((0, 0), (REACH, REACH)))
    weights = np.take_along_axis(padded, window, axis=1)  # float32 (F, 9)
    cents = np.sum(weights * np.pad(CENTS, REACH)[window], axis=1) / np.sum(weights, axis=1)
    cents[salience.max(axis=1) <= threshold] = 0
    hz = 10 * 2 ** (cents / 1200)
    hz[hz == 10] = 0
    return np.asarray(hz)
