"""A block out: its noise reduced if asked for, its loudness mixed, joined to the block before where both fit best."""

from __future__ import annotations

import numpy as np
import torch

from rvc.realtime.controls import Controls
from rvc.realtime.denoise import reduce_noise
from rvc.realtime.intake import shift
from rvc.realtime.loudness import Samples, gain, loudness
from rvc.realtime.sizes import Sizes
from rvc.realtime.sola import correlation, crossfade, phase_vocoder, ramp
from rvc.realtime.tap import Tap


class Outlet:
    """Holds back the Y samples that the next block is joined to, and what was said, as the reference for its noise."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.fade_in = ramp(sizes.held)
        self.held = torch.zeros(sizes.held)
        self.said: Samples = np.zeros(sizes.window, np.float32)

    def reset(self) -> None:
        """Silence, as in a new object."""
        self.held = torch.zeros(self.sizes.held)
        self.said[:] = 0

    def give(self, voice: torch.Tensor, heard: Samples, controls: Controls, tap: Tap) -> Samples:
        """Finish one block.

        voice   : float32 (B + Y + S,), the converted sound at the device rate
        heard   : float32 (window,), the input's ring
        returns : float32 (B,)
        """
        sizes = self.sizes
        shift(self.said, sizes.block)
        self.said[-sizes.block :] = voice[-sizes.block :].numpy()
        if controls.output_denoise:
            voice = reduce_noise(voice, torch.from_numpy(self.said), sizes.zc)
        if controls.rms_mix_rate < 1:
            before = tap("rms_in", loudness(heard[sizes.extra :][: len(voice)], sizes.zc))
            after = tap("rms_out", loudness(voice.numpy(), sizes.zc))
            voice = voice * gain(before, after, controls.rms_mix_rate, len(voice))
        tap("infer_wav", voice.numpy())
        return self._join(voice, controls.crossfade, tap)

    def _join(self, voice: torch.Tensor, how: str, tap: Tap) -> Samples:
        sizes = self.sizes
        fit = correlation(voice[: sizes.held + sizes.search], self.held)
        offset = int(fit.argmax())
        tap("sola.cor", fit.numpy())
        tap("sola.offset", np.array([offset], np.int64))
        sound = voice[offset:].clone()
        join = phase_vocoder if how == "phase-vocoder" else crossfade
        sound[: sizes.held] = join(self.held, sound[: sizes.held], self.fade_in)
        self.held = sound[sizes.block : sizes.block + sizes.held].clone()
        tap("sola_buffer", self.held.numpy())
        out: Samples = tap("out", sound[: sizes.block].numpy())
        return out
