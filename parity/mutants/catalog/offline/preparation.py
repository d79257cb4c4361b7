"""Faults before the networks: the peak guard and the high-pass filter."""

from typing import Any

import numpy as np
from scipy import signal

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around, both, put
from rvc.audio import preparation


def _guard_with_ceiling(ceiling: float, always: bool = False) -> Patch:
    """Scale the input to a peak of `ceiling` where it is louder; `always`: where it is quieter, too."""

    def guard(original: Original, raw: Array) -> Array:
        peak = np.abs(raw).max() / np.float32(ceiling)
        return (raw / peak).astype(np.float32) if always or peak > 1 else raw

    return around(preparation, "guard_peak", guard)


def _filtfilt_with(**options: Any) -> Patch:
    """Filter with other options of scipy.signal.filtfilt."""
    return around(
        preparation, "highpass", lambda original, x: signal.filtfilt(preparation.B, preparation.A, x, **options)
    )


def _butterworth(order: int, cutoff: float) -> Patch:
    """Filter with a Butterworth high-pass of another order or another cutoff in Hz."""

    def filtered(original: Original, x: Array) -> Array:
        b, a = signal.butter(order, cutoff, "high", fs=16000)
        return np.asarray(signal.filtfilt(b, a, x))

    return around(preparation, "highpass", filtered)


def _round_coefficients(digits: int) -> Patch:
    """Filter with coefficients of so many decimals."""
    return both(
        put(preparation, "A", lambda a: np.round(a, digits)), put(preparation, "B", lambda b: np.round(b, digits))
    )


FAULTS = [
    Fault(
        "guard-missing",
        "audio16k",
        "loud input is not scaled down",
        around(preparation, "guard_peak", lambda f, x: x),
        needs=(Need.PEAK_ABOVE_GUARD,),
        causes=("missing peak guard",),
    ),
    Fault(
        "guard-0.99",
        "audio16k",
        "the output's guard is used for the input",
        _guard_with_ceiling(0.99),
        needs=(Need.PEAK_ABOVE_GUARD,),
        causes=("another guard", "missing peak guard"),
    ),
    Fault(
        "guard-always",
        "audio16k",
        "quiet input is scaled up",
        _guard_with_ceiling(0.95, True),
        needs=(Need.PEAK_BELOW_GUARD,),
        causes=("always normalised", "gain"),
    ),
    Fault(
        "guard-subtle",
        "audio16k",
        "the guard is 0.9501",
        _guard_with_ceiling(0.9501),
        needs=(Need.PEAK_ABOVE_GUARD,),
        causes=("gain",),
    ),
    Fault(
        "guard-16-bit",
        "audio16k",
        "the guard's 0.95 as a 16-bit number, 31129 / 32768",
        _guard_with_ceiling(31129 / 32768),
        needs=(Need.PEAK_ABOVE_GUARD,),
        causes=("gain", "another guard"),
    ),
    Fault(
        "guard-32767",
        "audio16k",
        "16-bit samples over 32767",
        around(preparation, "guard_peak", lambda f, x: reduced_precision.over_32767(f(x))),
        needs=(Need.AUDIBLE,),
        causes=("gain",),
    ),
    Fault(
        "guard-decibels",
        "audio16k",
        "the guard is -0.4455 dB",
        _guard_with_ceiling(10 ** (-0.4455 / 20)),
        needs=(Need.PEAK_ABOVE_GUARD,),
        causes=("gain", "another guard"),
    ),
    Fault(
        "guard-half",
        "audio16k",
        "the samples are kept in half precision",
        after(preparation, "guard_peak", reduced_precision.half),
        needs=(Need.AUDIBLE,),
        causes=("half precision",),
    ),
    Fault(
        "guard-fp24",
        "audio16k",
        "24-bit floats",
        after(preparation, "guard_peak", reduced_precision.fp24),
        needs=(Need.PEAK_ABOVE_GUARD,),
        causes=("fewer bits",),
    ),
    Fault(
        "guard-fixed-20",
        "audio16k",
        "20 bits of fixed point",
        after(preparation, "guard_peak", reduced_precision.fixed(20)),
        needs=(Need.PEAK_ABOVE_GUARD,),
        causes=("fixed point",),
    ),
    Fault(
        "highpass-missing",
        "highpassed",
        "no high-pass, as in the ONNX helpers",
        around(preparation, "highpass", lambda f, x: x.astype(np.float64)),
        causes=("missing high-pass",),
    ),
    Fault(
        "highpass-one-way",
        "highpassed",
        "lfilter instead of filtfilt",
        around(
            preparation, "highpass", lambda f, x: signal.lfilter(preparation.B, preparation.A, x.astype(np.float64))
        ),
        causes=("one-way filter",),
    ),
    Fault(
        "highpass-50Hz",
        "highpassed",
        "50 Hz instead of 48",
        _butterworth(5, 50),
        causes=("another high-pass",),
    ),
    Fault(
        "highpass-order-4",
        "highpassed",
        "fourth order",
        _butterworth(4, 48),
        causes=("another high-pass",),
    ),
    Fault(
        "highpass-no-extension",
        "highpassed",
        "padtype=None",
        _filtfilt_with(padtype=None),
        causes=("no extension",),
    ),
    Fault(
        "highpass-even-extension",
        "highpassed",
        "even extension",
        _filtfilt_with(padtype="even"),
        causes=("another extension",),
    ),
    Fault(
        "highpass-short-extension",
        "highpassed",
        "padlen 15 instead of 18",
        _filtfilt_with(padlen=15),
        causes=("another extension",),
    ),
    Fault(
        "highpass-13-digits",
        "highpassed",
        "coefficients typed with 13 places",
        _round_coefficients(13),
        needs=(Need.AUDIBLE,),
    ),
    Fault(
        "highpass-fixed-22",
        "highpassed",
        "22 bits of fixed point",
        after(preparation, "highpass", reduced_precision.fixed(22)),
        needs=(Need.AUDIBLE,),
        causes=("fixed point",),
    ),
    Fault(
        "highpass-fixed-20",
        "highpassed",
        "20 bits of fixed point",
        after(preparation, "highpass", reduced_precision.fixed(20)),
        needs=(Need.AUDIBLE,),
        causes=("fixed point",),
    ),
    Fault(
        "highpass-fp24",
        "highpassed",
        "24-bit floats",
        after(preparation, "highpass", reduced_precision.fp24),
        needs=(Need.AUDIBLE,),
        causes=("fewer bits",),
    ),
]
