"""Faults of ports before and after the networks: filters, cuts, padding, joining, resampling, integers."""

from typing import Any

import numpy as np
from scipy import signal

from parity.goldens.arrays import Array
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, around, put
from rvc.audio import output, preparation, segments
from rvc.audio.segments import Window
from rvc.pipeline import offline

CROSSFADE = 100  # samples over which two segments are faded into each other


def _profile_of_80_samples(original: Original, x: Array, window: Window) -> tuple[Array | None, Array]:
    """The loudness is summed over 5 ms instead of 10."""
    profile, cuts = original(x, window)
    if profile is None:
        return profile, cuts
    total = np.concatenate([[0.0], np.cumsum(np.abs(np.pad(x, 40, mode="reflect")))])
    short = (total[80:] - total[:-80])[: len(profile)]
    searched = segments.searched_ranges(len(x), window)
    return short, np.array([first + int(np.argmin(short[first:last])) for first, last in searched], np.int64)


def _cut_at_whole_frames(original: Original, x: Array, window: Window) -> tuple[Array | None, Array]:
    """The quietest place is searched frame by frame, not sample by sample."""
    profile, cuts = original(x, window)
    if profile is None:
        return profile, cuts
    searched = segments.searched_ranges(len(x), window)
    return profile, np.array([f + 160 * int(np.argmin(profile[f:l:160])) for f, l in searched], np.int64)


def _pad_by_the_other_end(original: Original, x: Array, window: Window) -> Array:
    return np.pad(x, window.samples("pad"), mode="wrap")


def _fade_between_segments(original: Original, *args: Any, **kwargs: Any) -> Array:
    """The last samples of the first half fade into the first of the second, as players join segments."""
    joined = original(*args, **kwargs).copy()
    half = len(joined) // 2
    ramp = np.linspace(0, 1, CROSSFADE, dtype=np.float32)
    before, behind = joined[half - CROSSFADE : half], joined[half : half + CROSSFADE]
    joined[half - CROSSFADE : half] = before * (1 - ramp) + behind * ramp
    return np.asarray(joined)


def _hold_loudness(original: Original, values: Array, length: int, first: int, last: int) -> Array:
    """Each loudness is held for half a second, not interpolated."""
    at = np.arange(first, last) * len(values) // max(length, 1)
    return np.asarray(values[np.minimum(at, len(values) - 1)])


def _resample_by_polyphase(original: Original, samples: Array, source: int, target: int) -> Array:
    right = original(samples, source, target)
    common = int(np.gcd(source, target))
    made = signal.resample_poly(samples, target // common, source // common).astype(np.float32)
    return np.pad(made[: len(right)], (0, max(len(right) - len(made), 0)))


def _resample_by_fft(original: Original, samples: Array, source: int, target: int) -> Array:
    right = original(samples, source, target)
    return np.asarray(signal.resample(samples, len(right)), np.float32)


def _wrap_integers(original: Original, waveform: Array) -> Array:
    """No peak guard; what is beyond the range of 16 bits wraps around."""
    return np.asarray(np.trunc(waveform.astype(np.float64) * 32768).astype(np.int64).astype(np.int16))


def _clip_integers(original: Original, waveform: Array) -> Array:
    return np.asarray(np.clip(waveform * np.float32(32768), -32768, 32767).astype(np.int16))


def _dither_integers(original: Original, waveform: Array) -> Array:
    """Triangular dither of one step, as encoders add it."""
    draw = np.random.default_rng(1)
    noise = draw.uniform(-0.5, 0.5, (2, len(waveform))).sum(0).astype(np.float32)
    return np.asarray(original(waveform + noise / np.float32(32768)))


FAULTS = [
    Fault(
        "highpass-zero-state",
        "highpassed",
        "the filter starts from zeros, not from the steady state of the first sample",
        put(preparation, "SETTLED", np.zeros_like),
        causes=("no initial state",),
    ),
    Fault(
        "cut-half-window",
        "segment.cuts",
        "loudness over 5 ms instead of 10",
        around(segments, "cut_points", _profile_of_80_samples),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("another loudness window",),
    ),
    Fault(
        "cut-whole-frames",
        "segment.cuts",
        "the quietest place is searched in steps of 160 samples",
        around(segments, "cut_points", _cut_at_whole_frames),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("search in steps of a frame",),
    ),
    Fault(
        "pad-other-end",
        "padded",
        "the padding is the other end of the sound",
        around(segments, "pad", _pad_by_the_other_end),
        causes=("another padding",),
    ),
    Fault(
        "join-faded",
        "concat",
        "segments are faded into each other",
        around(offline, "synthesize", _fade_between_segments),
        needs=(Need.AUDIBLE, Need.SEVERAL_SEGMENTS),
    ),
    Fault(
        "mix-held",
        "rmsmixed",
        "each loudness is held for half a second, not interpolated",
        around(output, "stretch", _hold_loudness),
        needs=(Need.LOUDNESS_MIX, Need.OVER_TWO_SECONDS),
        causes=("held envelope",),
    ),
    Fault(
        "mix-squared",
        "rmsmixed",
        "the gain is squared",
        around(output, "mix_loudness", lambda f, x, high, rate, mix: f(x, high, rate, 2 * mix - 1)),
        needs=(Need.LOUDNESS_MIX, Need.MIX_RATE_INSIDE),
        causes=("another mix rate", "full envelope", "squared gain"),
    ),
    Fault(
        "resample-polyphase",
        "resampled",
        "a polyphase filter (scipy.signal.resample_poly)",
        around(output, "resample", _resample_by_polyphase),
        needs=(Need.OUTPUT_RESAMPLED,),
        causes=("polyphase resampling",),
    ),
    Fault(
        "resample-fourier",
        "resampled",
        "by the Fourier transform of the whole sound (scipy.signal.resample)",
        around(output, "resample", _resample_by_fft),
        needs=(Need.OUTPUT_RESAMPLED,),
        causes=("Fourier resampling",),
    ),
    Fault(
        "final-wrapped",
        "final",
        "no peak guard, and what is beyond 16 bits wraps around",
        around(output, "to_int16", _wrap_integers),
        needs=(Need.OUTPUT_ABOVE_GUARD,),
        causes=("wrapped",),
    ),
    Fault(
        "final-clipped",
        "final",
        "loud output is clipped, not scaled down",
        around(output, "to_int16", _clip_integers),
        needs=(Need.OUTPUT_ABOVE_GUARD,),
        causes=("missing guard",),
    ),
    Fault(
        "final-dithered",
        "final",
        "dither is added before the samples are cut off",
        around(output, "to_int16", _dither_integers),
        needs=(Need.AUDIBLE,),
    ),
    Fault(
        "final-scale-32767.5",
        "final",
        "a scale of 32767.5",
        around(output, "to_int16", lambda f, x: f(x * np.float32(32767.5 / 32768))),
        needs=(Need.AUDIBLE,),
        causes=("scale 32767.5", "gain"),
    ),
]
