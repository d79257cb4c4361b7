"""A block out: its noise reduced if asked for, its loudness mixed, joined to the block before where both fit best."""

from __future__ import annotations

import numpy as np
import torch

from rvc.realtime.block_input import shift
from rvc.realtime.block_sizes import Sizes
from rvc.realtime.controls import Controls
from rvc.realtime.dsp.denoise import reduce_noise
from rvc.realtime.dsp.loudness import Samples, gain, loudness
from rvc.realtime.dsp.sola import correlation, crossfade, phase_vocoder, ramp
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
        voice = self.finish(voice, heard, controls, tap)
        fit, offset = self.fit(voice)
        tap("sola.cor", fit.numpy())
        tap("sola.offset", np.array([offset], np.int64))
        out = self.join(voice, offset, controls.crossfade)
        tap("sola_buffer", self.held.numpy())
        tap("out", out)
        return out

    def finish(self, voice: torch.Tensor, heard: Samples, controls: Controls, tap: Tap) -> torch.Tensor:
        """`infer_wav`: the voice with its noise reduced and its loudness mixed, where that is asked for; same shape."""
        sizes = self.sizes
        shift(self.said, sizes.block)
        self.said[-sizes.block :] = voice[-sizes.block :].numpy()
        if controls.output_denoise:
            voice = reduce_noise(voice, torch.from_numpy(self.said), sizes.zc)
        if controls.rms_mix_rate < 1:
            before = loudness(heard[sizes.extra :][: len(voice)], sizes.zc)
            after = loudness(voice.numpy(), sizes.zc)
            tap("rms_in", before)
            tap("rms_out", after)
            voice = voice * gain(before, after, controls.rms_mix_rate, len(voice))
        tap("infer_wav", voice.numpy())
        return voice

    def fit(self, voice: torch.Tensor) -> tuple[torch.Tensor, int]:
        """How well each of the first S + 1 places fits what is held back, float32 (S + 1,), and the first best one."""
        fit = correlation(voice[: self.sizes.held + self.sizes.search], self.held)
        return fit, int(fit.argmax())

    def join(self, voice: torch.Tensor, offset: int, how: str) -> Samples:
        """The block from `offset` on, its beginning faded in over what was held back; what follows it is held."""
        sizes = self.sizes
        sound = voice[offset:].clone()
        blend = phase_vocoder if how == "phase-vocoder" else crossfade
        sound[: sizes.held] = blend(self.held, sound[: sizes.held], self.fade_in)
        self.held = sound[sizes.block : sizes.block + sizes.held].clone()
        out: Samples = sound[: sizes.block].numpy()
        return out
