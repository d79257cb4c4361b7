"""Faults after the F0 method: filling, transposition, coarse bins."""

from collections.abc import Callable

import numpy as np

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, around
from rvc.config import Config
from rvc.f0 import postprocessing

Finished = tuple[Array, Array, Array]  # f0.filled, f0.hz, f0.coarse


def _fill_with(make: Callable[[Array, Array, Array], Array]) -> Patch:
    """Fill by `make(F0, indices of voiced frames, indices of all frames)`."""

    def fill(original: Original, f0: Array) -> Array:
        voiced = np.flatnonzero(f0 > 0)
        return make(f0, voiced, np.arange(len(f0))).astype(f0.dtype) if len(voiced) else f0.copy()

    return around(postprocessing, "fill_unvoiced", fill)


def _hold_last(f0: Array, voiced: Array, frames: Array) -> Array:
    """The last voiced F0 for every unvoiced frame."""
    return np.asarray(f0[voiced[np.clip(np.searchsorted(voiced, frames, "right") - 1, 0, len(voiced) - 1)]])


def _interpolate_one_frame_early(f0: Array, voiced: Array, frames: Array) -> Array:
    return np.where(f0 > 0, f0, np.interp(frames + 1, voiced, f0[voiced]))


def _change_filled(make: Callable[[Array, Array, Array], Array]) -> Patch:
    """Replace the filled F0 by `make(filled F0, F0, indices of voiced frames)`."""

    def fill(original: Original, f0: Array) -> Array:
        voiced = np.flatnonzero(f0 > 0)
        return make(original(f0), f0, voiced).astype(f0.dtype) if len(voiced) else f0.copy()

    return around(postprocessing, "fill_unvoiced", fill)


def _fill_over_seconds(filled: Array, f0: Array, voiced: Array) -> Array:
    """Interpolate over float32 seconds instead of frame numbers."""
    time = np.arange(len(f0), dtype=np.float32) * np.float32(0.01)
    return np.where(f0 > 0, f0, np.interp(time, time[voiced], f0[voiced]))


def change_hz(change: Callable[[Array], Array]) -> Patch:
    """Change f0.hz alone, after the coarse bins are made."""

    def finish(original: Original, raw: Array, frames: int, config: Config) -> Finished:
        filled, hz, coarse = original(raw, frames, config)
        return filled, change(hz).astype(np.float32), coarse

    return around(postprocessing, "finish", finish)


def _round_to_notes(hz: Array) -> Array:
    """F0 by way of a note number with four decimals."""
    number = np.round(69 + 12 * np.log2(np.maximum(hz, 1e-9).astype(np.float64) / 440), 4)
    return np.where(hz > 0, 440 * np.exp2((number - 69) / 12), 0)


def _quantize_with(change: Callable[[Array], Array]) -> Patch:
    """Quantize by `change`, which takes float64 hertz."""
    return around(postprocessing, "quantize", lambda original, f0: change(np.asarray(f0, np.float64)))


def _change_quantized_f0(change: Callable[[Array], Array]) -> Patch:
    """Change the F0 that is quantized, float64 hertz."""
    return around(postprocessing, "quantize", lambda original, f0: original(change(np.asarray(f0, np.float64))))


def _quantize_to_int32(original: Original, f0: Array) -> Array:
    return np.asarray(original(f0).astype(np.int32))


def _bins_one_frame_late(original: Original, f0: Array) -> Array:
    bins = original(f0)
    return np.concatenate([bins[:1], bins[:-1]])


def _coarse_scale(
    hz: Array,
    low: float = float(postprocessing.LOWEST_MEL),
    high: float = float(postprocessing.HIGHEST_MEL),
    steps: int = 254,
) -> Array:
    """F0 on the mel scale, from 1 at `low` to 1 + `steps` at `high`, clipped to 1 … 255."""
    m = 1127 * np.log(1 + hz / 700)
    return np.clip(np.where(m > 0, (m - low) * steps / (high - low) + 1, m), 1, 255)


def _round_to_bins(values: Array) -> Array:
    return np.rint(values).astype(np.int64)


FAULTS = [
    Fault(
        "fill-missing",
        "f0.filled",
        "unvoiced frames stay 0",
        around(postprocessing, "fill_unvoiced", lambda f, x: x.copy()),
        needs=(Need.UNVOICED_FILLED,),
        causes=("unvoiced frames kept at 0",),
        also=("f0.hz", "f0.coarse"),
    ),
    Fault(
        "fill-held",
        "f0.filled",
        "the last F0 is held",
        _fill_with(_hold_last),
        needs=(Need.UNVOICED_FILLED, Need.UNVOICED_GAP),
        causes=("held pitch",),
    ),
    Fault(
        "fill-log",
        "f0.filled",
        "interpolated in cents",
        _fill_with(lambda f0, v, t: np.exp(np.interp(t, v, np.log(f0[v])))),
        needs=(Need.UNVOICED_FILLED, Need.UNVOICED_GAP),
        causes=("filled in logarithm",),
        also=("f0.hz", "f0.coarse"),
    ),
    Fault(
        "fill-ends",
        "f0.filled",
        "ends stay unvoiced",
        _fill_with(lambda f0, v, t: np.interp(t, v, f0[v], left=0, right=0)),
        needs=(Need.UNVOICED_FILLED, Need.UNVOICED_GAP),
        causes=("ends not filled",),
    ),
    Fault(
        "fill-early",
        "f0.filled",
        "interpolated one frame early",
        _fill_with(_interpolate_one_frame_early),
        needs=(Need.UNVOICED_FILLED, Need.UNVOICED_GAP),
        causes=("filled one frame early",),
    ),
    Fault(
        "fill-float32",
        "f0.filled",
        "float32",
        _change_filled(lambda filled, *rest: reduced_precision.single(filled)),
        needs=(Need.UNVOICED_FILLED, Need.UNVOICED_GAP, Need.RMVPE),
        causes=("single precision", "fewer bits"),
    ),
    Fault(
        "fill-seconds",
        "f0.filled",
        "times in float32 seconds",
        _change_filled(_fill_over_seconds),
        needs=(Need.UNVOICED_FILLED, Need.UNVOICED_GAP),
    ),
    Fault(
        "fill-text",
        "f0.filled",
        "written with five decimals",
        _change_filled(lambda x, *rest: reduced_precision.text(5)(x)),
        needs=(Need.UNVOICED_FILLED, Need.UNVOICED_GAP),
        causes=("rounded decimals", "rounded pitch"),
    ),
    Fault(
        "fill-gaps-float32",
        "f0.filled",
        "what is filled in goes through float32",
        _change_filled(lambda x, f0, voiced: np.where(f0 > 0, x, x.astype(np.float32))),
        needs=(Need.UNVOICED_FILLED, Need.UNVOICED_GAP, Need.RMVPE),
        causes=("single precision",),
    ),
    Fault(
        "transpose-missing",
        "f0.hz",
        "no transposition",
        around(postprocessing, "transpose", lambda f, x, by: x),
        needs=(Need.TRANSPOSED,),
        causes=("missing transposition",),
        also=("f0.coarse",),
    ),
    Fault(
        "transpose-twice",
        "f0.hz",
        "transposed twice",
        around(postprocessing, "transpose", lambda f, x, by: f(x, 2 * by)),
        needs=(Need.TRANSPOSED,),
        causes=("transposed twice", "gain"),
        also=("f0.coarse",),
    ),
    Fault(
        "transpose-sign",
        "f0.hz",
        "transposed in the wrong direction",
        around(postprocessing, "transpose", lambda f, x, by: f(x, -by)),
        needs=(Need.TRANSPOSED,),
        causes=("transposed the other way", "gain"),
        also=("f0.coarse",),
    ),
    Fault(
        "transpose-1.05946",
        "f0.hz",
        "1.05946 to the power of semitones",
        around(postprocessing, "transpose", lambda f, x, by: x * 1.05946**by),
        needs=(Need.TRANSPOSED,),
        causes=("gain",),
        also=("f0.coarse",),
    ),
    Fault(
        "hz-rounded",
        "f0.hz",
        "rounded to 0.1 Hz, as dio's helper does",
        change_hz(lambda hz: np.round(hz, 1)),
        needs=(Need.VOICED,),
        causes=("rounded pitch",),
    ),
    Fault(
        "hz-whole",
        "f0.hz",
        "rounded to whole hertz",
        change_hz(lambda hz: np.rint(hz)),
        needs=(Need.VOICED,),
        causes=("whole hertz",),
    ),
    Fault(
        "hz-late",
        "f0.hz",
        "one frame late",
        change_hz(lambda hz: np.concatenate([hz[:, :1], hz[:, :-1]], 1)),
        needs=(Need.VOICED,),
        causes=("shift by 1 frame",),
    ),
    Fault(
        "hz-2-decimals",
        "f0.hz",
        "rounded to 0.01 Hz",
        change_hz(reduced_precision.text(2)),
        needs=(Need.VOICED,),
        causes=("rounded pitch", "rounded decimals"),
    ),
    Fault(
        "hz-3-decimals",
        "f0.hz",
        "rounded to 0.001 Hz",
        change_hz(reduced_precision.text(3)),
        needs=(Need.VOICED,),
        causes=("rounded pitch", "rounded decimals"),
    ),
    Fault(
        "hz-notes",
        "f0.hz",
        "by way of note numbers with four decimals",
        change_hz(_round_to_notes),
        needs=(Need.VOICED,),
    ),
    Fault(
        "hz-half",
        "f0.hz",
        "half precision",
        change_hz(reduced_precision.half),
        needs=(Need.VOICED,),
        causes=("half precision",),
    ),
    Fault(
        "coarse-int32", "f0.coarse", "bins are 32-bit integers", around(postprocessing, "quantize", _quantize_to_int32)
    ),
    Fault(
        "coarse-truncated",
        "f0.coarse",
        "truncated by astype(int)",
        _quantize_with(lambda hz: _coarse_scale(hz).astype(np.int64)),
        needs=(Need.VOICED,),
        causes=("truncated bins",),
    ),
    Fault(
        "coarse-hertz-bounds",
        "f0.coarse",
        "50 and 1100 Hz as bounds instead of their mel values",
        _quantize_with(lambda hz: _round_to_bins(_coarse_scale(hz, 50, 1100))),
        needs=(Need.VOICED,),
        causes=("hertz as mel bounds",),
    ),
    Fault(
        "coarse-255-steps",
        "f0.coarse",
        "255 steps",
        _quantize_with(lambda hz: _round_to_bins(_coarse_scale(hz, steps=255))),
        needs=(Need.VOICED,),
        causes=("255 steps",),
    ),
    Fault(
        "coarse-from-0",
        "f0.coarse",
        "bins from 0",
        _quantize_with(lambda hz: _round_to_bins(_coarse_scale(hz)) - 1),
        needs=(Need.VOICED,),
        causes=("bins from 0", "offset"),
    ),
    Fault(
        "coarse-linear",
        "f0.coarse",
        "bins are linear in hertz",
        _quantize_with(lambda hz: _round_to_bins(np.clip((hz - 50) * 254 / 1050 + 1, 1, 255))),
        needs=(Need.VOICED,),
        causes=("linear scale",),
    ),
    Fault(
        "coarse-octaves",
        "f0.coarse",
        "bins are even in octaves",
        _quantize_with(
            lambda hz: _round_to_bins(np.clip(np.log2(np.maximum(hz, 50) / 50) * 254 / np.log2(22) + 1, 1, 255))
        ),
        needs=(Need.VOICED,),
        causes=("another mel scale",),
    ),
    Fault(
        "coarse-knee-1000",
        "f0.coarse",
        "a mel scale of ln(1 + f/1000)",
        _quantize_with(
            lambda hz: _round_to_bins(
                np.clip((np.log1p(hz / 1000) - np.log1p(0.05)) * 254 / (np.log1p(1.1) - np.log1p(0.05)) + 1, 1, 255)
            )
        ),
        needs=(Need.VOICED,),
        causes=("another mel scale",),
    ),
    Fault(
        "coarse-ceiling-1000",
        "f0.coarse",
        "the scale ends at 1000 Hz",
        _quantize_with(lambda hz: _round_to_bins(_coarse_scale(hz, high=1127 * np.log(1 + 1000 / 700)))),
        needs=(Need.VOICED,),
        causes=("another ceiling",),
    ),
    Fault(
        "coarse-of-whole",
        "f0.coarse",
        "of pitch in whole hertz",
        _change_quantized_f0(np.rint),
        needs=(Need.VOICED,),
        causes=("bins of whole hertz",),
    ),
    Fault(
        "coarse-late",
        "f0.coarse",
        "one frame late",
        around(postprocessing, "quantize", _bins_one_frame_late),
        needs=(Need.VOICED,),
        causes=("shift by 1 frame",),
    ),
]
