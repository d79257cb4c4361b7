"""The distribution of noise: scale, shape, whiteness in time and over channels, freshness of each call.

Every test is a standard score under the hypothesis of fresh, white, standard normal noise. A score beyond SURE is a
finding. A run makes about forty scores, and the largest of some takes tens of thousands of lags, so that the chance of
a finding in right noise is about 1e-4 for a run (measured: docs/own-noise.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from parity.goldens.arrays import Array

SURE = 6.0  # standard deviations: 2e-9 for one score of right noise, 1e-4 for the largest of 50 000 lags
LEAST = 500  # values: fewer are not judged
MOST_LAGS = 256  # in time and over channels
MOST_OF_TIME = 3  # quarters of the time, beyond MOST_LAGS
NEAR = 0.03  # relative: a scale this close to a known one is named after it
_KURTOSIS = {-1.2: "uniform", -0.6: "triangular", 3.0: "Laplacian", -2.0: "two values", -1.5: "a sine"}
_SAME = 0.9  # correlation of noise that is drawn once and used again


@dataclass(frozen=True)
class Finding:
    """What is wrong with noise: a word for the kind, and a sentence."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Noise:
    """Drawn noise, divided by the scale that is expected, so that it should be standard normal.

    Attributes:
        name: what it is part of, such as "z_p".
        values: float64 (runs, channels, time).
        scale: the scale that it was divided by.
        known: other scales that a known mistake has, with the mistake.
    """

    name: str
    values: Array
    scale: float
    known: tuple[tuple[float, str], ...] = ()


def examine(noise: Noise) -> Iterator[Finding]:
    """Every finding; of noise with a wrong scale the other tests are made after the scale is removed."""
    values = noise.values
    if values.size < LEAST:
        return
    size = float(np.sqrt(np.mean(values**2)))
    if size < 1e-4:
        yield Finding("none", f"{noise.name} has no noise; expected a scale of {noise.scale:g}")
        return
    if abs(size - 1.0) * np.sqrt(2 * values.size) > SURE * _excess(values):
        yield Finding("scale", f"{noise.name}: {_scale_sentence(noise, size)}")
    values = values / size
    mean = float(values.mean())
    values = values - mean
    same = list(_used_again(noise.name, values))
    yield from same
    if same:  # the other scores hold for independent values: one call, and one channel
        values = values[:1, :1] if any(finding.kind == "channels" for finding in same) else values[:1]
    if abs(mean) * np.sqrt(values.size) > SURE:
        yield Finding("mean", f"{noise.name}: the noise has a mean of {mean:+.3f} of its scale; expected 0")
    if values.size < LEAST:
        return
    yield from _shape(noise.name, values)
    yield from _white(noise.name, values, 2, "frames" if noise.values.shape[1] > 1 else "samples")
    if values.shape[1] > 1:
        yield from _white(noise.name, values, 1, "channels")


def resolution(noise: Noise) -> float:
    """The relative difference of a scale that is found: SURE standard deviations."""
    return float(SURE / np.sqrt(2 * noise.values.size))


def _excess(values: Array) -> float:
    """How much wider the estimate of a scale is for noise with heavy tails, or that is not independent; at least 1."""
    squares = (values**2).reshape(-1)
    return float(max(1.0, np.std(squares) / (np.sqrt(2.0) * np.mean(squares))))


def _scale_sentence(noise: Noise, size: float) -> str:
    scale = size * noise.scale
    text = f"the noise has a scale of {scale:.4g}; expected {noise.scale:g}"
    for known, mistake in noise.known:
        if abs(scale / known - 1.0) < NEAR:
            return f"{text}: {mistake}"
    return text


def _shape(name: str, values: Array) -> Iterator[Finding]:
    flat = values.reshape(-1) / np.std(values)
    kurtosis, skew = float(np.mean(flat**4) - 3.0), float(np.mean(flat**3))
    sure = SURE * np.sqrt(24.0 / flat.size), SURE * np.sqrt(6.0 / flat.size)
    if abs(kurtosis) > sure[0]:
        near = min(_KURTOSIS, key=lambda known: abs(known - kurtosis))
        like = f" ({_KURTOSIS[near]})" if abs(near - kurtosis) < 0.1 * abs(near) + sure[0] / 4 else ""
        tails = "lighter" if kurtosis < 0 else "heavier"
        text = f"the noise is not normal{like}: its tails are {tails} (kurtosis {kurtosis:+.2f})"
        yield Finding("shape", f"{name}: {text}")
    elif abs(skew) > sure[1]:
        yield Finding("shape", f"{name}: the noise is not normal: it is skewed ({skew:+.2f})")
    else:
        distance = _distance(flat)
        if distance * np.sqrt(flat.size) > 3.2:  # Kolmogorov: 2·exp(-2·3.2²) = 3e-9
            yield Finding("shape", f"{name}: the noise is not normal: its distribution is {distance:.3f} away")


def _distance(flat: Array) -> float:
    """The largest distance from the normal distribution function (Kolmogorov and Smirnov)."""
    from scipy.special import ndtr

    expected = ndtr(np.sort(flat))
    steps = np.arange(flat.size + 1) / flat.size
    return float(max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])))


def _white(name: str, values: Array, axis: int, unit: str) -> Iterator[Finding]:
    """Whether values at any distance along an axis are correlated."""
    count = values.shape[axis]
    # A table of noise that is read in a circle repeats after any number of samples.
    lags = min(MOST_LAGS, count - 2) if axis == 1 else max(min(MOST_LAGS, count - 2), MOST_OF_TIME * count // 4)
    if lags < 1:
        return
    moved = np.moveaxis(values, axis, -1).reshape(-1, count)
    spectrum = np.abs(np.fft.rfft(moved, 2 * count, axis=1)) ** 2
    sums = np.fft.irfft(spectrum.sum(axis=0), 2 * count)[1 : lags + 1]
    pairs = moved.shape[0] * (count - np.arange(1, lags + 1))
    correlations = sums / pairs / np.mean(moved**2)
    scores = np.abs(correlations) * np.sqrt(pairs)
    worst = int(np.argmax(scores))
    if scores[worst] > SURE:
        correlation = float(correlations[worst])
        what = f"is not white over {unit}: the correlation is {correlation:+.2f}"
        what = "repeats" if correlation > _SAME else what
        yield Finding("white", f"{name}: the noise {what} at a distance of {worst + 1} {unit}")


def _used_again(name: str, values: Array) -> Iterator[Finding]:
    """Noise that is drawn once: for all channels, or for all calls."""
    runs, channels, _ = values.shape
    if channels > 1:
        over = values.mean(axis=1)
        ratio = float(np.mean(over**2) * channels)  # 1 for independent channels, `channels` for equal ones
        if abs(ratio - 1.0) * np.sqrt(over.size / 2) > SURE:
            share = (ratio - 1.0) / (channels - 1)
            text = "is the same in all channels" if share > _SAME else f"is correlated over channels ({share:+.3f})"
            yield Finding("channels", f"{name}: the noise {text}")
    flat = values.reshape(runs, -1)
    for other in range(1, runs):
        product = float(np.mean(flat[0] * flat[other]))
        if abs(product) * np.sqrt(flat.shape[1]) > SURE * np.sqrt(channels):
            text = "is the same" if product > _SAME else f"is correlated ({product:+.2f})"
            yield Finding("fresh", f"{name}: the noise {text} at each call; expected a fresh draw")
            return


def same_in_segments(name: str, pieces: Sequence[Array], parts: str = "segments") -> Iterator[Finding]:
    """Whether two segments or blocks of one run get the same noise. Each piece is (runs, channels, time)."""
    for number in range(1, len(pieces)):
        count = min(pieces[0].shape[2], pieces[number].shape[2])
        one, other = (piece[0, :, :count].reshape(-1) for piece in (pieces[0], pieces[number]))
        if one.size < LEAST:
            continue
        product = float(np.mean(one * other) / np.sqrt(np.mean(one**2) * np.mean(other**2) + 1e-30))
        # Noise that is correlated over channels has fewer independent values, and a finding of its own.
        if abs(product) > _SAME / 2 and abs(product) * np.sqrt(one.size) > 2 * SURE:
            yield Finding("segments", f"{name}: the noise of two {parts} of one run is the same ({product:+.2f})")
            return
