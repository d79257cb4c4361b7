"""F0 methods of `rvc` that no original has, for the table of accuracy."""

import numpy as np

from parity.goldens.arrays import Array
from rvc.f0 import tracking
from rvc.f0.network_files import F0Weights
from rvc.noise import Seeded


def track(samples: Array, method: str) -> Array:
    """Track F0.

    Args:
        samples: float64 (samples,) at 16 kHz.
        method: name of an F0 method that needs no weights.
    Returns:
        float64 (frames,) in Hz, one for 10 ms, 0 where unvoiced.
    """
    return np.asarray(tracking.track(samples, method, weights=F0Weights(), noise=Seeded(0)), np.float64).reshape(-1)
