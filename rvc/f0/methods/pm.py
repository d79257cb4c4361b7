"""F0 by Praat's autocorrelation, through parselmouth: samples (L,) → f0 (L // 160,). docs/spec/03 §3.2."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput, RvcError
from rvc.f0.optional_packages import package
from rvc.f0.registry import HOP

RATE = 16000  # Hz
STEP = 0.01  # seconds from one frame to the next
VOICING = 0.6  # Praat's voicing threshold, a share of the strongest possible autocorrelation
FLOOR, CEILING = 50.0, 1100.0  # Hz, the range that is searched
BLOCK_FLOOR = 65.0  # Hz, the lower end of the range in the realtime originals


def track(samples: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Track a whole file; Praat returns fewer frames, which are centered between zeros.

    Args:
        samples: float (L,) at 16 kHz, at least 60 ms (three periods of 50 Hz).
    Returns:
        float64 (P,), Hz, 0 where unvoiced; P = L // 160, or more when Praat returns more.
    Raises:
        BadInput: the sound is shorter than 60 ms.
        MissingExtra: parselmouth is not installed.
    """
    f0 = praat(samples, FLOOR).selected_array["frequency"]
    frames = len(samples) // HOP
    left = (frames - len(f0) + 1) // 2
    right = frames - len(f0) - left
    return np.pad(f0, (left, right)) if left > 0 or right > 0 else np.asarray(f0)


def track_block(samples: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Track the newest part of a stream, padded so that Praat's first frame is centered at the first sample.

    Args:
        samples: float (L,) at 16 kHz.
    Returns:
        float64 (L // 160 + 1,), Hz, 0 where unvoiced.
    Raises:
        RvcError: Praat's first frame lies elsewhere, which happens if another version centers its frames differently.
        MissingExtra: parselmouth is not installed.
    """
    margin = 1.5 / BLOCK_FLOOR  # seconds: Praat's first frame lies half of its window of three periods after the start
    left = math.ceil(margin * RATE)
    pitch = praat(np.pad(samples, (left, left + 1)), BLOCK_FLOOR)
    if abs(pitch.t1 - margin) >= 0.001:
        raise RvcError(f"Praat's first frame lies at {pitch.t1:.4f} s instead of {margin:.4f}; another version?")
    frames = len(samples) // HOP + 1
    f0 = pitch.selected_array["frequency"][:frames]
    return np.pad(f0, (0, frames - len(f0)))


def praat(samples: npt.NDArray[np.floating[Any]], floor: float) -> Any:
    """Run Praat's `To Pitch (ac)`; every parameter that is not set here keeps Praat's default.

    Args:
        samples: float (L,) at 16 kHz.
        floor: Hz, the lowest F0 that is searched.
    Returns:
        parselmouth's Pitch object.
    Raises:
        BadInput: the sound is shorter than three periods of `floor`.
        MissingExtra: parselmouth is not installed.
    """
    parselmouth = package("parselmouth", "pm")
    if len(samples) < 3 * RATE / floor:
        raise BadInput(f"pm needs at least {3000 / floor:.0f} ms of sound, found {len(samples) / 16:.0f}; give more")
    sound = parselmouth.Sound(np.asarray(samples, np.float64), RATE)
    return sound.to_pitch_ac(time_step=STEP, voicing_threshold=VOICING, pitch_floor=floor, pitch_ceiling=CEILING)
