"""Pitch by WORLD's Harvest and DIO, through pyworld: samples (L,) → f0 (L // 160 + 1,)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import medfilt

from rvc.f0.optional_packages import package

RATE = 16000
HOP = 160
PERIOD = 10.0  # milliseconds
FLOOR, CEILING = 50.0, 1100.0
MEDIAN = 3  # frames, whatever the filter radius says

Samples = npt.NDArray[np.floating[Any]]


def harvest(samples: Samples, filter_radius: int = 3) -> npt.NDArray[np.float64]:
    """Harvest refined by StoneMask; a radius above 2 asks for a median of three frames, with zeros beyond the ends.

    samples : float (L,) at 16 kHz;  returns : float64 (L // 160 + 1,), Hz, 0 where unvoiced
    """
    world = package("pyworld", "harvest")
    audio = np.ascontiguousarray(samples, np.float64)
    f0, times = world.harvest(audio, RATE, f0_floor=FLOOR, f0_ceil=CEILING, frame_period=PERIOD)
    f0 = world.stonemask(audio, f0, times, RATE)
    return np.asarray(medfilt(f0, MEDIAN) if filter_radius > 2 else f0)


def dio(samples: Samples) -> npt.NDArray[np.float64]:
    """DIO refined by StoneMask and rounded to 0.1 Hz.

    samples : float (L,) at 16 kHz;  returns : float64 (L // 160 + 1,), Hz, 0 where unvoiced
    """
    world = package("pyworld", "dio")
    audio = np.ascontiguousarray(samples, np.float64)
    f0, times = world.dio(audio, RATE, f0_floor=FLOOR, f0_ceil=CEILING, frame_period=PERIOD)
    return np.asarray(np.round(world.stonemask(audio, f0, times, RATE), 1))


def harvest_realtime(samples: Samples, workers: int = 1) -> npt.NDArray[np.float64]:
    """Harvest without StoneMask, always with the median; cut into parts when the original had several workers.

    samples : float (L,);  workers : parts to cut the tail into (the parts run one after the other here)
    returns : float64 (L // 160 + 1,)
    """
    audio = np.ascontiguousarray(samples, np.float64)
    frames = len(audio) // HOP
    if workers <= 1:
        return np.asarray(medfilt(_plain(audio), MEDIAN))
    per_part = (frames - 1) // workers + 1
    parts = (frames - 1) // per_part + 1
    f0 = np.zeros(frames + 1)
    for i in range(parts):
        first, last = i == 0, i == parts - 1
        start = max(HOP * (per_part * i - 2), 0)
        heard = _plain(audio[start : HOP * (per_part * (i + 1) + 2)])
        heard = heard[:-3] if first else heard[2:] if last else heard[2:-3]
        stretch = f0[per_part * i : per_part * i + len(heard)]
        stretch[:] = heard[: len(stretch)]
    return np.asarray(medfilt(f0, MEDIAN))


def _plain(audio: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    world = package("pyworld", "harvest")
    f0, _ = world.harvest(audio, RATE, f0_floor=FLOOR, f0_ceil=CEILING, frame_period=PERIOD)
    return np.asarray(f0)
