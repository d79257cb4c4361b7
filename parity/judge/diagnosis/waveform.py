"""What the sound stages would have made under known mistakes: source, generator, trim, loudness, integers."""

import math
from collections.abc import Iterator

import numpy as np

from parity.candidates.candidate import Tensors
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.diagnosis.causes import Guess, given_of

AMPLITUDE, VOICED = 0.1, 0.003


def sine(
    hz: Array,
    rate: int,
    upp: int,
    noise: Array,
    fundamental: float = 1.0,
    lag: int = 0,
    voiced: float = VOICED,
    unvoiced: float = AMPLITUDE / 3,
    linear: bool = False,
    mute: bool = True,
) -> Array:
    """The ideal source in float64: phase is the inclusive sum of f0 / rate, noise by voicing; float64 (1, p·upp, 1)."""
    track = hz.ravel().astype(np.float64)
    if linear:
        at = np.clip((np.arange(len(track) * upp) + 0.5) / upp - 0.5, 0, len(track) - 1)
        steps = np.interp(at, np.arange(len(track)), track) / rate
    else:
        steps = np.repeat(track, upp) / rate
    phase = np.cumsum(steps) * fundamental
    if lag:
        phase = phase - lag * steps * fundamental
    on = np.repeat(track > 0, upp)
    wave = np.sin(2 * math.pi * np.mod(phase, 1)) * AMPLITUDE
    loudness = np.where(on, voiced, unvoiced)
    return np.asarray((np.where(on, wave, 0) if mute else wave) + loudness * noise.ravel())[None, :, None]


def source(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    """nsf.sine and nsf.source under the mistakes of sine generators."""
    hz, noise = given.get("f0.hz"), given.get(prefix + "noise.nsf")
    if hz is None or noise is None:
        return
    rate = int(case.voice["rate"])
    upp = noise.size // hz.shape[1]
    variants = [
        ("phase one sample early", "the phase does not count the current sample", {"lag": 1}),
        ("phase one sample late", "the phase counts one sample more", {"lag": -1}),
        ("linear pitch", "F0 is interpolated between frames instead of held", {"linear": True}),
        ("missing noise", "no noise is added to the source", {"voiced": 0.0, "unvoiced": 0.0}),
        ("missing noise on voiced frames", "voiced frames get no noise", {"voiced": 0.0}),
        ("unvoiced noise three times as loud", "unvoiced noise is 0.1 instead of 0.1/3", {"unvoiced": AMPLITUDE}),
        ("voiced noise everywhere", "unvoiced frames get the noise of voiced ones", {"unvoiced": VOICED}),
        ("exchanged noise", "voiced and unvoiced noise are exchanged", {"voiced": AMPLITUDE / 3, "unvoiced": VOICED}),
        ("sine on unvoiced frames", "the sine is not muted on unvoiced frames", {"mute": False}),
        ("octave", "the sine is an octave high", {"fundamental": 2.0}),
        ("cosine", "a cosine stands for the sine", {}),
    ]
    for label, sentence, wrong in variants:
        made = sine(hz, rate, upp, noise, **wrong)  # type: ignore[arg-type]
        if label == "cosine":
            quarter = sine(hz, rate, upp, 0 * noise)
            track = np.repeat(hz.ravel() > 0, upp)[None, :, None]
            phase = np.cumsum(np.repeat(hz.ravel().astype(np.float64), upp) / rate)[None, :, None]
            made = made - quarter + np.where(track, AMPLITUDE * np.cos(2 * math.pi * phase), 0)
        yield Guess(label, sentence, made if name.endswith("sine") else _excited(case, prefix, made), "D16")
    if name.endswith("source"):
        yield from _linear(case, prefix, ours)
    else:
        yield from _louder(case, name, noise, hz, upp, ours)


def _louder(case: Case, name: str, noise: Array, hz: Array, upp: int, ours: Array) -> Iterator[Guess]:
    golden = case[name].astype(np.float64)
    gap = ours - golden
    drawn = noise.astype(np.float64)
    on = np.repeat(hz.ravel() > 0, upp)[None, :, None]
    for label, where, right in (("voiced", on, VOICED), ("unvoiced", ~on, AMPLITUDE / 3)):
        part = np.where(where, drawn, 0)
        power = float(np.sum(part * part))
        more = float(np.sum(gap * part)) / power if power else 0.0
        if abs(more) > 1e-6:
            yield Guess(
                "another noise level",
                f"noise on {label} frames is {right + more:.4g}, not {right:.4g}",
                golden + more * part,
                "D16",
            )


def _weights(case: Case, prefix: str) -> tuple[float, float] | None:
    """The linear layer of the source, read off the golden's own pair of sine and source."""
    if prefix + "nsf.sine" not in case or prefix + "nsf.source" not in case:
        return None
    wave = case[prefix + "nsf.sine"].ravel().astype(np.float64)
    bent = case[prefix + "nsf.source"].ravel().astype(np.float64)
    inside = np.abs(bent) < 0.9
    if inside.sum() < 100:
        return None
    slope, offset = np.polyfit(wave[inside], np.arctanh(bent[inside]), 1)
    return float(slope), float(offset)


def _excited(case: Case, prefix: str, wave: Array) -> Array:
    fitted = _weights(case, prefix)
    if fitted is None:
        return np.zeros(0)
    return np.tanh(fitted[0] * wave + fitted[1]).reshape(1, 1, -1)


def _linear(case: Case, prefix: str, ours: Array) -> Iterator[Guess]:
    fitted = _weights(case, prefix)
    if fitted is None:
        return
    wave = case[prefix + "nsf.sine"].astype(np.float64).reshape(1, 1, -1)
    slope, offset = fitted
    yield Guess("missing tanh", "the source's tanh is missing", slope * wave + offset, "D16")
    yield Guess("missing linear layer", "the source's linear layer is missing", np.tanh(wave), "D16")
    yield Guess("bare sine", "the sine goes into the generator without linear layer and tanh", wave, "D16")
    yield Guess("missing bias", "the source's linear layer has no bias", np.tanh(slope * wave), "D16")
    inside = (np.abs(ours) < 0.9).ravel()
    if inside.sum() > 100:
        other = np.polyfit(wave.ravel()[inside], np.arctanh(ours.astype(np.float64).ravel()[inside]), 1)
        yield Guess(
            "another linear layer",
            f"the source's linear layer is {other[0]:.6g} x + {other[1]:.3g}, not {slope:.6g} x + {offset:.3g}",
            np.tanh(other[0] * wave + other[1]),
            "D16",
        )


def generator(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    """The whole waveform: its tanh, its scale."""
    golden = case[name].astype(np.float64)
    small = np.clip(golden, -1 + 1e-12, 1 - 1e-12)
    yield Guess("missing tanh", "the last tanh is missing", np.arctanh(small), None)
    yield Guess("tanh twice", "tanh is applied twice", np.tanh(golden), None)
    yield Guess("clipped", "the waveform is clipped instead of bent", np.clip(np.arctanh(small), -1, 1), None)


def trim(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    """A segment cut out at another place."""
    full = given[prefix + "waveform.segment.full"]
    pad = round(float(case.options["window"][0]) * int(case.voice["rate"]))
    frame = int(case.voice["rate"]) // 100
    for by in (*range(-8, 0), *range(1, 9), *(frames * frame for frames in (-2, -1, 1, 2)), -pad):
        piece = full[pad + by : pad + by + len(ours)] if pad + by >= 0 else full[:0]
        if len(piece) == len(ours):
            word = "late" if by > 0 else "early"
            yield Guess("trimmed elsewhere", f"the padding is dropped {abs(by)} samples too {word}", piece, "D14")


def joined(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    """Segments in another order."""
    pieces = [given[key] for key in sorted(given) if key.endswith("waveform.segment")]
    if len(pieces) > 1:
        other = np.concatenate(pieces[::-1])
        yield Guess("segments out of order", "the segments are joined in reverse order", other, "D14")


def _rms(wave: Array, frame: int, hop: int, zeros: bool = True) -> Array:
    padded = np.pad(np.asarray(wave, np.float64), frame // 2, mode="constant" if zeros else "reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop]
    return np.asarray(np.sqrt((windows**2).mean(axis=1)))


def _stretched(curve: Array, length: int, corners: bool = False) -> Array:
    if corners:
        at = np.arange(length) * (len(curve) - 1) / max(length - 1, 1)
    else:
        at = np.clip((np.arange(length) + 0.5) * len(curve) / length - 0.5, 0, len(curve) - 1)
    return np.interp(at, np.arange(len(curve)), curve)


def mixed(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    """The loudness mix with its rate, its window, its floor or its interpolation wrong."""
    wave, source = given["waveform.concat"].astype(np.float64), given["highpassed"]
    rate, mix = int(case.voice["rate"]), float(case.options.get("rms_mix_rate", 1))
    yield Guess("missing loudness mix", "the loudness envelope is not mixed", wave, "D21")

    def blend(
        share: float,
        half: bool = True,
        corners: bool = False,
        zeros: bool = True,
        floor: float = 1e-6,
        reference: Array = source,
        epsilon: float = 0.0,
    ) -> Array:
        frame = 2 if half else 1
        theirs = _rms(reference, 8000 * frame, 8000 if half else 4000, zeros)
        ours = _rms(wave, rate // 2 * frame, rate // 2 if half else rate // 4, zeros)
        one, two = (_stretched(np.sqrt(rms * rms + epsilon), len(wave), corners) for rms in (theirs, ours))
        return np.asarray(wave * one ** (1 - share) * np.maximum(two, floor) ** (share - 1))

    yield Guess("exchanged mix rate", "the mix rate weighs the other side: 1 − r instead of r", blend(1 - mix), "D21")
    yield Guess("full envelope", "the input's envelope is taken whole", blend(0.0), "D21")
    yield Guess("corners aligned", "the envelope is interpolated with corners aligned", blend(mix, corners=True), "D21")
    yield Guess("half-second windows", "loudness is measured over half a second", blend(mix, half=False), "D21")
    yield Guess("reflected ends", "loudness at the ends is measured on a reflection", blend(mix, zeros=False), "D21")
    yield Guess("another floor", "the quiet floor is 1e-3 instead of 1e-6", blend(mix, floor=1e-3), "D21")
    yield Guess("another mix rate", f"the mix rate is not {mix:g}", blend(mix + 1e-3), "D21", base=blend(mix))
    yield Guess(
        "epsilon", "something is added under the root of the loudness", blend(mix, epsilon=1e-7), "D21", base=blend(mix)
    )
    if "audio16k" in case:
        yield Guess(
            "missing high-pass",
            "the input's loudness is measured without the high-pass",
            blend(mix, reference=case["audio16k"]),
            "D19",
        )


def resampled(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    """Another resampler than soxr's HQ."""
    import soxr

    wave = given_of(given, "", "waveform.rmsmixed", "waveform.concat")
    target, source_rate = int(case.options.get("resample_rate", 0)), int(case.voice["rate"])
    if wave is None or not target:
        return
    at = np.arange(len(ours)) * source_rate / target
    yield Guess(
        "linear resampling",
        "the output is resampled by straight lines",
        np.interp(at, np.arange(len(wave)), wave),
        "D15",
    )
    for quality in ("VHQ", "MQ", "LQ", "QQ"):
        made = soxr.resample(wave, source_rate, target, quality=quality)[: len(ours)]
        yield Guess(
            "another resampling quality",
            f"soxr's quality is {quality}, not HQ",
            np.pad(made, (0, len(ours) - len(made))),
            "D15",
        )


def integers(case: Case, prefix: str, name: str, given: Tensors, ours: Array) -> Iterator[Guess]:
    """The last step with another scale, another rounding, or no guard."""
    wave = given_of(given, "", "waveform.resampled", "waveform.rmsmixed", "waveform.concat")
    if wave is None:
        return
    peak = float(np.abs(wave).max()) / 0.99
    scale = np.float32(32768 / peak if peak > 1 else 32768)
    exact = wave * scale
    for label, sentence, made in (
        ("rounded integers", "samples are rounded, not cut off", np.rint(exact)),
        ("floored integers", "samples are rounded down, not towards zero", np.floor(exact)),
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
        ("wrapped", "loud output wraps round", (np.trunc(wave * 32768).astype(np.int64) + 2**15) % 2**16 - 2**15),
        ("always normalised", "quiet output is scaled up to the guard's peak", np.trunc(wave * (32768 / peak))),
        ("another guard", "the guard is 1.0 instead of 0.99", np.trunc(wave * (32768 / max(peak * 0.99, 1)))),
        ("another guard", "the guard is 0.95 instead of 0.99", np.trunc(wave * (32768 / max(peak * 0.99 / 0.95, 1)))),
    ):
        yield Guess(label, sentence, made, "D20")
