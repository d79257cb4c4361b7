"""The formant shift: synthesize more or fewer frames at a changed F0, then resample them to the block's duration.

For a shift of `s` semitones, F0 is lowered by `s`, 2^(s/12) times as many frames are synthesized, and resampling raises
F0 back to its value while the spectral envelope moves by `s` (docs/spec/07 §7.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from rvc.audio.resampling import resample
from rvc.realtime.dsp.loudness import Samples


@dataclass(frozen=True)
class FormantShift:
    """Lengths for one shift.

    Attributes:
        frames: frames of 10 ms in the result (`return_length` in docs/spec/07).
        synthesized: frames that the synthesizer makes for them (`return_length2`).
        hop: samples in 10 ms at the voice's rate.
        played_hop: synthesized samples that become 10 ms of the result (`upp_res`).
    """

    frames: int
    synthesized: int
    hop: int
    played_hop: int

    @classmethod
    def of(cls, semitones: float, frames: int, rate: int) -> FormantShift:
        """The lengths for a shift in semitones, `frames` frames of 10 ms, and a voice's rate in Hz."""
        factor = 2 ** (semitones / 12)
        return cls(frames, math.ceil(frames * factor), rate // 100, int(factor * rate // 100))

    def scale_f0(self, hz: Samples) -> Samples:
        """Scale F0 by synthesized/frames, for the synthesizer; float32, same shape."""
        return (
            hz * np.float32(self.synthesized) / np.float32(self.frames)
        )  # the original's order, equal to the last bit

    def restore_duration(self, waveform: torch.Tensor) -> torch.Tensor:
        """Resample the synthesized frames to the block's duration.

        Args:
            waveform: float32 (synthesized · hop,).
        Returns:
            float32 (frames · hop,). Where the shift is too small to change the hop, `waveform` itself, which then may
            be one frame longer; the original does the same.
        """
        if self.played_hop == self.hop:
            return waveform
        return resample(waveform[: self.frames * self.played_hop], self.played_hop, self.hop)
