"""The input gate: 10 ms pieces whose loudness is below a threshold become zeros."""

from __future__ import annotations

import numpy as np

from rvc.realtime.dsp.loudness import Samples, loudness

OFF = -60.0  # dB; at this threshold and below the gate is off, as in the original
FLOOR = 1e-5
RANGE = 80.0  # dB below the loudest piece at which the scale ends


def decibels(amplitude: Samples) -> Samples:
    """Amplitudes to dB, not below 1e-5 nor more than 80 dB below the loudest; float32, same shape."""
    scale = (20.0 * np.log10(np.maximum(amplitude, np.float32(FLOOR)))).astype(np.float32)
    floored: Samples = np.maximum(scale, scale.max() - np.float32(RANGE))
    return floored


class Gate:
    """Closes on quiet pieces. It holds the last 40 ms, so that the two last pieces of a block are judged again with
    the sound that follows them."""

    def __init__(self, zc: int) -> None:
        """zc : samples in 10 ms."""
        self.zc = zc
        self.past: Samples = np.zeros(4 * zc, np.float32)

    def reset(self) -> None:
        self.past[:] = 0

    def __call__(self, block: Samples, threshold: float) -> Samples:
        """Gate one block.

        block     : float32 (B,), left untouched
        threshold : dB; -60 and below is off
        returns   : `block` itself when off, else float32 (B + 2·zc,): the last 20 ms before the block, judged again,
                    and the block
        """
        zc = self.zc
        heard = np.concatenate([self.past, block])
        # Kept when off too: the original leaves it to go stale, and plays old sound when the gate is first turned on.
        self.past = heard[-4 * zc :].copy()
        if threshold <= OFF:
            return block
        loud = decibels(loudness(heard, zc)[2:])
        gated = heard[2 * zc - zc // 2 :].copy()
        for piece in np.flatnonzero(loud < threshold):
            gated[piece * zc : (piece + 1) * zc] = 0
        return gated[zc // 2 :]
