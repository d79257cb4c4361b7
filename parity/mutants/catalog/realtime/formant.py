"""Faults of the formant shift."""

import math
from collections.abc import Callable
from dataclasses import replace

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around
from rvc.realtime.dsp.formant import FormantShift


def _round_played_hop(rounded: Callable[[float], int]) -> Patch:
    """Round the synthesized samples in 10 ms in another way."""

    def of(original: Original, semitones: float, frames: int, rate: int) -> FormantShift:
        right: FormantShift = original(semitones, frames, rate)
        return replace(right, played_hop=rounded(2 ** (semitones / 12) * right.hop))

    return around(FormantShift, "of", of)


FAULTS = [
    Fault(
        "live-formant-longer",
        "rt.formant",
        "samples in 10 ms are rounded up",
        _round_played_hop(math.ceil),
        needs=(Need.FORMANT_SHIFT,),
    ),
    Fault(
        "live-formant-half",
        "rt.formant",
        "half precision",
        after(FormantShift, "restore_duration", reduced_precision.half),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("half precision",),
    ),
    Fault(
        "live-formant-16-bit",
        "rt.formant",
        "16 bits",
        after(FormantShift, "restore_duration", reduced_precision.pcm16),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("fixed point",),
    ),
    Fault(
        "live-formant-gain",
        "rt.formant",
        "a ten-thousandth louder",
        after(FormantShift, "restore_duration", lambda x: x * 1.0001),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("gain",),
    ),
    Fault(
        "live-formant-unplayed",
        "rt.formant",
        "the waveform is not resampled",
        around(FormantShift, "restore_duration", lambda f, self, x: x[: self.frames * self.hop]),
        needs=(Need.FORMANT_SHIFT,),
        causes=("another length",),
    ),
]
