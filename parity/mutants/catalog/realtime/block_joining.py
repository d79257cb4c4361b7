"""Faults of joining blocks: SOLA, crossfade, phase vocoder."""

import math
from collections.abc import Callable

import numpy as np
import torch

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around, put
from rvc.realtime import block_output
from rvc.realtime.block_output import BlockOutput
from rvc.realtime.dsp import sola

Tensor = torch.Tensor


def _offset_one_sample_late(original: Original, self: BlockOutput, converted: Tensor) -> tuple[Tensor, int]:
    correlation, offset = original(self, converted)
    return correlation, min(offset + 1, len(correlation) - 1)


def _last_of_equal_joints(original: Original, self: BlockOutput, converted: Tensor) -> tuple[Tensor, int]:
    correlation, _ = original(self, converted)
    return correlation, len(correlation) - 1 - int(correlation.flip(0).argmax())


def _change_correlation(change: Callable[[Tensor], Tensor]) -> Patch:
    """Change the recorded correlation and leave the offset."""

    def best_offset(original: Original, self: BlockOutput, converted: Tensor) -> tuple[Tensor, int]:
        correlation, offset = original(self, converted)
        return change(correlation), offset

    return around(BlockOutput, "best_offset", best_offset)


def _change_output(change: Callable[[Array], Array]) -> Patch:
    return after(BlockOutput, "join", change)


def _keep_tail_one_sample_early(
    original: Original, self: BlockOutput, converted: Tensor, offset: int, kind: str
) -> Array:
    out: Array = original(self, converted, offset, kind)
    block = self.sizes.block
    self.held = converted[offset + block - 1 : offset + block - 1 + self.sizes.held].clone()
    return out


def _ramp_without_end(original: Original, held: int) -> Tensor:
    return torch.sin(math.pi / 2 * torch.arange(held) / held) ** 2


FAULTS = [
    Fault(
        "live-sola-late",
        "rt.sola",
        "the joint is one sample late",
        around(BlockOutput, "best_offset", _offset_one_sample_late),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("offset",),
    ),
    Fault(
        "live-sola-last",
        "rt.sola",
        "the last of equal joints",
        around(BlockOutput, "best_offset", _last_of_equal_joints),
        needs=(Need.EQUAL_JOINTS,),
    ),
    Fault(
        "live-sola-half",
        "rt.sola",
        "the correlation in half precision",
        _change_correlation(reduced_precision.half),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("half precision",),
    ),
    Fault(
        "live-sola-fixed-16",
        "rt.sola",
        "the correlation in 16 bits",
        _change_correlation(reduced_precision.fixed(16)),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("fixed point",),
    ),
    Fault(
        "live-sola-quiet",
        "rt.sola",
        "1e-3 instead of 1e-8 under the root",
        put(sola, "QUIET", 1e-3),
        needs=(Need.BLOCK_AUDIBLE,),
    ),
    Fault(
        "live-sola-unrooted",
        "rt.sola",
        "divided by the energy, not by its root",
        around(
            block_output,
            "correlation",
            lambda f, new, held: (
                f(new, held) / torch.sqrt((new * new).unfold(0, held.shape[0], 1).sum(dim=1) + sola.QUIET)
            ),
        ),
        needs=(Need.BLOCK_AUDIBLE,),
    ),
    Fault(
        "live-sola-gain",
        "rt.sola",
        "the correlation is a thousandth too large",
        _change_correlation(lambda x: x * 1.001),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("gain",),
    ),
    Fault(
        "live-ramp-open",
        "rt.out",
        "the ramp's end is left out",
        around(block_output, "ramp", _ramp_without_end),
        needs=(Need.CROSSFADE,),
    ),
    Fault(
        "live-ramp-linear",
        "rt.out",
        "a linear ramp",
        around(block_output, "ramp", lambda f, held: torch.linspace(0, 1, held)),
        needs=(Need.CROSSFADE,),
    ),
    Fault(
        "live-ramp-half",
        "rt.out",
        "the ramp in half precision",
        after(block_output, "ramp", reduced_precision.half),
        needs=(Need.BLOCK_AUDIBLE,),
    ),
    Fault(
        "live-out-half",
        "rt.out",
        "half precision",
        _change_output(reduced_precision.half),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("half precision",),
    ),
    Fault(
        "live-out-16-bit",
        "rt.out",
        "16 bits",
        _change_output(reduced_precision.pcm16),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("fixed point",),
    ),
    Fault(
        "live-out-gain",
        "rt.out",
        "two ten-thousandths louder",
        _change_output(lambda x: x * np.float32(1.0002)),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("gain",),
    ),
    Fault(
        "live-held-early",
        "rt.out",
        "the tail kept for the next block begins one sample early",
        around(BlockOutput, "join", _keep_tail_one_sample_early),
        needs=(Need.BLOCK_AUDIBLE,),
        causes=("shift by 1 sample",),
    ),
    Fault(
        "live-vocoder-off",
        "rt.out",
        "a plain crossfade instead of the phase vocoder",
        around(block_output, "phase_vocoder", lambda f, *given: sola.crossfade(*given)),
        needs=(Need.PHASE_VOCODER,),
    ),
]
