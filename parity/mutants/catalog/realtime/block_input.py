"""Faults of a block's input: rings, gate, noise reduction, resampling to 16 kHz."""

from typing import Any

import numpy as np

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import after, around, put, replaced
from rvc.audio import resampling
from rvc.realtime import block_input
from rvc.realtime.block_input import Intake
from rvc.realtime.dsp import denoise, gate


def _resample_with_half_kernel(original: Any, samples: Any, source: int, target: int) -> Any:
    right = resampling.kernel

    def kernel(source: int, target: int) -> Any:
        columns, width = right(source, target)
        return reduced_precision.half(columns), width

    with replaced(resampling, "kernel", kernel):
        return original(samples, source, target)


def _shift_input(by: int) -> Any:
    def take(original: Any, self: Any, block: Any, controls: Any) -> Any:
        at16k = original(self, block, controls)
        return np.roll(at16k, by)

    return around(Intake, "take", take)


def _change_input_block(change: Any) -> Any:
    return around(Intake, "take", lambda f, self, block, controls: f(self, change(block), controls))


def _shift_one_sample_less(original: Any, ring: Any, by: int) -> None:
    """A ring that moves one sample too little."""
    original(ring, by - 1)


def _denoise_at_two_deviations(original: Any, *given: Any) -> Any:
    with replaced(denoise, "SPREAD", 2.0):
        return original(*given)


FAULTS = [
    Fault(
        "live-kernel-half",
        "rt.input16k",
        "the resampler's kernel in half precision",
        around(block_input, "resample", _resample_with_half_kernel),
        needs=(Need.DEVICE_RATE, Need.BLOCK_AUDIBLE),
    ),
    Fault(
        "live-in-16-bit",
        "rt.input16k",
        "the input in 16 bits",
        _change_input_block(reduced_precision.pcm16),
        needs=(Need.BLOCK_AUDIBLE,),
        also=("rt.input_wav", "rt.infer_wav"),
    ),
    Fault(
        "live-in-32767",
        "rt.input16k",
        "16-bit samples over 32767",
        _change_input_block(reduced_precision.over_32767),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("gain",),
        also=("rt.input_wav", "rt.infer_wav"),
    ),
    Fault(
        "live-in-half",
        "rt.input16k",
        "the ring in half precision",
        after(Intake, "take", reduced_precision.half),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("half precision",),
    ),
    Fault(
        "live-in-late",
        "rt.input16k",
        "the ring at 16 kHz one sample late",
        _shift_input(1),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("shift by 1 sample",),
    ),
    Fault(
        "live-ring-stale",
        "rt.input16k",
        "a ring moves one sample too little",
        around(block_input, "shift", _shift_one_sample_less),
        needs=(Need.BLOCK_AUDIBLE,),
        also=("rt.input_wav", "rt.infer_wav"),
    ),
    Fault(
        "live-gate-off",
        "rt.input16k",
        "the gate does nothing",
        put(gate, "OFF", 0.0),
        needs=(Need.INPUT_GATE,),
        also=("rt.input_wav", "rt.infer_wav"),
    ),
    Fault(
        "live-gate-later",
        "rt.input16k",
        "the gate closes 10 ms later",
        around(gate, "loudness", lambda f, x, zc: np.roll(f(x, zc), 1)),
        needs=(Need.INPUT_GATE,),
        also=("rt.input_wav", "rt.infer_wav"),
    ),
    Fault(
        "live-gate-power",
        "rt.input16k",
        "10 log10 instead of 20 log10",
        after(gate, "decibels", lambda x: x / 2),
        needs=(Need.INPUT_GATE,),
        also=("rt.input_wav", "rt.infer_wav"),
    ),
    Fault(
        "live-denoise-spread",
        "rt.input16k",
        "a threshold of two standard deviations instead of one and a half",
        around(block_input, "reduce_noise", _denoise_at_two_deviations),
        needs=(Need.INPUT_DENOISE,),
        also=("rt.input_wav", "rt.infer_wav"),
    ),
]
