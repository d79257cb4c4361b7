"""Faults of F0 in a stream: the F0 cache, rounding, coarse bins."""

from collections.abc import Callable

import numpy as np

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around, put
from rvc.f0 import postprocessing
from rvc.realtime import f0_cache
from rvc.realtime.dsp.formant import FormantShift
from rvc.realtime.f0_cache import F0Cache


def _change_pushed_f0(change: Callable[[Array, Array, int], tuple[Array, Array, int]]) -> Patch:
    """Change (coarse, hertz, frames to move) that a block pushes into the cache."""
    return around(F0Cache, "push", lambda original, self, coarse, hz, by: original(self, *change(coarse, hz, by)))


def _scale_by_exact_factor(original: Original, self: FormantShift, hz: Array) -> Array:
    """Scale by the ratio of samples instead of the ratio of synthesized frames."""
    return hz * np.float32(self.played_hop / self.hop)


FAULTS = [
    Fault(
        "live-cache-unshifted",
        "rt.f0",
        "the F0 cache moves by one frame only",
        _change_pushed_f0(lambda coarse, hz, by: (coarse, hz, 1)),
        needs=(Need.F0,),
        causes=("gap in the F0 cache",),
    ),
    Fault(
        "live-cache-late",
        "rt.f0",
        "the F0 cache moves one frame too far",
        _change_pushed_f0(lambda coarse, hz, by: (coarse, hz, by + 1)),
        needs=(Need.F0, Need.BLOCKS_VOICED),
    ),
    Fault(
        "live-first-4",
        "rt.f0",
        "the first four tracked frames are dropped",
        put(f0_cache, "DROPPED_FIRST", 4),
        needs=(Need.F0, Need.BLOCKS_VOICED),
        causes=("gap in the F0 cache",),
    ),
    Fault(
        "live-last-2",
        "rt.f0",
        "the last two frames are dropped",
        put(f0_cache, "DROPPED_LAST", 2),
        needs=(Need.F0, Need.BLOCKS_VOICED),
        causes=("shift by 1 frame",),
    ),
    Fault(
        "live-hz-2-decimals",
        "rt.f0",
        "rounded to 0.01 Hz",
        after(postprocessing, "transpose", reduced_precision.text(2)),
        needs=(Need.F0, Need.BLOCKS_VOICED),
    ),
    Fault(
        "live-hz-half",
        "rt.f0",
        "half precision",
        after(postprocessing, "transpose", reduced_precision.half),
        needs=(Need.F0, Need.BLOCKS_VOICED),
        causes=("half precision",),
    ),
    Fault(
        "live-hz-1.05946",
        "rt.f0",
        "1.05946 to the power of semitones",
        around(postprocessing, "transpose", lambda f, x, by: x * 1.05946**by),
        needs=(Need.F0, Need.BLOCKS_TRANSPOSED),
        causes=("gain",),
    ),
    Fault(
        "live-hz-3-decimals",
        "rt.f0",
        "rounded to 0.005 Hz",
        after(postprocessing, "transpose", lambda x: np.round(x * 200) / 200),
        needs=(Need.F0, Need.BLOCKS_VOICED),
    ),
    Fault(
        "live-coarse-cut",
        "rt.f0",
        "bins are cut off",
        around(postprocessing, "quantize_realtime", lambda f, f0: f(f0 * np.float32(0.997))),
        needs=(Need.F0, Need.BLOCKS_VOICED),
    ),
    Fault(
        "live-formant-pitch",
        "rt.f0",
        "F0 is scaled by the exact factor",
        around(FormantShift, "scale_f0", _scale_by_exact_factor),
        needs=(Need.FORMANT_SHIFT, Need.F0, Need.BLOCKS_VOICED),
        causes=("gain",),
    ),
]
