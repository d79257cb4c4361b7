"""Faults after the networks: loudness mix, resampling, 16-bit integers."""

from collections.abc import Callable

import numpy as np
import soxr

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around, put
from rvc.audio import output


def _interpolate_between_corners(original: Original, values: Array, length: int, first: int, last: int) -> Array:
    """Interpolate with aligned corners, as the realtime program does."""
    at = np.arange(first, last) * (len(values) - 1) / max(length - 1, 1)
    return np.interp(at, np.arange(len(values)), values).astype(np.float32)


def _rms_with_offset(offset: float) -> Patch:
    """Add a number under the root."""
    return after(output, "rms", lambda x: np.sqrt(np.square(x) + np.float32(offset)))


def change_mix_rate(change: Callable[[float], float]) -> Patch:
    return around(output, "mix_loudness", lambda original, x, high, rate, mix: original(x, high, rate, change(mix)))


def _resample_linearly(original: Original, samples: Array, source: int, target: int) -> Array:
    right = original(samples, source, target)
    at = np.arange(len(right)) * source / target
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def _resample_at_quality(quality: str) -> Patch:
    """Resample at another quality of soxr, cut or padded to the same length."""

    def resample(original: Original, samples: Array, source: int, target: int) -> Array:
        right = original(samples, source, target)
        resampled = soxr.resample(samples, source, target, quality=quality)
        return np.pad(resampled[: len(right)], (0, max(len(right) - len(resampled), 0)))

    return around(output, "resample", resample)


def _change_resampler_input(change: Callable[[Array], Array]) -> Patch:
    return around(
        output, "resample", lambda original, samples, source, target: original(change(samples), source, target)
    )


def _scale_to_int16_range(waveform: Array) -> Array:
    """Samples times 32768, divided by their peak over 0.99 where that is above 1."""
    peak = np.abs(waveform).max() / np.float32(0.99)
    return np.asarray(waveform * (np.float32(32768) / max(peak, np.float32(1))))


FAULTS = [
    Fault(
        "mix-missing",
        "rmsmixed",
        "the loudness is not mixed",
        around(output, "mix_loudness", lambda f, x, *rest: x),
        needs=(Need.LOUDNESS_MIX,),
        causes=("missing loudness mix",),
    ),
    Fault(
        "mix-exchanged",
        "rmsmixed",
        "1 - rate instead of rate",
        around(output, "mix_loudness", lambda f, x, high, rate, mix: f(x, high, rate, 1 - mix)),
        needs=(Need.MIX_RATE_INSIDE, Need.MIX_RATE_NOT_HALF),
        causes=("exchanged mix rate",),
    ),
    Fault(
        "mix-corners",
        "rmsmixed",
        "the realtime interpolation offline",
        around(output, "stretch", _interpolate_between_corners),
        needs=(Need.LOUDNESS_MIX, Need.OVER_TWO_SECONDS),
        causes=("corners aligned",),
    ),
    Fault(
        "mix-half-window",
        "rmsmixed",
        "half-second windows",
        around(output, "rms", lambda f, x, frame, hop: f(x, frame // 2, hop // 2)),
        needs=(Need.LOUDNESS_MIX,),
        causes=("half-second windows",),
    ),
    Fault(
        "mix-hop-shifted",
        "rmsmixed",
        "windows are not centered",
        around(
            output,
            "rms",
            lambda f, x, frame, hop: f(np.concatenate([np.zeros(frame // 2, x.dtype), x])[: len(x)], frame, hop),
        ),
        needs=(Need.LOUDNESS_MIX, Need.OVER_TWO_SECONDS),
    ),
    Fault(
        "mix-power",
        "rmsmixed",
        "rms without its root",
        after(output, "rms", lambda x: x * x),
        needs=(Need.LOUDNESS_MIX, Need.OVER_TWO_SECONDS),
        causes=("another mix rate", "squared gain"),  # both envelopes squared square their ratio
    ),
    Fault(
        "mix-rms-epsilon",
        "rmsmixed",
        "1e-6 is added under the root",
        _rms_with_offset(1e-6),
        needs=(Need.LOUDNESS_MIX, Need.OVER_TWO_SECONDS, Need.AUDIBLE),
        causes=("epsilon",),
    ),
    Fault(
        "mix-32767",
        "rmsmixed",
        "16-bit samples over 32767",
        after(output, "mix_loudness", reduced_precision.over_32767),
        needs=(Need.LOUDNESS_MIX, Need.OVER_TWO_SECONDS, Need.AUDIBLE),
        causes=("gain",),
    ),
    Fault(
        "mix-half-envelope",
        "rmsmixed",
        "envelopes in half precision",
        after(output, "rms", reduced_precision.half),
        needs=(Need.LOUDNESS_MIX, Need.OVER_TWO_SECONDS, Need.AUDIBLE),
    ),
    Fault(
        "mix-rate-16-bit",
        "rmsmixed",
        "the rate is rounded to 255ths",
        change_mix_rate(lambda r: round(r * 255) / 255),
        needs=(Need.MIX_RATE_INSIDE, Need.OVER_TWO_SECONDS, Need.AUDIBLE),
        causes=("another mix rate",),
    ),
    Fault(
        "resample-linear",
        "resampled",
        "linear interpolation",
        around(output, "resample", _resample_linearly),
        needs=(Need.OUTPUT_RESAMPLED,),
        causes=("linear resampling",),
    ),
    Fault(
        "resample-medium",
        "resampled",
        "soxr MQ instead of HQ",
        _resample_at_quality("MQ"),
        needs=(Need.OUTPUT_RESAMPLED,),
        causes=("another resampling quality",),
    ),
    Fault(
        "resample-very-high",
        "resampled",
        "soxr VHQ instead of HQ",
        _resample_at_quality("VHQ"),
        needs=(Need.OUTPUT_RESAMPLED, Need.AUDIBLE),
        causes=("another resampling quality",),
    ),
    Fault(
        "resample-half",
        "resampled",
        "half precision",
        after(output, "resample", reduced_precision.half),
        needs=(Need.OUTPUT_RESAMPLED, Need.AUDIBLE),
        causes=("half precision",),
    ),
    Fault(
        "resample-16-bit",
        "resampled",
        "from 16-bit integers",
        _change_resampler_input(reduced_precision.pcm16),
        needs=(Need.OUTPUT_RESAMPLED, Need.AUDIBLE),
    ),
    Fault(
        "resample-to-16-bit",
        "resampled",
        "16-bit integers at the new rate",
        after(output, "resample", reduced_precision.pcm16),
        needs=(Need.OUTPUT_RESAMPLED, Need.AUDIBLE),
        causes=("fixed point",),
    ),
    Fault(
        "final-rounded",
        "final",
        "rounded, not cut off",
        around(output, "to_int16", lambda f, x: np.rint(_scale_to_int16_range(x)).astype(np.int16)),
        causes=("rounded integers",),
    ),
    Fault(
        "final-floored",
        "final",
        "floored, as soundfile's PCM_16 does",
        around(output, "to_int16", lambda f, x: np.floor(_scale_to_int16_range(x)).astype(np.int16)),
        causes=("floored integers",),
    ),
    Fault(
        "final-32767",
        "final",
        "scale 32767, as in the ONNX helper",
        around(
            output, "to_int16", lambda f, x: (_scale_to_int16_range(x) * np.float32(32767 / 32768)).astype(np.int16)
        ),
        causes=("scale 32767",),
    ),
    Fault(
        "final-normalised",
        "final",
        "the output is always scaled to its peak",
        around(output, "to_int16", lambda f, x: (x * (np.float32(32768 * 0.99) / np.abs(x).max())).astype(np.int16)),
        causes=("always normalised",),
    ),
    Fault(
        "final-guard-tight",
        "final",
        "the guard is a thousandth lower",
        put(output, "PEAK", 0.989),
        needs=(Need.OUTPUT_ABOVE_GUARD,),
        causes=("gain",),
    ),
]
