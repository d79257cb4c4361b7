"""The NSF source: a sine at F0, its noise, its linear layer and tanh."""

import math
from collections.abc import Iterator

import numpy as np

from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.diagnosis.registry import Deviation, Guess, probe
from parity.stages import Scope

AMPLITUDE = 0.1  # amplitude of the sine on voiced frames (docs/spec/05 §5.5)
VOICED = 0.003  # standard deviation of the noise on voiced frames; AMPLITUDE / 3 on unvoiced ones (docs/spec/05 §5.5)
LINEAR_RANGE = 0.9  # outputs of tanh below it are inverted to fit the linear layer; above it float32 loses digits
ENOUGH_SAMPLES = 100  # samples needed to fit two coefficients: of the linear layer, of a start phase
SAME_AMPLITUDE = 0.02  # relative; a sine of another amplitude has another mistake than its start phase
SAME_PHASE = 0.01  # of a period; nearer to 0 the phase is right, nearer to a quarter it is a cosine


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
    """The ideal sine source in float64 (docs/spec/05 §5.5), with one mistake.

    Args:
        hz: F0 in Hz, (1, p), 0 on unvoiced frames.
        rate: Samples per second of the output.
        upp: Samples in one frame.
        noise: The recorded noise, (1, p·upp, 1).
        fundamental: Multiple of F0 that is synthesized.
        lag: Samples by which the phase is late.
        voiced: Standard deviation of the noise on voiced frames.
        unvoiced: Standard deviation of the noise on unvoiced frames.
        linear: Interpolate F0 between frames instead of holding it.
        mute: Silence the sine on unvoiced frames.
    Returns:
        float64 (1, p·upp, 1). The phase is the inclusive sum of F0 / rate.
    """
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


@probe("nsf", "rt.nsf")
def source(deviation: Deviation) -> Iterator[Guess]:
    """nsf.sine and nsf.source under the mistakes of sine generators."""
    hz, noise = deviation.first_input("f0.hz"), deviation.first_input("noise.nsf")
    if hz is None or noise is None:
        return
    rate = int(deviation.case.voice["rate"])
    upp = noise.size // hz.shape[1]
    if deviation.name.scope is Scope.BLOCK:
        upp = rate // 100
        hz = _of_output(hz, rate, upp, noise, deviation.case[deviation.prefix + "nsf.sine"])
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
        yield Guess(
            label,
            sentence,
            made
            if deviation.tensor.endswith("sine")
            else _through_linear_layer(deviation.case, deviation.prefix, made),
        )
    if deviation.tensor.endswith("sine"):
        yield from _start_phases(deviation, hz, rate, upp, noise)
    right = sine(hz, rate, upp, noise)
    louder = right + 0.1 * (sine(hz, rate, upp, 0 * noise))
    if deviation.tensor.endswith("sine"):
        yield Guess("another amplitude", f"the sine's amplitude is not {AMPLITUDE:g}", louder, base=right)
    if deviation.tensor.endswith("source"):
        yield from _linear_layer_mistakes(deviation.case, deviation.prefix, deviation.ours)
    else:
        yield from _noise_levels(deviation.case, deviation.tensor, noise, hz, upp, deviation.ours)


def _of_output(hz: Array, rate: int, upp: int, noise: Array, golden: Array) -> Array:
    """The frames of a block's F0 (1, p) whose sine is returned: those that make the golden's sine, (1, n·upp, 1)."""
    count = golden.shape[1] // upp
    pieces = [hz[:, first : first + count] for first in range(hz.shape[1] - count + 1)]
    return min(pieces, key=lambda piece: float(np.sum((sine(piece, rate, upp, noise) - golden) ** 2)))


def _start_phases(deviation: Deviation, hz: Array, rate: int, upp: int, noise: Array) -> Iterator[Guess]:
    """The sine from the phase that fits the candidate's best, where its amplitude is right."""
    track = hz.ravel().astype(np.float64)
    on = np.repeat(track > 0, upp)
    angle = 2 * math.pi * np.mod(np.cumsum(np.repeat(track, upp) / rate), 1)
    added = sine(hz, rate, upp, noise) - sine(hz, rate, upp, 0 * noise)
    wave = (deviation.ours.astype(np.float64) - added).ravel()[on]
    if wave.size < ENOUGH_SAMPLES:
        return
    turned = np.stack([np.sin(angle[on]), np.cos(angle[on])], axis=1)
    along, across = np.linalg.lstsq(turned, wave, rcond=None)[0]
    phase, amplitude = math.atan2(across, along) / (2 * math.pi) % 1, math.hypot(along, across)
    if abs(amplitude / AMPLITUDE - 1) > SAME_AMPLITUDE or min(phase, 1 - phase, abs(phase - 0.25)) < SAME_PHASE:
        return
    shifted = np.where(on, AMPLITUDE * np.sin(angle + 2 * math.pi * phase), 0)
    yield Guess(
        "another start phase",
        f"the sine begins at {phase:.3g} of a period, not at 0",
        added + shifted[None, :, None],
        fitted=True,
    )


def _noise_levels(case: Case, name: str, noise: Array, hz: Array, upp: int, ours: Array) -> Iterator[Guess]:
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
                fitted=True,
            )


def _linear_layer(case: Case, prefix: str) -> tuple[float, float] | None:
    """Slope and offset of the linear layer, fitted to the golden's sine and source; None where it lacks one of them."""
    if prefix + "nsf.sine" not in case or prefix + "nsf.source" not in case:
        return None
    wave = case[prefix + "nsf.sine"].ravel().astype(np.float64)
    bent = case[prefix + "nsf.source"].ravel().astype(np.float64)
    inside = np.abs(bent) < LINEAR_RANGE
    if inside.sum() < ENOUGH_SAMPLES:
        return None
    slope, offset = np.polyfit(wave[inside], np.arctanh(bent[inside]), 1)
    return float(slope), float(offset)


def _through_linear_layer(case: Case, prefix: str, wave: Array) -> Array:
    fitted = _linear_layer(case, prefix)
    if fitted is None:
        return np.zeros(0)
    return np.tanh(fitted[0] * wave + fitted[1]).reshape(1, 1, -1)


def _linear_layer_mistakes(case: Case, prefix: str, ours: Array) -> Iterator[Guess]:
    fitted = _linear_layer(case, prefix)
    if fitted is None:
        return
    wave = case[prefix + "nsf.sine"].astype(np.float64).reshape(1, 1, -1)
    slope, offset = fitted
    yield Guess("missing tanh", "the source's tanh is missing", slope * wave + offset)
    yield Guess("missing linear layer", "the source's linear layer is missing", np.tanh(wave))
    yield Guess("bare sine", "the sine goes into the generator without linear layer and tanh", wave)
    yield Guess("missing bias", "the source's linear layer has no bias", np.tanh(slope * wave))
    inside = (np.abs(ours) < LINEAR_RANGE).ravel()
    if inside.sum() > ENOUGH_SAMPLES:
        other = np.polyfit(wave.ravel()[inside], np.arctanh(ours.astype(np.float64).ravel()[inside]), 1)
        yield Guess(
            "another linear layer",
            f"the source's linear layer is {other[0]:.6g} x + {other[1]:.3g}, not {slope:.6g} x + {offset:.3g}",
            np.tanh(other[0] * wave + other[1]),
            fitted=True,
        )
