"""Faults where a stream gives the voice's networks their part of the window."""

from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, around
from rvc.realtime import converter
from rvc.realtime.block_context import BlockContext
from rvc.realtime.converter import BlockConverter
from rvc.realtime.dsp.formant import FormantShift


def _change_heads(flow_by: int, dec_by: int) -> Patch:
    """Add frames to the head that is cut before the flow, and to the head that is cut before the generator."""

    def heads(original: Original, skip_head: int) -> tuple[int, int]:
        flow_head, dec_head = original(skip_head)
        return flow_head + flow_by, dec_head + dec_by

    return around(converter, "heads", heads)


class _LateNoise:
    """A block's context whose noise for the latent comes one frame late."""

    def __init__(self, context: BlockContext) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def draw(self, name: str, shape: tuple[int, ...], *rest: Any) -> Array:
        drawn = self._context.draw(name, shape, *rest)
        return np.roll(drawn, 1, -1) if name == "noise.z" else drawn


def _synthesize_with_late_noise(
    original: Original, self: BlockConverter, content: Any, f0: Any, formant: FormantShift, context: BlockContext
) -> Any:
    return original(self, content, f0, formant, _LateNoise(context))


FAULTS = [
    Fault(
        "live-flow-head",
        "rt.enc_p",
        "one frame too many is cut before the flow",
        _change_heads(1, -1),
        needs=(Need.F0,),
        causes=("another length",),
    ),
    Fault(
        "live-noise-late",
        "rt.z_p",
        "the noise comes one frame late",
        around(BlockConverter, "synthesize", _synthesize_with_late_noise),
    ),
    Fault(
        "live-source-head",
        "rt.nsf",
        "the source begins one frame early",
        around(BlockConverter, "source", lambda f, self, hz, *rest: f(self, hz.roll(1, 1), *rest)),
        needs=(Need.F0, Need.BLOCKS_VOICED),
    ),
    Fault(
        "live-dec-head",
        "rt.generator",
        "the returned frames begin one frame early",
        _change_heads(0, -1),
        needs=(Need.F0,),
    ),
]
