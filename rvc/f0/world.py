"""What the two methods of the WORLD vocoder share: their parameters and the call of pyworld."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.f0.optional_packages import package

RATE = 16000  # Hz
PERIOD = 10.0  # milliseconds from one frame to the next
FLOOR, CEILING = 50.0, 1100.0  # Hz, the range that is searched (docs/spec/03)

Samples = npt.NDArray[np.floating[Any]]
Track = npt.NDArray[np.float64]


def estimate(method: str, audio: Track) -> tuple[Track, Track]:
    """Run one of WORLD's estimators.

    Args:
        method: "harvest" or "dio", the name of pyworld's function and of the optional dependency.
        audio: float64 (L,) at 16 kHz, contiguous.
    Returns:
        F0 in Hz, 0 where unvoiced, and the time of each frame in seconds, both float64 (L // 160 + 1,).
    Raises:
        MissingExtra: pyworld is not installed.
    """
    estimator = getattr(package("pyworld", method), method)
    f0, times = estimator(audio, RATE, f0_floor=FLOOR, f0_ceil=CEILING, frame_period=PERIOD)
    return f0, times


def refine(method: str, audio: Track, f0: Track, times: Track) -> Track:
    """WORLD's StoneMask: move each frame's F0 to the nearby instantaneous frequency.

    Args:
        method: the name of the optional dependency, for the message where pyworld is missing.
        audio: float64 (L,) at 16 kHz.
        f0, times: as returned by `estimate`.
    """
    refined: Track = package("pyworld", method).stonemask(audio, f0, times, RATE)
    return refined
