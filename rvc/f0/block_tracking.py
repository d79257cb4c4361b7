"""Pitch of the newest part of a stream, as the realtime originals track it (docs/spec/07 §7.5, 03)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput
from rvc.f0 import postprocessing
from rvc.f0.network_files import F0Weights
from rvc.profiles import METHODS

Draw = Callable[[str, tuple[int, ...], str], npt.NDArray[np.float32]]

HOP = 160
CONTEXT = 800  # samples tracked before the new block
RMVPE_STEP = 5120  # 32 frames, the network's own grain


def tail_length(block16: int, method: str) -> int:
    """How many of the newest samples a method is given.

    block16 : samples of a block at 16 kHz;  returns : samples; for rmvpe such that its frames are a multiple of 32
    """
    length = block16 + CONTEXT
    return RMVPE_STEP * ((length - 1) // RMVPE_STEP + 1) - HOP if method == "rmvpe" else length


def track_tail(
    at16k: npt.NDArray[np.float32],
    block16: int,
    method: str,
    semitones: float,
    *,
    weights: F0Weights,
    draw: Draw,
    fill_unvoiced: bool,
    workers: int = 1,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Track the window's tail and make it what the pitch cache takes.

    at16k     : float32 (window,) at 16 kHz, not high-passed
    semitones : transposition minus formant shift, may be fractional
    draw      : asked for `noise.crepe` by crepe and crepe-tiny only
    returns   : coarse int64 (F,), hz float32 (F,)
    """
    raw = realtime_f0(method, at16k[-tail_length(block16, method) :], weights=weights, draw=draw, workers=workers)
    f0 = postprocessing.fill_unvoiced(raw) if fill_unvoiced else raw
    hz = postprocessing.transpose(f0, semitones).astype(np.float32)
    return postprocessing.quantize_realtime(hz), hz


def realtime_f0(
    method: str, tail: npt.NDArray[np.float32], *, weights: F0Weights, draw: Draw, workers: int = 1
) -> npt.NDArray[np.floating[Any]]:
    """A method's raw track of the tail: float (len(tail) // 160 + 1,), Hz, 0 where unvoiced."""
    if method == "pm":
        from rvc.f0 import pm

        return pm.track_realtime(tail)
    if method in ("harvest", "dio"):
        from rvc.f0 import world

        return world.harvest_realtime(tail, workers) if method == "harvest" else world.dio(tail)
    if method == "rmvpe":
        from rvc.f0 import rmvpe

        return rmvpe.track(tail, weights.network(method))
    if method in ("crepe", "crepe-tiny"):
        from rvc.f0 import crepe

        return crepe.track(tail, weights.network(method), draw("noise.crepe", (crepe.frames_of(len(tail)),), "dither"))
    if method == "fcpe":
        from rvc.f0 import fcpe

        return fcpe.track(tail, weights.network(method))
    raise BadInput(f"there is no F0 method {method!r}; choose one of {', '.join(METHODS)}")
