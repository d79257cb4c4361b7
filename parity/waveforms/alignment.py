"""The alignment of two waveforms by correlation: delay, polarity and gain; `delay_path` has what changes on the way."""

from dataclasses import dataclass

import numpy as np

from parity.goldens.arrays import Array

LIKE = 0.3  # correlation coefficient above which two waveforms are the same sound; other noise gives about 0
CERTAIN = 0.8  # correlation coefficient from which the delay of a voice is certain, whatever its levels show
# Difference of two correlation coefficients of the levels from which on the delay with the larger one is taken.
_CLEARER = 0.03
# Share of a waveform's power in the overlap, below which a delay is not considered: a loud click lies on any other.
_LEAST_SHARE = 0.4
_GAIN_FRAME = 0.02  # seconds of the pieces whose median factor is the gain, so that a gap does not count as one
_ENVELOPE = 0.01  # seconds of one value of the level, by which waveforms are aligned that are not alike
_FINE = 0.001  # seconds, the precision of that delay after it is refined


@dataclass(frozen=True)
class Alignment:
    """How one waveform lies on another.

    Attributes:
        delay: samples by which the candidate begins later than the reference; a fraction where it lies between two.
        gain: the factor from the reference to the candidate, negative where it is inverted.
        correlation: the absolute correlation coefficient of the two where they overlap, 0 to 1.
        by_level: whether the waveforms are not alike, so that the delay is that of their levels, to a few ms.
    """

    delay: float
    gain: float
    correlation: float
    by_level: bool = False


def align(reference: Array, candidate: Array, rate: int) -> Alignment:
    """The alignment of two waveforms of one rate, float (samples,)."""
    delay = peak(reference, candidate)
    a, b = overlap(reference, candidate, delay)
    correlation = likeness(a, b)[0]
    share = max(
        (float(part @ part) / (float(whole @ whole) or 1.0) for part, whole in ((a, reference), (b, candidate)))
    )
    alike = abs(correlation) * np.sqrt(share) >= LIKE
    if alike and abs(correlation) >= CERTAIN:
        return Alignment(delay, gain(a, b, rate), abs(correlation))
    step = round(_ENVELOPE * rate)
    coarse = step * round(peak(levels(reference, step), levels(candidate, step)))
    fine = float(_refined(reference, candidate, coarse, rate))
    # A voice is like itself at many periods, and like one with another F0; its levels then agree at another delay.
    by_level, by_wave = (_agreement(reference, candidate, each, step) for each in (fine, delay))
    if alike and (abs(fine - delay) <= step / 2 or by_level - by_wave < _CLEARER):
        return Alignment(delay, gain(a, b, rate), abs(correlation))
    a, b = overlap(reference, candidate, fine)
    power = float(np.sum(a**2))
    return Alignment(fine, float(np.sqrt(np.sum(b**2) / power)) if power else 1.0, abs(likeness(a, b)[0]), True)


def _agreement(reference: Array, candidate: Array, delay: float, step: int) -> float:
    """The correlation coefficient of the levels of two waveforms where they overlap, -1 to 1."""
    a, b = overlap(reference, candidate, round(delay))
    return likeness(levels(a, step), levels(b, step))[0] if len(a) > 2 * step else -1.0


def _refined(reference: Array, candidate: Array, coarse: int, rate: int) -> int:
    """A delay near a coarse one, in samples, at which levels of 10 ms that begin every millisecond agree best."""
    step, fine = round(_ENVELOPE * rate), max(1, round(_FINE * rate))

    delays = range(coarse - step, coarse + step + 1, fine)
    return max(delays, key=lambda delay: (_agreement(reference, candidate, delay, step), -abs(delay - coarse)))


def overlap(reference: Array, candidate: Array, delay: float) -> tuple[Array, Array]:
    """The parts of two waveforms (n,), (m,) that overlap after the candidate is moved to an earlier time.

    Args:
        reference, candidate: float64 waveforms of one rate.
        delay: samples, not necessarily whole, by which the candidate is late.
    Returns:
        Two arrays of one length; empty ones where nothing overlaps.
    """
    whole = round(delay)
    moved = fractional(candidate, delay - whole)
    first = max(0, -whole)
    count = min(len(reference) - first, len(moved) - (first + whole))
    if count <= 0:
        return reference[:0], moved[:0]
    return reference[first : first + count], moved[first + whole : first + whole + count]


def fractional(sound: Array, delay: float) -> Array:
    """A sound (n,) moved to an earlier time by a delay of less than a sample, by the phase of its spectrum."""
    if abs(delay) < 0.02:
        return sound
    spectrum = np.fft.rfft(sound)
    turned = spectrum * np.exp(2j * np.pi * np.fft.rfftfreq(len(sound)) * delay)
    moved: Array = np.fft.irfft(turned, len(sound))
    return moved


def gain(reference: Array, candidate: Array, rate: int) -> float:
    """The factor from a reference to an aligned candidate, (n,) each: the median over pieces of 20 ms with sound."""
    step = round(_GAIN_FRAME * rate)
    count = len(reference) // step
    if not count:
        return likeness(reference, candidate)[1]
    ours, theirs = (sound[: count * step].reshape(count, step) for sound in (reference, candidate))
    powers = np.sum(ours**2, axis=1)
    loud = powers > 1e-3 * powers.max(initial=0.0)
    if not loud.any():
        return 1.0
    return float(np.median(np.sum(ours * theirs, axis=1)[loud] / powers[loud])) or likeness(reference, candidate)[1]


def levels(sound: Array, step: int) -> Array:
    """The natural logarithm of the power of every `step` samples, minus its mean: (samples,) → (samples // step,)."""
    count = max(1, len(sound) // step)
    powers = np.mean(np.resize(sound, count * step).reshape(count, step) ** 2, axis=1)
    logarithms: Array = np.log(powers + 1e-8)
    logarithms -= logarithms.mean()
    return logarithms


def likeness(a: Array, b: Array) -> tuple[float, float]:
    """The correlation coefficient of two arrays (n,), and the factor from a to b by least squares."""
    power, other, product = float(a @ a), float(b @ b), float(a @ b)
    if not power or not other:
        return 0.0, 1.0
    return product / np.sqrt(power * other), product / power


def _shares(reference: Array, candidate: Array, lags: Array) -> tuple[Array, Array]:
    """For each delay: the product of the norms of both where they overlap, and the larger share of a whole norm."""
    sums = [np.concatenate([[0.0], np.cumsum(sound**2)]) for sound in (reference, candidate)]
    first = np.maximum(0, -lags)
    last = np.maximum(first, np.minimum(len(reference), len(candidate) - lags))
    ours, theirs = sums[0][last] - sums[0][first], sums[1][last + lags] - sums[1][first + lags]
    norms: Array = np.sqrt(np.maximum(ours * theirs, 1e-30))
    share: Array = np.maximum(ours / sums[0][-1], theirs / sums[1][-1])
    return norms, share


def peak(reference: Array, candidate: Array) -> float:
    """The delay in samples at which two waveforms (n,), (m,) are most alike, interpolated by a parabola.

    The coefficient of the overlap decides, times the root of the share of the power that lies in it: the sum alone
    prefers the loudest part and, in a steady tone, a wrong period with a longer overlap.
    """
    size = 1 << (len(reference) + len(candidate) - 1).bit_length()
    product = np.fft.rfft(candidate, size) * np.fft.rfft(reference, size).conj()
    correlation = np.abs(np.fft.irfft(product, size))
    if not correlation.any() or not reference.any() or not candidate.any():  # a silent one
        return 0.0
    lags = np.arange(1 - len(reference), len(candidate))
    norms, share = _shares(reference, candidate, lags)
    scores = np.where(share >= _LEAST_SHARE, correlation[lags] / norms * np.sqrt(share), 0.0)
    place = int(lags[np.argmax(scores)])
    before, here, after = correlation[place - 1], correlation[place], correlation[(place + 1) % size]
    bend = before - 2 * here + after
    return place + (float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0)
