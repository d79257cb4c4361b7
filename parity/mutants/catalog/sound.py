"""Faults before and after the networks: guard, filter, cuts, padding, joining, loudness, integers."""

from typing import Any

import numpy as np
from scipy import signal

from parity.mutants.fault import Fault, after, around, put
from rvc.audio import output, preparation, segments
from rvc.audio.segments import Span
from rvc.pipeline import offline


def _guarded(ceiling: float, always: bool = False) -> Any:
    def guard(original: Any, raw: Any) -> Any:
        peak = np.abs(raw).max() / np.float32(ceiling)
        return (raw / peak).astype(np.float32) if always or peak > 1 else raw

    return guard


def _filtfilt(**options: Any) -> Any:
    return lambda original, x: signal.filtfilt(preparation.B, preparation.A, x, **options)


def _butter(order: int, cutoff: float) -> Any:
    def filtered(original: Any, x: Any) -> Any:
        b, a = signal.butter(order, cutoff, "high", fs=16000)
        return signal.filtfilt(b, a, x)

    return filtered


def _box(x: Any) -> Any:
    return np.convolve(x, np.ones(160), "valid")


def _profile(change: Any, late: int = 0) -> Any:
    def loudness(original: Any, x: Any) -> Any:
        edge = np.pad(x, 80, mode="reflect")
        return np.roll(change(edge), -late)[: len(x)]

    return loudness


def _cut(choose: Any) -> Any:
    def cut_points(original: Any, x: Any, window: Any) -> Any:
        profile, cuts = original(x, window)
        if profile is None:
            return profile, cuts
        reach, center = window.samples("query"), window.samples("center")
        found = [choose(profile, c, reach) for c in range(center, len(x), center)]
        return profile, np.array(found, np.int64)

    return cut_points


def _padded(**options: Any) -> Any:
    return lambda original, x, window: np.pad(x, window.samples("pad"), **options)


def _early(original: Any, length: int, cuts: Any, window: Any) -> Any:
    found = original(length, cuts, window)
    return [found[0], *(Span(span.first - 160, span.last - 160, span.frames) for span in found[1:])]


def _pitch_late(original: Any, length: int, cuts: Any, window: Any) -> Any:
    found = original(length, cuts, window)
    return [
        found[0],
        *(Span(span.first, span.last, slice(span.frames.start - 1, span.frames.stop - 1)) for span in found[1:]),
    ]


def _trimmed(original: Any, self: Any, z: Any, g: Any, source: Any, first: int, last: int) -> Any:
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


def _swapped(original: Any, *given: Any, **named: Any) -> Any:
    joined = original(*given, **named)
    half = len(joined) // 2
    return np.concatenate([joined[half:], joined[:half]])


def _stretch_corners(original: Any, values: Any, length: int, first: int, last: int) -> Any:
    at = np.arange(first, last) * (len(values) - 1) / max(length - 1, 1)
    return np.interp(at, np.arange(len(values)), values).astype(np.float32)


def _linear_resample(original: Any, samples: Any, source: int, target: int) -> Any:
    right = original(samples, source, target)
    at = np.arange(len(right)) * source / target
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def _medium_quality(original: Any, samples: Any, source: int, target: int) -> Any:
    import soxr

    right = original(samples, source, target)
    made = soxr.resample(samples, source, target, quality="MQ")
    return np.pad(made[: len(right)], (0, max(len(right) - len(made), 0)))


def _scaled(waveform: Any) -> Any:
    peak = np.abs(waveform).max() / np.float32(0.99)
    return waveform * (np.float32(32768) / max(peak, np.float32(1)))


MIX_RATE = "the mix rate weighs the wrong side"
FAULTS = [
    Fault(
        "guard-missing",
        "audio16k",
        "loud input is not scaled down",
        around(preparation, "guard_peak", lambda f, x: x),
        ("loud",),
        ("missing peak guard",),
    ),
    Fault(
        "guard-0.99",
        "audio16k",
        "the output's guard is used for the input",
        around(preparation, "guard_peak", _guarded(0.99)),
        ("loud",),
        ("another guard", "missing peak guard"),
    ),
    Fault(
        "guard-always",
        "audio16k",
        "quiet input is scaled up",
        around(preparation, "guard_peak", _guarded(0.95, True)),
        ("quiet",),
        ("always normalised", "gain"),
    ),
    Fault(
        "guard-subtle",
        "audio16k",
        "the guard is 0.9501",
        around(preparation, "guard_peak", _guarded(0.9501)),
        ("loud",),
        ("gain",),
    ),
    Fault(
        "highpass-missing",
        "highpassed",
        "no high-pass, as in the ONNX helpers",
        around(preparation, "highpass", lambda f, x: x.astype(np.float64)),
        (),
        ("missing high-pass",),
    ),
    Fault(
        "highpass-one-way",
        "highpassed",
        "lfilter instead of filtfilt",
        around(
            preparation, "highpass", lambda f, x: signal.lfilter(preparation.B, preparation.A, x.astype(np.float64))
        ),
        (),
        ("one-way filter",),
    ),
    Fault(
        "highpass-float64-extension",
        "highpassed",
        "the input is widened before it is extended",
        around(
            preparation, "highpass", lambda f, x: signal.filtfilt(preparation.B, preparation.A, x.astype(np.float64))
        ),
        ("loud",),
        ("float64 extension",),
    ),
    Fault(
        "highpass-50Hz",
        "highpassed",
        "50 Hz instead of 48",
        around(preparation, "highpass", _butter(5, 50)),
        (),
        ("another high-pass",),
    ),
    Fault(
        "highpass-order-4",
        "highpassed",
        "fourth order",
        around(preparation, "highpass", _butter(4, 48)),
        (),
        ("another high-pass",),
    ),
    Fault(
        "highpass-no-extension",
        "highpassed",
        "padtype=None",
        around(preparation, "highpass", _filtfilt(padtype=None)),
        (),
        ("no extension",),
    ),
    Fault(
        "highpass-even-extension",
        "highpassed",
        "even extension",
        around(preparation, "highpass", _filtfilt(padtype="even")),
        (),
        ("another extension",),
    ),
    Fault(
        "highpass-short-extension",
        "highpassed",
        "padlen 15 instead of 18",
        around(preparation, "highpass", _filtfilt(padlen=15)),
    ),
    Fault(
        "highpass-float32",
        "highpassed",
        "the result is kept in float32 on its way",
        after(preparation, "highpass", lambda x: x.astype(np.float32).astype(np.float64)),
        (),
        ("single precision",),
    ),
    Fault(
        "cut-signed-sum",
        "segment.cuts",
        "|Σ x| instead of Σ |x|",
        around(segments, "loudness", _profile(lambda edge: np.abs(_box(edge)))),
        ("cut",),
        ("sum without magnitude",),
    ),
    Fault(
        "cut-energy",
        "segment.cuts",
        "Σ x²",
        around(segments, "loudness", _profile(lambda edge: _box(edge**2))),
        ("cut",),
        ("energy",),
    ),
    Fault(
        "cut-profile-late",
        "segment.cuts",
        "the window lies one sample late",
        around(segments, "loudness", _profile(lambda edge: _box(np.abs(edge)), 1)),
        ("cut",),
        ("profile one sample late", "shift by 1 sample"),
    ),
    Fault(
        "cut-at-centre",
        "segment.cuts",
        "no search",
        around(segments, "cut_points", _cut(lambda p, c, r: c)),
        ("cut",),
        ("cuts at the centres",),
    ),
    Fault(
        "cut-loudest",
        "segment.cuts",
        "argmax for argmin",
        around(segments, "cut_points", _cut(lambda p, c, r: c - r + int(np.argmax(p[c - r : c + r])))),
        ("cut",),
        ("loudest place",),
    ),
    Fault(
        "cut-relative",
        "segment.cuts",
        "the place inside the window is returned",
        around(segments, "cut_points", _cut(lambda p, c, r: int(np.argmin(p[c - r : c + r])))),
        ("cut",),
        ("cuts from the window's start",),
    ),
    Fault(
        "cut-one-late",
        "segment.cuts",
        "one sample late",
        around(segments, "cut_points", _cut(lambda p, c, r: c - r + int(np.argmin(p[c - r : c + r])) + 1)),
        ("cut",),
        ("cuts one sample off",),
    ),
    Fault(
        "pad-zeros", "padded", "zeros for a reflection", around(segments, "pad", _padded()), (), ("another padding",)
    ),
    Fault(
        "pad-symmetric",
        "padded",
        "the edge sample is repeated",
        around(segments, "pad", _padded(mode="symmetric")),
        (),
        ("another padding",),
    ),
    Fault(
        "pad-edge",
        "padded",
        "the last value is held",
        around(segments, "pad", _padded(mode="edge")),
        (),
        ("another padding",),
    ),
    Fault(
        "segment-early",
        "seg.audio",
        "later segments begin a frame early",
        around(segments, "spans", _early),
        ("cut",),
        ("shifted segment",),
    ),
    Fault(
        "pitch-slice-late",
        "enc_p",
        "later segments get the pitch of one frame before",
        around(segments, "spans", _pitch_late),
        ("cut", "voiced"),
        (),
        ("nsf", "content.protected"),
    ),
    Fault(
        "trim-late",
        "trim",
        "the padding is dropped one sample late",
        around(offline.Segment, "generate", _trimmed),
        (),
        ("trimmed elsewhere", "shift by 1 sample"),
        ("concat",),
    ),
    Fault(
        "join-order",
        "concat",
        "the segments are joined in another order",
        around(offline, "synthesize", _swapped),
        ("cut",),
        ("segments out of order",),
    ),
    Fault(
        "mix-missing",
        "rmsmixed",
        "the loudness is left as it is",
        around(output, "mix_loudness", lambda f, x, *rest: x),
        ("mix",),
        ("missing loudness mix",),
    ),
    Fault(
        "mix-exchanged",
        "rmsmixed",
        MIX_RATE,
        around(output, "mix_loudness", lambda f, x, high, rate, mix: f(x, high, rate, 1 - mix)),
        ("partly mixed", "unevenly mixed"),
        ("exchanged mix rate",),
    ),
    Fault(
        "mix-corners",
        "rmsmixed",
        "the realtime interpolation offline",
        around(output, "stretch", _stretch_corners),
        ("mix", "two seconds"),
        ("corners aligned",),
    ),
    Fault(
        "mix-half-window",
        "rmsmixed",
        "half-second windows",
        around(output, "rms", lambda f, x, frame, hop: f(x, frame // 2, hop // 2)),
        ("mix",),
        ("half-second windows",),
    ),
    Fault(
        "mix-hop-shifted",
        "rmsmixed",
        "frames are not centred",
        around(
            output,
            "rms",
            lambda f, x, frame, hop: f(np.concatenate([np.zeros(frame // 2, x.dtype), x])[: len(x)], frame, hop),
        ),
        ("mix", "two seconds"),
    ),
    Fault(
        "mix-power",
        "rmsmixed",
        "rms without its root",
        after(output, "rms", lambda x: x * x),
        ("mix", "two seconds"),
        ("another mix rate",),
    ),
    Fault(
        "resample-linear",
        "resampled",
        "linear interpolation",
        around(output, "resample", _linear_resample),
        ("resample",),
        ("linear resampling",),
    ),
    Fault(
        "resample-medium",
        "resampled",
        "soxr MQ for HQ",
        around(output, "resample", _medium_quality),
        ("resample",),
        ("another resampling quality",),
    ),
    Fault(
        "final-rounded",
        "final",
        "rounded, not cut off",
        around(output, "to_int16", lambda f, x: np.rint(_scaled(x)).astype(np.int16)),
        (),
        ("rounded integers",),
    ),
    Fault(
        "final-floored",
        "final",
        "floored, as soundfile's PCM_16 does",
        around(output, "to_int16", lambda f, x: np.floor(_scaled(x)).astype(np.int16)),
        (),
        ("floored integers",),
    ),
    Fault(
        "final-32767",
        "final",
        "scale 32767, as in the ONNX helper",
        around(output, "to_int16", lambda f, x: (_scaled(x) * np.float32(32767 / 32768)).astype(np.int16)),
        (),
        ("scale 32767",),
    ),
    Fault(
        "final-normalised",
        "final",
        "the output is always scaled to its peak",
        around(output, "to_int16", lambda f, x: (x * (np.float32(32768 * 0.99) / np.abs(x).max())).astype(np.int16)),
        (),
        ("always normalised",),
    ),
    Fault("final-guard-tight", "final", "the guard is a thousandth lower", put(output, "PEAK", 0.05), (), ("gain",)),
]
