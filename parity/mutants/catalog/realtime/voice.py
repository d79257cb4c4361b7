"""Faults where a stream gives the voice's networks their part of the window."""

from typing import Any

import numpy as np

from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import around
from rvc.realtime import converter
from rvc.realtime.converter import Converter


def _change_heads(flow_by: int, dec_by: int) -> Any:
    def heads(original: Any, skip_head: int) -> Any:
        flow_head, dec_head = original(skip_head)
        return flow_head + flow_by, dec_head + dec_by

    return around(converter, "heads", heads)


class _LateNoise:
    """A turn whose noise for the latent comes one frame late."""

    def __init__(self, turn: Any) -> None:
        self._turn = turn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._turn, name)

    def draw(self, name: str, shape: tuple[int, ...], *rest: Any) -> Any:
        drawn = self._turn.draw(name, shape, *rest)
        return np.roll(drawn, 1, -1) if name == "noise.z" else drawn


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
        around(
            Converter,
            "speak",
            lambda f, self, content, pitch, formant_, turn: f(self, content, pitch, formant_, _LateNoise(turn)),
        ),
    ),
    Fault(
        "live-source-head",
        "rt.nsf",
        "the source begins one frame early",
        around(Converter, "source", lambda f, self, hz, *rest: f(self, hz.roll(1, 1), *rest)),
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
