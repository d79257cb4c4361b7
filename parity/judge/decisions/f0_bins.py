"""The mel scale of F0 bins (docs/spec/00 §0.2), for margins and for the causes of wrong bins."""

import numpy as np

from parity.goldens.arrays import Array

MEL_LOW, MEL_HIGH = 77.75496616579426, 1064.4082331636394  # mel values of 50 Hz and 1100 Hz (docs/spec/00 §0.2)


def bins(hz: Array) -> Array:
    """F0 bins before rounding.

    Args:
        hz: F0 in Hz.
    Returns:
        float64 of the same shape: 1 at 50 Hz, 255 at 1100 Hz, clipped to this range.
    """
    mel = 1127 * np.log1p(hz.astype(np.float64) / 700)
    return np.clip((mel - MEL_LOW) * 254 / (MEL_HIGH - MEL_LOW) + 1, 1, 255)
