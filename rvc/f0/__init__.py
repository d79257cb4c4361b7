"""Pitch: samples (L,) → f0 in Hz every 10 ms, 0 where unvoiced; one file for each method."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput
from rvc.f0.network_files import F0Weights, load
from rvc.noise import NoiseSource
from rvc.profiles import METHODS

__all__ = ["METHODS", "F0Weights", "load", "track"]


def track(
    padded: npt.NDArray[np.floating[Any]],
    method: str,
    *,
    weights: F0Weights,
    noise: NoiseSource | None = None,
    filter_radius: int = 3,
) -> npt.NDArray[np.floating[Any]]:
    """Track the pitch of a whole sound, exactly as the method's original does.

    padded  : float64 (L,) at 16 kHz, high-passed and padded
    method  : one of METHODS; which of them a profile's original has, `Profile.has` tells
    weights : where the networks' files lie; opens the one that is needed
    noise   : asked for `noise.crepe` by crepe and crepe-tiny only
    returns : `f0.raw`, at least L // 160 frames: float32 from crepe and fcpe, float64 from the others
    raises  : BadInput, MissingExtra, BadCheckpoint
    """
    if not np.isfinite(padded).all():
        raise BadInput("the sound holds values that are not finite, so no pitch can be tracked; repair the file")
    if method in ("crepe", "crepe-tiny") and noise is None:
        raise BadInput(f"the F0 method {method} needs a source of noise for its dither")
    network = weights.network(method)
    if method == "pm":
        from rvc.f0 import pm

        return pm.track(padded)
    if method in ("harvest", "dio"):
        from rvc.f0 import world

        return world.harvest(padded, filter_radius) if method == "harvest" else world.dio(padded)
    if method == "rmvpe":
        from rvc.f0 import rmvpe

        return rmvpe.track(padded, network)
    if method in ("crepe", "crepe-tiny"):
        from rvc.f0 import crepe

        assert noise is not None
        dither = noise.draw("noise.crepe", (crepe.frames_of(len(padded)),), "dither")
        return crepe.track(padded, network, dither)
    if method == "fcpe":
        from rvc.f0 import fcpe

        return fcpe.track(padded, network)
    raise BadInput(f"there is no F0 method {method!r}; choose one of {', '.join(METHODS)}")
