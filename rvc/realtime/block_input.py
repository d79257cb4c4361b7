"""The input side of a block: gate, noise reduction and resampling to 16 kHz, in ring buffers (docs/spec/07 §7.3)."""

from __future__ import annotations

import numpy as np
import torch

from rvc.audio.resampling import resample
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.controls import Controls
from rvc.realtime.dsp.denoise import reduce_noise
from rvc.realtime.dsp.gate import Gate
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.dsp.sola import ramp


def shift(ring: Samples, by: int) -> None:
    """Move a ring's samples, (samples,), `by` places towards its start; the caller then overwrites the last `by`."""
    ring[:-by] = ring[by:]


class BlockInput:
    """The three ring buffers of the input, float32 and filled with zeros at first.

    Attributes:
        raw: (window,), the gated input at the device rate.
        clean: (window,), the same after noise reduction, delayed by `sizes.held` samples.
        at16k: (window16,), the input of HuBERT and of the F0 tracker.
        held: (held,), the denoised end of the last block, faded into the next one.
    """

    def __init__(self, sizes: BlockSizes) -> None:
        self.sizes = sizes
        self.gate = Gate(sizes.zc)
        self.fade_in = ramp(sizes.held).numpy()
        self.raw: Samples = np.zeros(sizes.window, np.float32)
        self.clean: Samples = np.zeros(sizes.window, np.float32)
        self.at16k: Samples = np.zeros(sizes.window16, np.float32)
        self.held: Samples = np.zeros(sizes.held, np.float32)

    def reset(self) -> None:
        """Fill every ring with zeros, as in a new object."""
        self.gate.reset()
        for ring in (self.raw, self.clean, self.at16k, self.held):
            ring[:] = 0

    def loudness_reference(self, controls: Controls) -> Samples:
        """The ring whose loudness is mixed into the output: `clean` with noise reduction, else `raw`."""
        return self.clean if controls.input_denoise else self.raw

    def push(self, block: Samples, controls: Controls) -> Samples:
        """Append a block to the rings.

        Args:
            block: float32 (block,) at the device rate, not modified.
            controls: the settings of this block.
        Returns:
            `at16k`, float32 (window16,). The next call overwrites it.
        """
        sizes = self.sizes
        gated = self.gate(block, controls.gate_db)
        shift(self.raw, sizes.block)
        self.raw[-len(gated) :] = gated
        shift(self.clean, sizes.block)
        self.clean[-sizes.block :] = self._clean_block(controls.input_denoise)
        shift(self.at16k, sizes.block16)
        ring, fresh = (self.clean, sizes.block) if controls.input_denoise else (self.raw, len(gated))
        # The original resamples the new samples and the 20 ms before them: the first 10 ms of the result are dropped
        # because the resampler starts there, the next 10 ms replace samples of the block before.
        piece = torch.from_numpy(ring[-fresh - 2 * sizes.zc :])
        new = resample(piece, sizes.rate, 16000).numpy()[160:]
        self.at16k[-len(new) :] = new
        return self.at16k

    def _clean_block(self, denoise: bool) -> Samples:
        """The next float32 (block,) of the clean ring.

        Without noise reduction these are samples of the raw ring, so that noise reduction can be switched on later.
        """
        sizes = self.sizes
        samples = self.raw[-sizes.held - sizes.block :]
        if denoise:
            reduced = reduce_noise(torch.from_numpy(samples), torch.from_numpy(self.raw), sizes.zc).numpy()
            reduced[: sizes.held] = reduced[: sizes.held] * self.fade_in + self.held * (1 - self.fade_in)
            samples = reduced
        self.held[:] = samples[sizes.block :]
        return samples[: sizes.block]
