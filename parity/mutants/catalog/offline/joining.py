"""Faults of trimming segments and joining them."""

from typing import Any

import numpy as np

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import (
    after,
    around,
)
from rvc.pipeline import offline


def _trim_one_sample_late(original: Any, self: Any, z: Any, g: Any, source: Any, first: int, last: int) -> Any:
    """One sample late, as where an integer division has been rounded otherwise."""
    heard = self.tap
    kept: dict[str, Any] = {}

    def tap(name: str, value: Any) -> Any:
        if name.endswith("segment.full"):
            kept["full"] = heard(name, value)
            return kept["full"]
        upp = self.synthesizer.upp
        return heard(name, kept["full"][first * upp + 1 : max(last, first) * upp + 1])

    return original(type(self)(self.name, self.synthesizer, self.config, self.noise, tap), z, g, source, first, last)


def _swap_halves(original: Any, *given: Any, **named: Any) -> Any:
    joined = original(*given, **named)
    half = len(joined) // 2
    return np.concatenate([joined[half:], joined[:half]])


def _change_tapped(name: str, change: Any) -> Any:
    """A fault in what a segment's generator hands on under one name."""

    def generate(original: Any, self: Any, *given: Any) -> Any:
        heard = self.tap

        def tap(full: str, value: Any) -> Any:
            return heard(full, change(value) if full.endswith("." + name) else value)

        return original(type(self)(self.name, self.synthesizer, self.config, self.noise, tap), *given)

    return around(offline.Segment, "generate", generate)


FAULTS = [
    Fault(
        "trim-late",
        "trim",
        "the padding is dropped one sample late",
        around(offline.Segment, "generate", _trim_one_sample_late),
        causes=("trimmed elsewhere", "shift by 1 sample"),
        also=("concat",),
    ),
    Fault(
        "trim-20-bit",
        "trim",
        "20-bit integers, cut off",
        _change_tapped("waveform.segment", reduced_precision.pcm20_cut),
        needs=(Need.AUDIBLE,),
        causes=("fixed point",),
        also=("concat",),
    ),
    Fault(
        "trim-32767",
        "trim",
        "16-bit samples over 32767",
        _change_tapped("waveform.segment", reduced_precision.over_32767),
        needs=(Need.AUDIBLE,),
        causes=("gain",),
        also=("concat",),
    ),
    Fault(
        "trim-fp24",
        "trim",
        "24-bit floats",
        _change_tapped("waveform.segment", reduced_precision.fp24_cut),
        needs=(Need.AUDIBLE,),
        causes=("fewer bits",),
        also=("concat",),
    ),
    Fault(
        "join-order",
        "concat",
        "the segments are joined in another order",
        around(offline, "speak", _swap_halves),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("segments out of order",),
    ),
    Fault(
        "join-20-bit",
        "concat",
        "20-bit integers, cut off",
        after(offline, "speak", reduced_precision.pcm20_cut),
        needs=(Need.AUDIBLE,),
        causes=("fixed point",),
    ),
    Fault(
        "join-32767",
        "concat",
        "16-bit samples over 32767",
        after(offline, "speak", reduced_precision.over_32767),
        needs=(Need.AUDIBLE,),
        causes=("gain",),
    ),
    Fault(
        "join-fp24",
        "concat",
        "24-bit floats",
        after(offline, "speak", reduced_precision.fp24_cut),
        needs=(Need.AUDIBLE,),
        causes=("fewer bits",),
    ),
]
