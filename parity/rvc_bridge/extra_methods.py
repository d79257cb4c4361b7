"""Our pitch trackers that no original has, for the table of accuracy."""

import numpy as np

from parity.goldens.arrays import Array
from rvc import f0
from rvc.noise import Seeded


def track(samples: Array, method: str) -> Array:
    """F0 in Hz per 10 ms, float64 (F,), 0 where unvoiced, of float64 samples (N,) at 16 kHz."""
    return np.asarray(f0.track(samples, method, weights=f0.F0Weights(), noise=Seeded(0)), np.float64).reshape(-1)
