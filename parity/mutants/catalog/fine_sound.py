"""Small faults before and after the networks: a constant in fewer digits, samples kept in fewer bits."""

from typing import Any

import numpy as np
from scipy import signal

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault, after, around, both, put
from rvc.audio import output, preparation, segments
from rvc.content import alignment
from rvc.nn.synthesizer import Synthesizer
from rvc.pipeline import offline


def _guarded(ceiling: float) -> Any:
    def guard(original: Any, raw: Any) -> Any:
        peak = np.abs(raw).max() / np.float32(ceiling)
        return (raw / peak).astype(np.float32) if peak > 1 else raw

    return guard


def _widened(original: Any, x: Any) -> Any:
    """Second-order sections, with as long an extension: another order of the same sums."""
    return signal.sosfiltfilt(signal.butter(5, 48, "high", fs=16000, output="sos"), x, padlen=18)


def _pad_only(change: Any) -> Any:
    def pad(original: Any, x: Any, window: Any) -> Any:
        padded, width = original(x, window), window.samples("pad")
        padded[:width], padded[-width:] = change(padded[:width]), change(padded[-width:])
        return padded

    return pad


def _moved(by: int) -> Any:
    def cut_points(original: Any, x: Any, window: Any) -> Any:
        profile, cuts = original(x, window)
        return profile, cuts + by

    return cut_points


def _floored(original: Any, x: Any, window: Any) -> Any:
    profile, cuts = original(x, window)
    return profile, cuts // 160 * 160


def _quiet(change: Any) -> Any:
    return after(segments, "loudness", change)


def _segment(change: Any) -> Any:
    """A fault in a segment's samples as HuBERT hears them."""
    return around(offline, "extract_content", lambda f, padded, *rest: f(change(padded), *rest))


def _tapped(name: str, change: Any) -> Any:
    """A fault in what a segment's generator hands on under one name."""

    def generate(original: Any, self: Any, *given: Any) -> Any:
        heard = self.tap

        def tap(full: str, value: Any) -> Any:
            return heard(full, change(value) if full.endswith("." + name) else value)

        return original(type(self)(self.name, self.synthesizer, self.config, self.noise, tap), *given)

    return around(offline.Segment, "generate", generate)


def _rms(offset: float) -> Any:
    return after(output, "rms", lambda x: np.sqrt(np.square(x) + np.float32(offset)))


def _rate(change: Any) -> Any:
    return around(output, "mix_loudness", lambda f, x, high, rate, mix: f(x, high, rate, change(mix)))


def _soxr(quality: str) -> Any:
    def resample(original: Any, samples: Any, source: int, target: int) -> Any:
        import soxr

        right = original(samples, source, target)
        made = soxr.resample(samples, source, target, quality=quality)
        return np.pad(made[: len(right)], (0, max(len(right) - len(made), 0)))

    return around(output, "resample", resample)


def _early(change: Any) -> Any:
    return around(output, "resample", lambda f, samples, source, target: f(change(samples), source, target))


def _speaker(change: Any) -> Any:
    return after(Synthesizer, "speaker", change)


MIX = ("mix", "two seconds", "heard")
LEVEL, FIXED, FEWER = ("gain",), ("fixed point",), ("fewer bits",)
JOINED = ("concat",)  # what a segment hands on is joined by the same code
FAULTS = [
    Fault(
        "guard-16-bit",
        "audio16k",
        "the guard's 0.95 as a 16-bit number, 31129 / 32768",
        around(preparation, "guard_peak", _guarded(31129 / 32768)),
        ("loud",),
        ("gain", "another guard"),
    ),
    Fault(
        "guard-32767",
        "audio16k",
        "16-bit samples over 32767",
        around(preparation, "guard_peak", lambda f, x: reduced_precision.over_32767(f(x))),
        ("heard",),
        LEVEL,
    ),
    Fault(
        "guard-decibels",
        "audio16k",
        "the guard is -0.4455 dB",
        around(preparation, "guard_peak", _guarded(10 ** (-0.4455 / 20))),
        ("loud",),
        ("gain", "another guard"),
    ),
    Fault(
        "guard-half",
        "audio16k",
        "the samples are kept in half precision",
        after(preparation, "guard_peak", reduced_precision.half),
        ("heard",),
        ("half precision",),
    ),
    Fault(
        "highpass-15-digits",
        "highpassed",
        "coefficients typed with 15 places",
        both(put(preparation, "A", lambda a: np.round(a, 15)), put(preparation, "B", lambda b: np.round(b, 15))),
        ("heard",),
    ),
    Fault(
        "highpass-13-digits",
        "highpassed",
        "coefficients typed with 13 places",
        both(put(preparation, "A", lambda a: np.round(a, 13)), put(preparation, "B", lambda b: np.round(b, 13))),
        ("heard",),
    ),
    Fault(
        "highpass-sections",
        "highpassed",
        "second-order sections",
        around(preparation, "highpass", _widened),
        ("heard",),
    ),
    Fault(
        "highpass-fixed-26",
        "highpassed",
        "26 bits of fixed point",
        after(preparation, "highpass", reduced_precision.fixed(26)),
        ("heard",),
        ("fixed point",),
    ),
    Fault(
        "cut-one-early",
        "segment.cuts",
        "one sample early",
        around(segments, "cut_points", _moved(-1)),
        ("cut",),
        ("cuts one sample off",),
    ),
    Fault(
        "cut-floored",
        "segment.cuts",
        "cuts recorded after flooring to frames",
        around(segments, "cut_points", _floored),
        ("cut",),
        ("floored cuts",),
    ),
    Fault(
        "cut-profile-float32",
        "segment.cuts",
        "the loudness is kept in float32",
        _quiet(reduced_precision.single),
        ("cut",),
        ("single precision", "fewer bits"),
    ),
    Fault(
        "pad-float32",
        "padded",
        "in float32",
        after(segments, "pad", reduced_precision.single),
        ("heard",),
        ("single precision", "fewer bits"),
    ),
    Fault(
        "pad-only-float32",
        "padded",
        "the reflection goes through float32",
        around(segments, "pad", _pad_only(reduced_precision.single)),
        ("heard",),
    ),
    Fault(
        "pad-fixed-26",
        "padded",
        "26 bits of fixed point",
        after(segments, "pad", reduced_precision.fixed(26)),
        ("heard",),
        ("fixed point",),
    ),
    Fault(
        "segment-32767",
        "seg.audio",
        "16-bit samples over 32767",
        _segment(reduced_precision.over_32767),
        ("heard",),
        LEVEL,
    ),
    Fault(
        "segment-20-bit",
        "seg.audio",
        "20-bit integers, cut off",
        _segment(reduced_precision.pcm20_cut),
        ("heard",),
        FIXED,
    ),
    Fault(
        "segment-text",
        "seg.audio",
        "six decimals",
        _segment(reduced_precision.text(6)),
        ("heard",),
        ("rounded decimals",),
    ),
    Fault(
        "segment-half", "seg.audio", "half precision", _segment(reduced_precision.half), ("heard",), ("half precision",)
    ),
    Fault(
        "upsample-fp24",
        "content.upsampled",
        "24-bit floats",
        after(alignment, "upsample", reduced_precision.fp24),
        (),
        FEWER,
        ("content.protected",),
    ),
    Fault(
        "upsample-fixed-16",
        "content.upsampled",
        "16.16 fixed point",
        after(alignment, "upsample", reduced_precision.fixed(16)),
        (),
        ("fixed point",),
        ("content.protected",),
    ),
    Fault(
        "upsample-fp24-cut",
        "content.upsampled",
        "24-bit floats, cut off",
        after(alignment, "upsample", reduced_precision.fp24_cut),
        (),
        FEWER,
        ("content.protected",),
    ),
    Fault(
        "upsample-half",
        "content.upsampled",
        "half precision",
        after(alignment, "upsample", reduced_precision.half),
        (),
        ("half precision",),
        ("content.protected",),
    ),
    Fault("speaker-fixed-14", "spk.g", "14 bits of fixed point", _speaker(reduced_precision.fixed(14)), (), FIXED),
    Fault("speaker-fixed-12", "spk.g", "12 bits of fixed point", _speaker(reduced_precision.fixed(12)), (), FIXED),
    Fault("speaker-text", "spk.g", "four decimals", _speaker(reduced_precision.text(4)), (), ("rounded decimals",)),
    Fault(
        "trim-20-bit",
        "trim",
        "20-bit integers, cut off",
        _tapped("waveform.segment", reduced_precision.pcm20_cut),
        ("heard",),
        FIXED,
        JOINED,
    ),
    Fault(
        "trim-32767",
        "trim",
        "over 32767",
        _tapped("waveform.segment", reduced_precision.over_32767),
        ("heard",),
        LEVEL,
        JOINED,
    ),
    Fault(
        "trim-fp24",
        "trim",
        "24-bit floats",
        _tapped("waveform.segment", reduced_precision.fp24_cut),
        ("heard",),
        FEWER,
        JOINED,
    ),
    Fault(
        "join-20-bit",
        "concat",
        "20-bit integers, cut off",
        after(offline, "synthesize", reduced_precision.pcm20_cut),
        ("heard",),
        FIXED,
    ),
    Fault(
        "join-32767",
        "concat",
        "over 32767",
        after(offline, "synthesize", reduced_precision.over_32767),
        ("heard",),
        LEVEL,
    ),
    Fault(
        "join-fp24",
        "concat",
        "24-bit floats",
        after(offline, "synthesize", reduced_precision.fp24_cut),
        ("heard",),
        FEWER,
    ),
    Fault("mix-rms-epsilon", "rmsmixed", "1e-6 is added under the root", _rms(1e-6), MIX, ("epsilon",)),
    Fault(
        "mix-32767", "rmsmixed", "over 32767", after(output, "mix_loudness", reduced_precision.over_32767), MIX, LEVEL
    ),
    Fault(
        "mix-half-envelope",
        "rmsmixed",
        "envelopes in half precision",
        after(output, "rms", reduced_precision.half),
        MIX,
    ),
    Fault(
        "mix-rate-16-bit",
        "rmsmixed",
        "the rate is a byte",
        _rate(lambda r: round(r * 255) / 255),
        ("partly mixed", "two seconds", "heard"),
        ("another mix rate",),
    ),
    Fault(
        "resample-very-high",
        "resampled",
        "soxr VHQ for HQ",
        _soxr("VHQ"),
        ("resample", "heard"),
        ("another resampling quality",),
    ),
    Fault(
        "resample-half",
        "resampled",
        "half precision",
        after(output, "resample", reduced_precision.half),
        ("resample", "heard"),
        ("half precision",),
    ),
    Fault(
        "resample-16-bit", "resampled", "from 16-bit integers", _early(reduced_precision.pcm16), ("resample", "heard")
    ),
    Fault(
        "resample-to-16-bit",
        "resampled",
        "16-bit integers at the new rate",
        after(output, "resample", reduced_precision.pcm16),
        ("resample", "heard"),
        FIXED,
    ),
]
