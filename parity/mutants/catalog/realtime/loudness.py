"""Faults of noise reduction and loudness mix of a block's output."""

from collections.abc import Callable

import numpy as np
import torch

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, around, put, replaced
from rvc.realtime import block_output
from rvc.realtime.block_output import BlockOutput
from rvc.realtime.controls import Controls
from rvc.realtime.dsp import denoise, loudness
from rvc.realtime.tap import Tap


def _change_mixed(change: Callable[[torch.Tensor], torch.Tensor]) -> Patch:
    """Change infer_wav, both what is recorded and what is joined."""

    def mix(
        original: Original, self: BlockOutput, converted: torch.Tensor, reference: Array, controls: Controls, tap: Tap
    ) -> torch.Tensor:
        def changed(name: str, value: torch.Tensor) -> object:
            return tap(name, change(value) if name == "infer_wav" else value)

        return change(original(self, converted, reference, controls, changed))

    return around(BlockOutput, "mix", mix)


def _denoise_to_0_101(original: Original, *args: object) -> torch.Tensor:
    with replaced(denoise, "REDUCED_GAIN", 0.101):
        cleaned: torch.Tensor = original(*args)
        return cleaned


def _change_gain(change: Callable[[Array, Array, float], tuple[Array, Array, float]]) -> Patch:
    """Change what the gain is computed from: both loudness profiles and the mix rate."""
    return around(
        block_output,
        "gain",
        lambda original, before, behind, rate, length: original(*change(before, behind, rate), length),
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
        _change_mixed(reduced_precision.half),
        needs=(Need.LOUDNESS_MIX, Need.BLOCK_AUDIBLE),
        causes=("half precision",),
    ),
    Fault(
        "live-infer-gain",
        "rt.infer_wav",
        "two ten-thousandths louder",
        _change_mixed(lambda x: x * 1.0002),
        needs=(Need.LOUDNESS_MIX, Need.BLOCK_AUDIBLE),
        causes=("gain",),
    ),
    Fault(
        "live-infer-16-bit",
        "rt.infer_wav",
        "16 bits",
        _change_mixed(reduced_precision.pcm16),
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
