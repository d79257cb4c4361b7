"""Faults of a block's input: rings, gate, noise reduction, resampling to 16 kHz."""

from collections.abc import Callable

import numpy as np
import torch

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around, put, replaced
from rvc.audio import resampling
from rvc.realtime import block_input
from rvc.realtime.block_input import BlockInput
from rvc.realtime.controls import Controls
from rvc.realtime.dsp import denoise, gate
from rvc.realtime.dsp.gate import Gate


def _resample_with_half_kernel(original: Original, samples: torch.Tensor, source: int, target: int) -> torch.Tensor:
    right = resampling.kernel

    def kernel(source: int, target: int) -> tuple[torch.Tensor, int]:
        columns, width = right(source, target)
        return reduced_precision.half(columns), width

    with replaced(resampling, "kernel", kernel):
        resampled: torch.Tensor = original(samples, source, target)
        return resampled


def _shift_input(by: int) -> Patch:
    """Delay the ring at 16 kHz by so many samples."""

    def push(original: Original, self: BlockInput, block: Array, controls: Controls) -> Array:
        at16k = original(self, block, controls)
        return np.roll(at16k, by)

    return around(BlockInput, "push", push)


def _change_input_block(change: Callable[[Array], Array]) -> Patch:
    return around(BlockInput, "push", lambda original, self, block, controls: original(self, change(block), controls))


def _shift_one_sample_less(original: Original, ring: Array, by: int) -> None:
    original(ring, by - 1)


def _gate_softly(original: Original, self: Gate, block: Array, threshold: float) -> Array:
    whole = np.concatenate([self.past, block])[2 * self.zc :]
    gated = original(self, block, threshold)
    return gated if len(gated) == len(block) else np.where(gated == 0, whole * np.float32(0.1), gated)


def _denoise_at_two_deviations(original: Original, *args: object) -> torch.Tensor:
    with replaced(denoise, "THRESHOLD_DEVIATIONS", 2.0):
        cleaned: torch.Tensor = original(*args)
        return cleaned


FAULTS = [
    Fault(
        "live-kernel-half",
        "rt.input16k",
        "the resampler's kernel in half precision",
        around(block_input, "resample", _resample_with_half_kernel),
        needs=(Need.DEVICE_RATE, Need.BLOCK_AUDIBLE),
        causes=("gain",),
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
        after(BlockInput, "push", reduced_precision.half),
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
    ),
    Fault(
        "live-gate-later",
        "rt.input16k",
        "the gate closes 10 ms later",
        around(gate, "loudness", lambda f, x, zc: np.roll(f(x, zc), 1)),
        needs=(Need.INPUT_GATE,),
    ),
    Fault(
        "live-gate-soft",
        "rt.input16k",
        "the gate leaves a tenth of the amplitude",
        around(Gate, "__call__", _gate_softly),
        needs=(Need.INPUT_GATE,),
    ),
    Fault(
        "live-gate-power",
        "rt.input16k",
        "10 log10 instead of 20 log10",
        after(gate, "decibels", lambda x: x / 2),
        needs=(Need.INPUT_GATE,),
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
