"""Content at the pace of pitch: doubled to one frame every 10 ms, and unvoiced frames kept nearer to the input.

features float32 (1, n, C) → content.upsampled (1, 2n, C) → content.protected (1, p, C), docs/spec/06 §6.5.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
PROTECT_OFF = 0.5  # and above


def upsample(features: Features) -> Features:
    """`content.upsampled`: every frame of (1, n, C) twice, (1, 2n, C)."""
    return np.repeat(features, 2, axis=1)


def protect(blended: Features, unblended: Features, hz: Features, amount: float) -> Features:
    """`content.protected`: in unvoiced frames only `amount` of what retrieval changed is kept.

    blended   : float32 (1, p, C), after retrieval
    unblended : float32 (1, p, C), before it
    hz        : float32 (1, p), `f0.hz`; below 1 Hz is unvoiced
    amount    : 0 gives unvoiced frames back as they were; 0.5 and more is off, and returns `blended` itself
    """
    if amount >= PROTECT_OFF:
        return blended
    kept = hz.copy()
    kept[hz > 0] = 1
    kept[hz < 1] = amount  # after the line above, so that (0, 1) Hz counts as unvoiced too
    weight = kept[..., None]
    return blended * weight + unblended * (1 - weight)
