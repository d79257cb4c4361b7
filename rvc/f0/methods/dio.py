"""F0 by WORLD's DIO, through pyworld: samples (L,) → f0 (L // 160 + 1,). docs/spec/03."""

from __future__ import annotations

import numpy as np

from rvc.f0.world import Samples, Track, estimate, refine


def track(samples: Samples) -> Track:
    """DIO, refined by StoneMask and rounded to 0.1 Hz.

    Args:
        samples: float (L,) at 16 kHz.
    Returns:
        float64 (L // 160 + 1,), Hz, 0 where unvoiced.
    Raises:
        MissingExtra: pyworld is not installed.
    """
    audio = np.ascontiguousarray(samples, np.float64)
    return np.asarray(np.round(refine("dio", audio, *estimate("dio", audio)), 1))
