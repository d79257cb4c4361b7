"""The formant shift: more or fewer frames are made, at a pitch moved the other way, and played at another rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from rvc.audio.resampling import resample
from rvc.realtime.dsp.loudness import Samples


@dataclass(frozen=True)
class Formant:
    """Lengths for one shift.

    frames : frames of 10 ms that are heard, `return_length`
    made   : frames that are synthesised for them, `return_length2`
    rate   : 10 ms of the voice's rate in samples
    played : how many of the synthesised samples last 10 ms
    """

    frames: int
    made: int
    rate: int
    played: int

    @classmethod
    def of(cls, semitones: float, frames: int, rate: int) -> Formant:
        """semitones : the shift;  frames : `return_length`;  rate : the voice's in Hz."""
        factor = 2 ** (semitones / 12)
        return cls(frames, math.ceil(frames * factor), rate // 100, int(factor * rate // 100))

    def scale(self, hz: Samples) -> Samples:
        """Pitch in Hz, float32, as the synthesizer must hear it for what is played at another rate."""
        return hz * np.float32(self.made) / np.float32(self.frames)  # in the reference's order, to the last bit

    def play(self, waveform: torch.Tensor) -> torch.Tensor:
        """float32 (made·rate,) → (frames·rate,).

        The waveform itself without a shift, and, a frame too long, where a shift is less than a sample in 10 ms: the
        original's, whose loudness mix hears that frame.
        """
        if self.played == self.rate:
            return waveform
        return resample(waveform[: self.frames * self.played], self.played, self.rate)
