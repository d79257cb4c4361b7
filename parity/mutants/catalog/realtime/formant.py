"""Faults of the formant shift."""

import math
from dataclasses import replace
from typing import Any

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import (
    after,
    around,
)
from rvc.realtime.dsp.formant import Formant


def _change_formant(made: Any = None, played: Any = None) -> Any:
    def of(original: Any, semitones: float, frames: int, rate: int) -> Any:
        right, factor = original(semitones, frames, rate), 2 ** (semitones / 12)
        other = replace(right, made=made(frames * factor)) if made else right
        return replace(other, played=played(factor * right.rate)) if played else other

    return around(Formant, "of", of)


FAULTS = [
    Fault(
        "live-formant-longer",
        "rt.formant",
        "samples in 10 ms are rounded up",
        _change_formant(played=math.ceil),
        needs=(Need.FORMANT_SHIFT,),
    ),
    Fault(
        "live-formant-half",
        "rt.formant",
        "half precision",
        after(Formant, "play", reduced_precision.half),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("half precision",),
    ),
    Fault(
        "live-formant-16-bit",
        "rt.formant",
        "16 bits",
        after(Formant, "play", reduced_precision.pcm16),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("fixed point",),
    ),
    Fault(
        "live-formant-gain",
        "rt.formant",
        "a ten-thousandth louder",
        after(Formant, "play", lambda x: x * 1.0001),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("gain",),
    ),
    Fault(
        "live-formant-unplayed",
        "rt.formant",
        "the waveform is not resampled",
        around(Formant, "play", lambda f, self, x: x[: self.frames * self.rate]),
        needs=(Need.FORMANT_SHIFT,),
        causes=("another length",),
    ),
]
