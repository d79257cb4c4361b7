"""The alignment of two waveforms by correlation: delay, polarity, gain, and a delay that changes on the way."""

from dataclasses import dataclass

import numpy as np

from parity.goldens.arrays import Array

LIKE = 0.3  # correlation coefficient above which two waveforms are the same sound; other noise gives about 0
CHUNK, SEARCH = 0.4, 0.1  # seconds: the pieces that are aligned alone, and how far their delay may lie from the whole
LEAST_STEP = 1.5  # samples by which the delay of a piece must differ; less is within the precision of a noisy one
CHUNK_LIKE = 0.9  # correlation coefficient at which the delay of a piece is certain
# Of the largest correlation: delays with at least so much of it are compared by their coefficients. The sum alone
# prefers a long overlap, which in a steady tone is that of a wrong period.
_NEAR_PEAK = 0.8
_GAIN_FRAME = 0.02  # seconds of the pieces whose median factor is the gain, so that a gap does not count as one
_ENVELOPE = 0.01  # seconds of one value of the level, by which waveforms are aligned that are not alike


@dataclass(frozen=True)
class Alignment:
    """How one waveform lies on another.

    Attributes:
        delay: samples by which the candidate begins later than the reference; a fraction where it lies between two.
        gain: the factor from the reference to the candidate, negative where it is inverted.
        correlation: the absolute correlation coefficient of the two where they overlap, 0 to 1.
        by_level: whether the waveforms are not alike, so that the delay is that of their levels, to 10 ms.
    """

    delay: float
    gain: float
    correlation: float
    by_level: bool = False


@dataclass(frozen=True)
class Step:
    """A place where the delay changes: seconds into the reference, and the delays before and after it in samples."""

    seconds: float
    before: float
    after: float


def align(reference: Array, candidate: Array, rate: int) -> Alignment:
    """The alignment of two waveforms of one rate, float (samples,)."""
    delay = _peak(reference, candidate)
    a, b = overlap(reference, candidate, delay)
    correlation = _likeness(a, b)[0]
    if abs(correlation) >= LIKE:
        return Alignment(delay, gain(a, b, rate), abs(correlation))
    step = round(_ENVELOPE * rate)
    coarse = float(step * round(_peak(levels(reference, step), levels(candidate, step))))
    a, b = overlap(reference, candidate, coarse)
    power = float(np.sum(a**2))
    return Alignment(coarse, float(np.sqrt(np.sum(b**2) / power)) if power else 1.0, abs(_likeness(a, b)[0]), True)


def overlap(reference: Array, candidate: Array, delay: float) -> tuple[Array, Array]:
    """The parts of both that lie on each other; a fraction of a sample is removed from the candidate."""
    whole = round(delay)
    moved = fractional(candidate, delay - whole)
    first = max(0, -whole)
    count = min(len(reference) - first, len(moved) - (first + whole))
    if count <= 0:
        return reference[:0], moved[:0]
    return reference[first : first + count], moved[first + whole : first + whole + count]


def fractional(sound: Array, delay: float) -> Array:
    """The sound moved to an earlier time by less than a sample, by the phase of its spectrum."""
    if abs(delay) < 0.02:
        return sound
    spectrum = np.fft.rfft(sound)
    turned = spectrum * np.exp(2j * np.pi * np.fft.rfftfreq(len(sound)) * delay)
    moved: Array = np.fft.irfft(turned, len(sound))
    return moved


def steps(reference: Array, candidate: Array, rate: int) -> list[Step]:
    """Where the delay of two aligned waveforms changes by more than LEAST_STEP samples.

    Three pieces in a row must have the new delay, or the last two: an error of F0 turns the phase, which looks like a
    delay that changes with F0. A delay that differs from 0 in the first certain piece is a step at 0 s.
    """
    size, reach = round(CHUNK * rate), round(SEARCH * rate)
    certain: list[tuple[int, float]] = []
    for begin in range(0, len(reference) - size + 1, size // 2):
        piece = reference[begin : begin + size]
        low = max(0, begin - reach)
        window = candidate[low : begin + size + reach]
        lag = _peak(piece, window)
        matched = overlap(piece, window, lag)
        delay = lag - (begin - low)
        if len(matched[0]) >= size // 2 and abs(_likeness(*matched)[0]) >= CHUNK_LIKE and abs(delay) <= reach:
            certain.append((begin, delay))
    changes: list[Step] = []
    last = 0.0
    for number, (begin, delay) in enumerate(certain[:-1]):
        following = [later for _, later in certain[number + 1 : number + 3]]
        if abs(delay - last) > LEAST_STEP and all(abs(later - delay) <= LEAST_STEP for later in following):
            changes.append(Step((begin if begin == certain[0][0] else begin + size // 4) / rate, last, delay))
            last = delay
    return changes


def follow(candidate: Array, count: int, changes: list[Step], rate: int) -> Array:
    """The candidate with each part moved by the delay that it has there: float (count,), 0 where it has no sample."""
    moved = np.zeros(count)
    borders = [*(round(step.seconds * rate) for step in changes), count]
    for begin, end, delay in zip([0, *borders], borders, [0.0, *(step.after for step in changes)], strict=False):
        whole = round(delay)
        first, last = max(begin, -whole), min(end, len(candidate) - whole)
        if last > first:
            moved[first:last] = candidate[first + whole : last + whole]
    return moved


def gain(reference: Array, candidate: Array, rate: int) -> float:
    """The factor from one waveform to the other: the median over pieces of 20 ms that are not silent."""
    step = round(_GAIN_FRAME * rate)
    count = len(reference) // step
    if not count:
        return _likeness(reference, candidate)[1]
    ours, theirs = (sound[: count * step].reshape(count, step) for sound in (reference, candidate))
    powers = np.sum(ours**2, axis=1)
    loud = powers > 1e-3 * powers.max(initial=0.0)
    if not loud.any():
        return 1.0
    return float(np.median(np.sum(ours * theirs, axis=1)[loud] / powers[loud])) or _likeness(reference, candidate)[1]


def levels(sound: Array, step: int) -> Array:
    """The natural logarithm of the power of every `step` samples, without its mean, for a correlation."""
    count = max(1, len(sound) // step)
    powers = np.mean(np.resize(sound, count * step).reshape(count, step) ** 2, axis=1)
    logarithms: Array = np.log(powers + 1e-8)
    logarithms -= logarithms.mean()
    return logarithms


def _likeness(a: Array, b: Array) -> tuple[float, float]:
    """The correlation coefficient, and the factor from a to b by least squares."""
    power, other, product = float(a @ a), float(b @ b), float(a @ b)
    if not power or not other:
        return 0.0, 1.0
    return product / np.sqrt(power * other), product / power


def _powers(reference: Array, candidate: Array, lags: Array) -> Array:
    """The product of the norms of both where they overlap, for each delay: float (delays,)."""
    sums = [np.concatenate([[0.0], np.cumsum(sound**2)]) for sound in (reference, candidate)]
    first = np.maximum(0, -lags)
    last = np.maximum(first, np.minimum(len(reference), len(candidate) - lags))
    ours, theirs = sums[0][last] - sums[0][first], sums[1][last + lags] - sums[1][first + lags]
    norms: Array = np.sqrt(np.maximum(ours * theirs, 1e-30))
    return norms


def _peak(reference: Array, candidate: Array) -> float:
    """The delay of the largest coefficient among those of large correlations, between samples by a parabola."""
    size = 1 << (len(reference) + len(candidate) - 1).bit_length()
    product = np.fft.rfft(candidate, size) * np.fft.rfft(reference, size).conj()
    correlation = np.abs(np.fft.irfft(product, size))
    places = np.flatnonzero(correlation >= _NEAR_PEAK * correlation.max())
    lags = np.where(places <= len(candidate), places, places - size)
    overlaps = (lags > -len(reference)) & (lags < len(candidate))
    places, lags = places[overlaps], lags[overlaps]
    if not places.size or not correlation.any():  # a silent one
        return 0.0
    place = int(places[np.argmax(correlation[places] / _powers(reference, candidate, lags))])
    before, here, after = correlation[place - 1], correlation[place], correlation[(place + 1) % size]
    bend = before - 2 * here + after
    fraction = float(0.5 * (before - after) / bend) if bend < 0 else 0.0
    return (place if place <= len(candidate) else place - size) + fraction
