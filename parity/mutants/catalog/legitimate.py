"""Changes of `rvc` that are no fault: ports compute so, as near to exact arithmetic as the originals.

The judge must pass every one of them. They count as runs without a fault.
"""

import numpy as np
from scipy import signal

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, after, around, both, put
from rvc.audio import output, preparation, segments


def _filter_in_sections(original: Original, x: Array) -> Array:
    """Filter in second-order sections with the same extension (18 samples): the same sums in another order."""
    return np.asarray(signal.sosfiltfilt(signal.butter(5, 48, "high", fs=16000, output="sos"), x, padlen=18))


def _truncate_exact_product(original: Original, waveform: Array) -> Array:
    """Scale in float64 and truncate."""
    exact = waveform.astype(np.float64)
    return np.asarray(np.trunc(exact * (32768 / max(np.abs(exact).max(initial=0.0) / 0.99, 1.0))).astype(np.int16))


CHANGES = [
    Fault(
        "highpass-float64-extension",
        "highpassed",
        "the input is widened before it is extended",
        around(
            preparation, "highpass", lambda f, x: signal.filtfilt(preparation.B, preparation.A, x.astype(np.float64))
        ),
        needs=(Need.PEAK_ABOVE_GUARD,),
    ),
    Fault(
        "highpass-float32",
        "highpassed",
        "the result is kept in float32 on its way",
        after(preparation, "highpass", lambda x: x.astype(np.float32).astype(np.float64)),
    ),
    Fault(
        "highpass-float32-harvest",
        "highpassed",
        "the result is kept in float32 on its way to WORLD's harvest",
        after(preparation, "highpass", lambda x: x.astype(np.float32).astype(np.float64)),
        needs=(Need.HARVEST,),
    ),
    Fault(
        "highpass-15-digits",
        "highpassed",
        "coefficients typed with 15 places",
        both(put(preparation, "A", lambda a: np.round(a, 15)), put(preparation, "B", lambda b: np.round(b, 15))),
        needs=(Need.AUDIBLE,),
    ),
    Fault(
        "highpass-sections",
        "highpassed",
        "second-order sections",
        around(preparation, "highpass", _filter_in_sections),
        needs=(Need.AUDIBLE,),
    ),
    Fault(
        "highpass-fixed-26",
        "highpassed",
        "26 bits of fixed point",
        after(preparation, "highpass", reduced_precision.fixed(26)),
        needs=(Need.AUDIBLE,),
    ),
    Fault(
        "pad-float32",
        "padded",
        "in float32",
        after(segments, "pad", reduced_precision.single),
        needs=(Need.AUDIBLE,),
    ),
    Fault(
        "final-float64",
        "final",
        "the guard and the scale in float64",
        around(output, "to_int16", _truncate_exact_product),
        needs=(Need.AUDIBLE,),
    ),
]
