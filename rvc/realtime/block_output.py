"""The output side of a block: noise reduction, loudness mix and the SOLA crossfade (docs/spec/07 §7.6)."""

from __future__ import annotations

import numpy as np
import torch

from rvc.realtime.block_input import shift
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.controls import Controls, Crossfade
from rvc.realtime.dsp.denoise import reduce_noise
from rvc.realtime.dsp.loudness import Samples, gain, loudness
from rvc.realtime.dsp.sola import correlation, crossfade, phase_vocoder, ramp
from rvc.realtime.tap import Tap


class BlockOutput:
    """The state between two output blocks.

    Attributes:
        held: float32 (held,), the end of the last block, crossfaded into the next one (`sola_buffer` in traces).
        recent: float32 (window,), the converted sound so far, the reference of the output's noise reduction.
    """

    def __init__(self, sizes: BlockSizes) -> None:
        self.sizes = sizes
        self.fade_in = ramp(sizes.held)
        self.held = torch.zeros(sizes.held)
        self.recent: Samples = np.zeros(sizes.window, np.float32)

    def reset(self) -> None:
        """Fill both buffers with zeros, as in a new object."""
        self.held = torch.zeros(self.sizes.held)
        self.recent[:] = 0

    def push(self, converted: torch.Tensor, reference: Samples, controls: Controls, tap: Tap) -> Samples:
        """Finish one block.

        Args:
            converted: float32 (block + held + search,), the synthesizer's output at the device rate.
            reference: float32 (window,), the input ring whose loudness is mixed in.
            controls: the settings of this block.
            tap: receives `rms_in`, `rms_out`, `infer_wav`, `sola.cor`, `sola.offset`, `sola_buffer` and `out`.
        Returns:
            float32 (block,) at the device rate.
        """
        mixed = self.mix(converted, reference, controls, tap)
        scores, offset = self.best_offset(mixed)
        tap("sola.cor", scores.numpy())
        tap("sola.offset", np.array([offset], np.int64))
        out = self.join(mixed, offset, controls.crossfade)
        tap("sola_buffer", self.held.numpy())
        tap("out", out)
        return out

    def mix(self, converted: torch.Tensor, reference: Samples, controls: Controls, tap: Tap) -> torch.Tensor:
        """Reduce noise and mix the input's loudness in, where the settings ask for it (`infer_wav`); same shape."""
        sizes = self.sizes
        shift(self.recent, sizes.block)
        self.recent[-sizes.block :] = converted[-sizes.block :].numpy()
        if controls.output_denoise:
            converted = reduce_noise(converted, torch.from_numpy(self.recent), sizes.zc)
        if controls.rms_mix_rate < 1:
            before = loudness(reference[sizes.extra :][: len(converted)], sizes.zc)
            after = loudness(converted.numpy(), sizes.zc)
            tap("rms_in", before)
            tap("rms_out", after)
            converted = converted * gain(before, after, controls.rms_mix_rate, len(converted))
        tap("infer_wav", converted.numpy())
        return converted

    def best_offset(self, converted: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Correlate the held samples with the block.

        Args:
            converted: float32 (block + held + search,).
        Returns:
            The correlation at each offset, float32 (search + 1,), and the first offset with the largest one.
        """
        scores = correlation(converted[: self.sizes.held + self.sizes.search], self.held)
        return scores, int(scores.argmax())

    def join(self, converted: torch.Tensor, offset: int, kind: Crossfade) -> Samples:
        """Crossfade the held samples into the block at `offset`, and hold the samples after the block.

        Args:
            converted: float32 (block + held + search,).
            offset: 0 to `sizes.search` samples.
            kind: which crossfade.
        Returns:
            float32 (block,).
        """
        sizes = self.sizes
        samples = converted[offset:].clone()
        blend = phase_vocoder if kind is Crossfade.PHASE_VOCODER else crossfade
        samples[: sizes.held] = blend(self.held, samples[: sizes.held], self.fade_in)
        self.held = samples[sizes.block : sizes.block + sizes.held].clone()
        out: Samples = samples[: sizes.block].numpy()
        return out
