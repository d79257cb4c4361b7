"""F0 by WORLD's Harvest, through pyworld: samples (L,) → f0 (L // 160 + 1,). docs/spec/03."""

from __future__ import annotations

import numpy as np
from scipy.signal import medfilt

from rvc.f0.registry import HOP
from rvc.f0.world import Samples, Track, estimate, refine

MEDIAN = 3  # frames; the width is fixed, the filter radius only switches the filter on (docs/spec/03)


def track(samples: Samples, filter_radius: int = 3) -> Track:
    """Harvest, refined by StoneMask.

    Args:
        samples: float (L,) at 16 kHz.
        filter_radius: above 2, a median of three frames follows, with zeros beyond both ends.
    Returns:
        float64 (L // 160 + 1,), Hz, 0 where unvoiced.
    Raises:
        MissingExtra: pyworld is not installed.
    """
    audio = np.ascontiguousarray(samples, np.float64)
    f0 = refine("harvest", audio, *estimate("harvest", audio))
    return np.asarray(medfilt(f0, MEDIAN) if filter_radius > 2 else f0)


def track_block(samples: Samples, workers: int = 1) -> Track:
    """Harvest without StoneMask, always with the median, as the realtime originals run it.

    Args:
        samples: float (L,) at 16 kHz, the newest part of a stream.
        workers: the number of processes of the original, which divides the sound among them; here the pieces are
            tracked one after the other.
    Returns:
        float64 (L // 160 + 1,), Hz, 0 where unvoiced.
    Raises:
        MissingExtra: pyworld is not installed.
    """
    audio = np.ascontiguousarray(samples, np.float64)
    frames = len(audio) // HOP
    if workers <= 1:
        return np.asarray(medfilt(_plain(audio), MEDIAN))
    per_piece = (frames - 1) // workers + 1
    count = (frames - 1) // per_piece + 1
    f0 = np.zeros(frames + 1)
    for i in range(count):
        first, last = i == 0, i == count - 1
        start = max(HOP * (per_piece * i - 2), 0)
        piece = _plain(audio[start : HOP * (per_piece * (i + 1) + 2)])
        piece = piece[:-3] if first else piece[2:] if last else piece[2:-3]
        target = f0[per_piece * i : per_piece * i + len(piece)]
        target[:] = piece[: len(target)]
    return np.asarray(medfilt(f0, MEDIAN))


def _plain(audio: Track) -> Track:
    return np.asarray(estimate("harvest", audio)[0])
