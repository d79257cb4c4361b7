"""Faults of noise reduction and loudness mix of a block's output."""

from typing import Any

import numpy as np

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import around, put, replaced
from rvc.realtime import block_output
from rvc.realtime.block_output import Outlet
from rvc.realtime.dsp import denoise, loudness


def _change_finished(change: Any) -> Any:
    """The output as it comes to the joint, the tap included."""

    def finish(original: Any, self: Any, voice: Any, heard: Any, controls: Any, tap: Any) -> Any:
        def other(name: str, value: Any) -> Any:
            return tap(name, change(value) if name == "infer_wav" else value)

        return change(original(self, voice, heard, controls, other))

    return around(Outlet, "finish", finish)


def _denoise_to_0_101(original: Any, *given: Any) -> Any:
    with replaced(denoise, "KEPT", 0.101):
        return original(*given)


def _change_gain(change: Any) -> Any:
    return around(
        block_output, "gain", lambda f, before, behind, rate, length: f(*change(before, behind, rate), length)
    )


FAULTS = [
    Fault(
        "live-mix-floor",
        "rt.infer_wav",
        "a floor of 0.05",
        put(loudness, "QUIETEST", 0.05),
        needs=(Need.LOUDNESS_MIX, Need.BLOCK_AUDIBLE),
    ),
    Fault(
        "live-mix-exchanged",
        "rt.infer_wav",
        "1 - rate instead of rate",
        _change_gain(lambda before, behind, rate: (before, behind, 1 - rate)),
        needs=(Need.LOUDNESS_MIX, Need.MIX_RATE_NOT_HALF),
    ),
    Fault(
        "live-mix-root",
        "rt.infer_wav",
        "1e-6 under the root",
        _change_gain(lambda a, b, rate: (np.sqrt(a * a + np.float32(1e-6)), np.sqrt(b * b + np.float32(1e-6)), rate)),
        needs=(Need.LOUDNESS_MIX, Need.BLOCK_AUDIBLE),
    ),
    Fault(
        "live-infer-half",
        "rt.infer_wav",
        "half precision",
        _change_finished(reduced_precision.half),
        needs=(Need.LOUDNESS_MIX, Need.BLOCK_AUDIBLE),
        causes=("half precision",),
    ),
    Fault(
        "live-infer-gain",
        "rt.infer_wav",
        "two ten-thousandths louder",
        _change_finished(lambda x: x * 1.0002),
        needs=(Need.LOUDNESS_MIX, Need.BLOCK_AUDIBLE),
        causes=("gain",),
    ),
    Fault(
        "live-infer-16-bit",
        "rt.infer_wav",
        "16 bits",
        _change_finished(reduced_precision.pcm16),
        needs=(Need.LOUDNESS_MIX, Need.BLOCK_AUDIBLE),
        causes=("fixed point",),
    ),
    Fault(
        "live-denoise-out",
        "rt.infer_wav",
        "noise is attenuated to 0.101 instead of 0.1",
        around(block_output, "reduce_noise", _denoise_to_0_101),
        needs=(Need.OUTPUT_DENOISE,),
    ),
]
