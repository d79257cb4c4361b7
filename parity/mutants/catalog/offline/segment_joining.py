"""Faults of trimming segments and joining them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around
from rvc.pipeline import offline
from rvc.pipeline.offline import Segment


def _trim_one_sample_late(
    original: Original, self: Segment, z: torch.Tensor, g: torch.Tensor, source: Any, first: int, last: int
) -> Any:
    """Trim one sample late, as where an integer division is rounded differently."""
    right = self.tap
    full: dict[str, Any] = {}

    def tap(name: str, value: Any) -> Any:
        if name.endswith("segment.full"):
            full["samples"] = right(name, value)
            return full["samples"]
        upp = self.synthesizer.upp
        return right(name, full["samples"][first * upp + 1 : max(last, first) * upp + 1])

    return original(type(self)(self.name, self.synthesizer, self.config, self.noise, tap), z, g, source, first, last)


def _swap_halves(original: Original, *args: Any, **kwargs: Any) -> Array:
    joined = original(*args, **kwargs)
    half = len(joined) // 2
    return np.concatenate([joined[half:], joined[:half]])


def _change_tapped(name: str, change: Callable[[Any], Any]) -> Patch:
    """Change what a segment's generator records and returns under one name."""

    def generate(original: Original, self: Segment, *args: Any) -> Any:
        right = self.tap

        def tap(full: str, value: Any) -> Any:
            return right(full, change(value) if full.endswith("." + name) else value)

        return original(type(self)(self.name, self.synthesizer, self.config, self.noise, tap), *args)

    return around(Segment, "generate", generate)


FAULTS = [
    Fault(
        "trim-late",
        "trim",
        "the padding is dropped one sample late",
        around(Segment, "generate", _trim_one_sample_late),
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
        around(offline, "synthesize", _swap_halves),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("segments out of order",),
    ),
    Fault(
        "join-20-bit",
        "concat",
        "20-bit integers, cut off",
        after(offline, "synthesize", reduced_precision.pcm20_cut),
        needs=(Need.AUDIBLE,),
        causes=("fixed point",),
    ),
    Fault(
        "join-32767",
        "concat",
        "16-bit samples over 32767",
        after(offline, "synthesize", reduced_precision.over_32767),
        needs=(Need.AUDIBLE,),
        causes=("gain",),
    ),
    Fault(
        "join-fp24",
        "concat",
        "24-bit floats",
        after(offline, "synthesize", reduced_precision.fp24_cut),
        needs=(Need.AUDIBLE,),
        causes=("fewer bits",),
    ),
]
