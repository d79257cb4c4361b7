"""The input gate: pieces of 10 ms whose loudness is below a threshold become zeros (docs/spec/07 §7.3)."""

from __future__ import annotations

import numpy as np

from rvc.realtime.dsp.loudness import Samples, loudness

# The constants are the original's (docs/spec/07 §7.3).
OFF = -60.0  # dB; the gate is off at this threshold and below
FLOOR = 1e-5  # amplitude; quieter pieces count as this loud
RANGE = 80.0  # dB; levels are raised to at least this far below the loudest piece


def decibels(amplitude: Samples) -> Samples:
    """Amplitudes, float32, to dB, at least that of 1e-5 and at most 80 dB below the loudest; same shape."""
    scale = (20.0 * np.log10(np.maximum(amplitude, np.float32(FLOOR)))).astype(np.float32)
    floored: Samples = np.maximum(scale, scale.max() - np.float32(RANGE))
    return floored


class Gate:
    """A gate that keeps the last 40 ms of input, to decide about the last two pieces of a block again with the next."""

    def __init__(self, zc: int) -> None:
        """Args: zc: samples in 10 ms."""
        self.zc = zc
        self.past: Samples = np.zeros(4 * zc, np.float32)

    def reset(self) -> None:
        """Fill the kept input with zeros, as in a new object."""
        self.past[:] = 0

    def __call__(self, block: Samples, threshold: float) -> Samples:
        """Gate one block.

        Args:
            block: float32 (B,), not modified.
            threshold: dB; -60 and below is off.
        Returns:
            `block` itself when the gate is off, else float32 (B + 2·zc,): the 20 ms before the block, gated again, and
            the gated block.
        """
        zc = self.zc
        samples = np.concatenate([self.past, block])
        # Updated while the gate is off too. The original does not, and plays old sound when the gate is switched on.
        self.past = samples[-4 * zc :].copy()
        if threshold <= OFF:
            return block
        levels = decibels(loudness(samples, zc)[2:])
        gated = samples[2 * zc - zc // 2 :].copy()
        for piece in np.flatnonzero(levels < threshold):
            gated[piece * zc : (piece + 1) * zc] = 0
        return gated[zc // 2 :]
