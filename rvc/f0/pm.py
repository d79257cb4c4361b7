"""Pitch by Praat's autocorrelation, through parselmouth: samples (L,) → f0 (L // 160,)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput, RvcError
from rvc.f0.optional_packages import package

RATE = 16000
HOP = 160
STEP = 0.01  # seconds
VOICING = 0.6
FLOOR, CEILING = 50.0, 1100.0
REALTIME_FLOOR = 65.0


def track(samples: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Pitch of a whole sound; Praat's fewer frames are centred between zeros.

    samples : float (L,) at 16 kHz, at least 60 ms (three periods of 50 Hz)
    returns : float64 (P,), Hz, P = L // 160, or more when Praat gives more
    """
    found = praat(samples, FLOOR).selected_array["frequency"]
    frames = len(samples) // HOP
    left = (frames - len(found) + 1) // 2
    right = frames - len(found) - left
    return np.pad(found, (left, right)) if left > 0 or right > 0 else np.asarray(found)


def track_realtime(samples: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Pitch of a tail of the stream, padded so that Praat's first frame lies on the tail's first sample.

    samples : float (L,);  returns : float64 (L // 160 + 1,)
    """
    margin = 1.5 / REALTIME_FLOOR  # seconds that Praat's window takes at either end
    left = math.ceil(margin * RATE)
    found = praat(np.pad(samples, (left, left + 1)), REALTIME_FLOOR)
    if abs(found.t1 - margin) >= 0.001:
        raise RvcError(f"Praat's first frame lies at {found.t1:.4f} s instead of {margin:.4f}; another version?")
    frames = len(samples) // HOP + 1
    f0 = found.selected_array["frequency"][:frames]
    return np.pad(f0, (0, frames - len(f0)))


def praat(samples: npt.NDArray[np.floating[Any]], floor: float) -> Any:
    """Praat's Pitch object; everything not named here is Praat's default."""
    parselmouth = package("parselmouth", "pm")
    if len(samples) < 3 * RATE / floor:
        raise BadInput(f"pm needs at least {3000 / floor:.0f} ms of sound, found {len(samples) / 16:.0f}; give more")
    sound = parselmouth.Sound(np.asarray(samples, np.float64), RATE)
    return sound.to_pitch_ac(time_step=STEP, voicing_threshold=VOICING, pitch_floor=floor, pitch_ceiling=CEILING)
