"""A block in: gated, remembered, its noise reduced if asked for, and brought to 16 kHz."""

from __future__ import annotations

import numpy as np
import torch

from rvc.audio.resampling import resample
from rvc.realtime.block_sizes import Sizes
from rvc.realtime.controls import Controls
from rvc.realtime.dsp.denoise import reduce_noise
from rvc.realtime.dsp.gate import Gate
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.dsp.sola import ramp


def shift(ring: Samples, by: int) -> None:
    """Move a ring's content `by` samples towards its past; the last `by` are left to be overwritten."""
    ring[:-by] = ring[by:]


class Intake:
    """The input's three rings, float32 and zero at first.

    raw   : (E + X + S + B,), as gated, at the device rate
    clean : the same with noise reduction, Y samples behind
    at16k : (window16,), what the networks hear
    """

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.gate = Gate(sizes.zc)
        self.fade_in = ramp(sizes.held).numpy()
        self.raw: Samples = np.zeros(sizes.window, np.float32)
        self.clean: Samples = np.zeros(sizes.window, np.float32)
        self.at16k: Samples = np.zeros(sizes.window16, np.float32)
        self.held: Samples = np.zeros(sizes.held, np.float32)

    def reset(self) -> None:
        """Silence, as in a new object."""
        self.gate.reset()
        for ring in (self.raw, self.clean, self.at16k, self.held):
            ring[:] = 0

    def heard(self, controls: Controls) -> Samples:
        """The ring whose loudness the output is compared with."""
        return self.clean if controls.input_denoise else self.raw

    def take(self, block: Samples, controls: Controls) -> Samples:
        """Take in a block, float32 (B,);  returns `at16k`, which the next call changes."""
        sizes = self.sizes
        gated = self.gate(block, controls.gate_db)
        shift(self.raw, sizes.block)
        self.raw[-len(gated) :] = gated
        shift(self.clean, sizes.block)
        self.clean[-sizes.block :] = self._clean_block(controls.input_denoise)
        shift(self.at16k, sizes.block16)
        ring, fresh = (self.clean, sizes.block) if controls.input_denoise else (self.raw, len(gated))
        # 10 ms more than is new are made again, and the 10 ms before those only warm the resampler up.
        piece = torch.from_numpy(ring[-fresh - 2 * sizes.zc :])
        new = resample(piece, sizes.rate, 16000).numpy()[160:]
        self.at16k[-len(new) :] = new
        return self.at16k

    def _clean_block(self, denoise: bool) -> Samples:
        """The next B samples of the clean ring; without noise reduction the raw ones, so that it can start any time."""
        sizes = self.sizes
        wanted = self.raw[-sizes.held - sizes.block :]
        if denoise:
            quiet = reduce_noise(torch.from_numpy(wanted), torch.from_numpy(self.raw), sizes.zc).numpy()
            quiet[: sizes.held] = quiet[: sizes.held] * self.fade_in + self.held * (1 - self.fade_in)
            wanted = quiet
        self.held[:] = wanted[sizes.block :]
        return wanted[: sizes.block]
