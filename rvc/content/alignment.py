"""Alignment of content features with F0: one frame every 10 ms, and unvoiced frames protected from retrieval.

features float32 (1, n, C) → content.upsampled (1, 2n, C) → content.protected (1, p, C), docs/spec/06 §6.5.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
PROTECT_OFF = 0.5  # at this value of `protect` and above, retrieval acts on all frames alike (docs/spec/06 §6.1)


def upsample(features: Features) -> Features:
    """`content.upsampled`: float32 (1, 2n, C), every frame of (1, n, C) twice."""
    return np.repeat(features, 2, axis=1)


def protect(blended: Features, unblended: Features, hz: Features, amount: float) -> Features:
    """`content.protected`: unvoiced frames keep only the share `amount` of what retrieval changed.

    Args:
        blended: float32 (1, p, C), after retrieval.
        unblended: float32 (1, p, C), before retrieval.
        hz: float32 (1, p), `f0.hz`; frames below 1 Hz are unvoiced.
        amount: 0 returns unvoiced frames as they were before retrieval; 0.5 and more returns `blended` itself.
    Returns:
        float32 (1, p, C).
    """
    if amount >= PROTECT_OFF:
        return blended
    share = hz.copy()
    share[hz > 0] = 1
    share[hz < 1] = amount  # set last, so that frames between 0 and 1 Hz count as unvoiced
    weight = share[..., None]
    return blended * weight + unblended * (1 - weight)
