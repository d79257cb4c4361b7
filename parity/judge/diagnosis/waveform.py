"""The waveform: generator, trimming, joining, loudness, resampling, 16-bit samples."""

import math
from collections.abc import Iterator

import numpy as np

from parity.goldens.arrays import Array
from parity.judge.diagnosis.registry import Deviation, Guess, probe


@probe("generator", "rt.generator")
def generator(deviation: Deviation) -> Iterator[Guess]:
    """The last tanh of the generator missing, repeated, or replaced by clipping."""
    golden = deviation.golden.astype(np.float64)
    small = np.clip(golden, -1 + 1e-12, 1 - 1e-12)
    yield Guess("missing tanh", "the last tanh is missing", np.arctanh(small))
    yield Guess("tanh twice", "tanh is applied twice", np.tanh(golden))
    yield Guess("clipped", "the waveform is clipped instead of passed through tanh", np.clip(np.arctanh(small), -1, 1))


@probe("trim")
def trim(deviation: Deviation) -> Iterator[Guess]:
    """The padding removed at another place."""
    full = deviation.input("waveform.segment.full")
    pad = round(float(deviation.case.options["window"][0]) * int(deviation.case.voice["rate"]))
    frame = int(deviation.case.voice["rate"]) // 100
    for by in (*range(-8, 0), *range(1, 9), *(frames * frame for frames in (-2, -1, 1, 2)), -pad):
        piece = full[pad + by : pad + by + len(deviation.ours)] if pad + by >= 0 else full[:0]
        if len(piece) == len(deviation.ours):
            word = "late" if by > 0 else "early"
            yield Guess("trimmed elsewhere", f"the padding is removed {abs(by)} samples too {word}", piece)


@probe("concat")
def joined(deviation: Deviation) -> Iterator[Guess]:
    """Segments in another order."""
    pieces = [deviation.inputs[key] for key in sorted(deviation.inputs) if key.endswith("waveform.segment")]
    if len(pieces) > 1:
        other = np.concatenate(pieces[::-1])
        yield Guess("segments out of order", "the segments are joined in reverse order", other)


def _rms(wave: Array, frame: int, hop: int, zeros: bool = True) -> Array:
    padded = np.pad(np.asarray(wave, np.float64), frame // 2, mode="constant" if zeros else "reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop]
    return np.asarray(np.sqrt((windows**2).mean(axis=1)))


def _stretched(curve: Array, length: int, corners: bool = False, held: bool = False) -> Array:
    if held:
        return np.asarray(curve[np.minimum(np.arange(length) * len(curve) // max(length, 1), len(curve) - 1)])
    if corners:
        at = np.arange(length) * (len(curve) - 1) / max(length - 1, 1)
    else:
        at = np.clip((np.arange(length) + 0.5) * len(curve) / length - 0.5, 0, len(curve) - 1)
    return np.interp(at, np.arange(len(curve)), curve)


@probe("rmsmixed")
def mixed(deviation: Deviation) -> Iterator[Guess]:
    """The loudness mix with another rate, window, floor or interpolation."""
    wave, source = deviation.input("waveform.concat").astype(np.float64), deviation.input("highpassed")
    rate, mix = int(deviation.case.voice["rate"]), float(deviation.case.options.get("rms_mix_rate", 1))
    yield Guess("missing loudness mix", "the loudness envelope is not mixed", wave)

    def blend(
        share: float,
        half: bool = True,
        corners: bool = False,
        zeros: bool = True,
        floor: float = 1e-6,
        reference: Array = source,
        epsilon: float = 0.0,
        held: bool = False,
    ) -> Array:
        frame = 2 if half else 1
        input_rms = _rms(reference, 8000 * frame, 8000 if half else 4000, zeros)
        output_rms = _rms(wave, rate // 2 * frame, rate // 2 if half else rate // 4, zeros)
        one, two = (
            _stretched(np.sqrt(rms * rms + epsilon), len(wave), corners, held) for rms in (input_rms, output_rms)
        )
        return np.asarray(wave * one ** (1 - share) * np.maximum(two, floor) ** (share - 1))

    yield Guess("exchanged mix rate", "the mix rate applies to the other side: 1 − r instead of r", blend(1 - mix))
    yield Guess("full envelope", "the input's envelope replaces the output's", blend(0.0))
    yield Guess("corners aligned", "the envelope is interpolated with corners aligned", blend(mix, corners=True))
    yield Guess("held envelope", "each loudness is held for half a second, not interpolated", blend(mix, held=True))
    yield Guess("squared gain", "the gain is squared", blend(2 * mix - 1))
    yield Guess("half-second windows", "loudness is measured over half a second", blend(mix, half=False))
    yield Guess("reflected ends", "loudness at the ends is measured on a reflection", blend(mix, zeros=False))
    yield Guess("another floor", "the quiet floor is 1e-3 instead of 1e-6", blend(mix, floor=1e-3))
    yield Guess("another mix rate", f"the mix rate is not {mix:g}", blend(mix + 1e-3), base=blend(mix))
    yield Guess(
        "epsilon", "something is added under the root of the loudness", blend(mix, epsilon=1e-7), base=blend(mix)
    )
    if "audio16k" in deviation.case:
        yield Guess(
            "missing high-pass",
            "the input's loudness is measured without the high-pass",
            blend(mix, reference=deviation.case["audio16k"]),
        )


def _windowed_sinc(wave: Array, source: int, target: int, count: int, crossings: int) -> Array:
    """A waveform at another rate by a Hann-windowed sinc, the default resampler of several audio libraries.

    Args:
        wave: (samples,) at the rate `source`.
        source: rate in Hz.
        target: rate in Hz.
        count: samples of the result.
        crossings: zeros of the sinc on each side.
    Returns:
        float64 (count,).
    """
    cutoff = 0.99 * min(source, target)  # the usual share of the lower rate that passes
    reach = int(np.ceil(crossings * source / cutoff))
    padded = np.pad(np.asarray(wave, np.float64), (reach, reach + count * source // target + 2))
    at = np.arange(count) * source / target
    first = np.floor(at).astype(np.int64)
    made = np.zeros(count)
    for tap in range(-reach, reach + 2):
        t = np.clip((first + tap - at) * cutoff / source, -crossings, crossings)
        made += padded[first + tap + reach] * np.sinc(t) * np.cos(t * np.pi / crossings / 2) ** 2
    return made * cutoff / source


@probe("resampled")
def resampled(deviation: Deviation) -> Iterator[Guess]:
    """Another resampler than soxr's HQ."""
    import soxr

    wave = deviation.first_input("waveform.rmsmixed", "waveform.concat")
    target, source_rate = int(deviation.case.options.get("resample_rate", 0)), int(deviation.case.voice["rate"])
    if wave is None or not target:
        return
    at = np.arange(len(deviation.ours)) * source_rate / target
    yield Guess(
        "linear resampling",
        "the output is resampled by straight lines",
        np.interp(at, np.arange(len(wave)), wave),
    )
    from scipy import signal  # slow to import; only a stage that differs needs it

    common, count = math.gcd(source_rate, target), len(deviation.ours)
    made = signal.resample_poly(wave.astype(np.float64), target // common, source_rate // common)[:count]
    made = np.pad(made, (0, count - len(made)))
    yield Guess("polyphase resampling", "the resampler is a polyphase filter with a Kaiser window of 5", made)
    whole = signal.resample(wave.astype(np.float64), count)
    yield Guess("Fourier resampling", "the whole output is resampled by its Fourier transform", whole)
    for crossings in (6, 16, 32, 64):
        made = _windowed_sinc(wave, source_rate, target, len(deviation.ours), crossings)
        yield Guess("windowed sinc", f"the resampler is a windowed sinc with {crossings} zeros on each side", made)
    for quality in ("VHQ", "MQ", "LQ", "QQ"):
        made = soxr.resample(wave, source_rate, target, quality=quality)[: len(deviation.ours)]
        yield Guess(
            "another resampling quality",
            f"soxr's quality is {quality}, not HQ",
            np.pad(made, (0, len(deviation.ours) - len(made))),
        )


@probe("final")
def integers(deviation: Deviation) -> Iterator[Guess]:
    """16-bit samples of another scale or rounding, or without the peak guard."""
    wave = deviation.first_input("waveform.resampled", "waveform.rmsmixed", "waveform.concat")
    if wave is None:
        return
    peak = float(np.abs(wave).max()) / 0.99
    scale = np.float32(32768 / peak if peak > 1 else 32768)
    exact = wave * scale
    for label, sentence, made in (
        ("rounded integers", "samples are rounded, not truncated", np.rint(exact)),
        ("floored integers", "samples are rounded down, not toward zero", np.floor(exact)),
        ("scale 32767", "the scale is 32767 instead of 32768", np.trunc(wave * np.float32(scale * 32767 / 32768))),
        (
            "scale 32767.5",
            "the scale is 32767.5 instead of 32768",
            np.trunc(wave * np.float32(scale * 32767.5 / 32768)),
        ),
        (
            "scale 32767",
            "the scale is 32767, and samples are rounded",
            np.rint(wave * np.float32(scale * 32767 / 32768)),
        ),
        ("missing guard", "loud output is clipped, not scaled down", np.trunc(np.clip(wave * 32768, -32768, 32767))),
        ("wrapped", "loud output wraps around", (np.trunc(wave * 32768).astype(np.int64) + 2**15) % 2**16 - 2**15),
        ("always normalised", "quiet output is scaled up to the guard's peak", np.trunc(wave * (32768 / peak))),
        ("another guard", "the guard is 1.0 instead of 0.99", np.trunc(wave * (32768 / max(peak * 0.99, 1)))),
        ("another guard", "the guard is 0.95 instead of 0.99", np.trunc(wave * (32768 / max(peak * 0.99 / 0.95, 1)))),
    ):
        yield Guess(label, sentence, made)
