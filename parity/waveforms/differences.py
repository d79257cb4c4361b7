"""What differs between two sounds as a whole, and where: each with its size and a sentence."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from parity.goldens.arrays import Array
from parity.waveforms.alignment import Alignment
from parity.waveforms.delay_path import Course, DelayPath
from parity.waveforms.perceptual import Frames

# Smallest gain in dB, delay in samples, and offset relative to full scale that count as a difference.
LEAST_GAIN, LEAST_DELAY, LEAST_OFFSET = 0.1, 0.2, 1e-3
# Smallest part in seconds that counts as missing or added at an end: of waveforms that are alike, and of sounds that
# are aligned by level.
LEAST_END, LEAST_END_BY_LEVEL = 0.005, 0.03
SILENT = 1e-4  # RMS relative to full scale (-80 dB); a channel or an end below it is silent
QUIET_END = 0.01  # RMS relative to that of the whole; an added end below it is a pause
FULL_SCALE = 0.999  # a sample of this magnitude is clipped where its neighbor is too
# Magnitude relative to full scale. Resampling a clipped signal stays below it, so that a larger sample was not clipped.
OVERSHOOT = 1.5
# A sound is clipped where it has more clipped samples than LEAST_CLIPPED plus MORE_CLIPPED times the reference's.
LEAST_CLIPPED, MORE_CLIPPED = 10, 3
# F0 is moved where at least FEW_PITCHES frames are voiced in both, their median distance is at least LEAST_CENTS cents,
# and half of them lie within NEAR_CENTS cents of the median.
FEW_PITCHES, LEAST_CENTS, NEAR_CENTS = 20, 5.0, 30.0
# A band is lost where it and all beyond it are at least LOST_BAND dB weaker, and those inside at most KEPT_BAND.
BAND, LOST_BAND, KEPT_BAND, LOWEST_BAND = 250.0, 15.0, 6.0, -75.0  # Hz; dB; dB; dB below the strongest band
# A difference is short where the share MOST_OF_IT of its power lies within SHORT_PLACE seconds or the share SHORT_SHARE
# of the sound. It is listed where its power there is at least NEAR dB relative to the reference.
SHORT_PLACE, SHORT_SHARE, MOST_OF_IT, NEAR = 0.15, 0.1, 0.98, -30.0
_PLACE_FRAME = 0.001  # seconds, the precision of a place


class Kind(StrEnum):
    """What differs between two sounds."""

    RATE = "rate"
    SPEED = "speed"
    CHANNELS = "channels"
    DELAY = "delay"
    DELAY_STEP = "delay step"
    DELAY_VARIES = "delay that varies"
    POLARITY = "polarity"
    GAIN = "gain"
    OFFSET = "offset"
    HEAD = "head"
    TAIL = "tail"
    ADDED = "added sound"
    CLIPPED = "clipped"
    NOISE = "waveform"
    PITCH = "pitch"
    BAND = "band"
    PLACE = "place"


@dataclass(frozen=True)
class Difference:
    """One difference of the whole, with its number.

    Attributes:
        kind: what differs.
        sentence: the difference in words.
        value: its size, in the unit that the sentence names.
    """

    kind: Kind
    sentence: str
    value: float


@dataclass(frozen=True)
class Ends:
    """How the candidate lies on the reference at both ends.

    Attributes:
        first: samples of the reference before the candidate begins.
        missing: samples of the reference behind the candidate's end.
        head, tail: samples of the candidate before the reference begins and behind its end, float (samples,).
    """

    first: int
    missing: int
    head: Array
    tail: Array


def of_alignment(name: str, aligned: Alignment, ends: Ends, rms: float, rate: int) -> Iterator[Difference]:
    """Delay, polarity, gain, and what is missing or added at the ends; `rms` is that of the candidate."""
    delay = aligned.delay
    if abs(delay) >= LEAST_DELAY:
        word = "later" if delay > 0 else "earlier"
        precision = 0 if aligned.by_level else 1
        sentence = f"it begins {abs(delay) / rate * 1000:.2f} ms {word} ({abs(delay):.{precision}f} samples)"
        yield Difference(Kind.DELAY, sentence, delay / rate)
    if aligned.gain < 0:
        yield Difference(Kind.POLARITY, "its polarity is inverted", -1.0)
    if abs(decibels(aligned.gain)) >= LEAST_GAIN:
        yield of_gain(aligned.gain)
    head, tail, longer = ends.first / rate, ends.missing / rate, len(ends.tail) / rate
    least = LEAST_END_BY_LEVEL if aligned.by_level else LEAST_END
    if head > least:
        yield Difference(Kind.HEAD, f"the first {head:.3f} s of {name} are missing", head)
    if tail > least:
        yield Difference(Kind.TAIL, f"the last {tail:.3f} s of {name} are missing", tail)
    elif longer > least:
        yield Difference(Kind.TAIL, f"it is {longer:.3f} s longer at the end", longer)
    for part, word in ((ends.head, "before"), (ends.tail, "behind")):
        if len(part) > least * rate and _rms(part) > max(SILENT, QUIET_END * rms):
            seconds = len(part) / rate
            yield Difference(Kind.ADDED, f"{seconds:.3f} s of other sound lie {word} {name}", seconds)


def of_gain(factor: float) -> Difference:
    """A gain, of any size."""
    gain = decibels(factor)
    precision = 2 if abs(gain) >= LEAST_GAIN else 4
    return Difference(Kind.GAIN, f"it is {abs(gain):.{precision}f} dB {'louder' if gain > 0 else 'quieter'}", gain)


def of_path(path: DelayPath, begin: float, rate: int, count: int, speed: float = 1.0) -> Iterator[Difference]:
    """How the delay changes.

    Args:
        path: the delay.
        begin: seconds into the reference at which the path begins.
        rate: Hz.
        count: samples of the reference that it covers.
        speed: at which the candidate was already found to play.
    """
    if path.course is Course.DRIFT:
        speed = speed / (1.0 + path.slope)
        cents = 1200 * math.log2(speed)
        sentence = (
            f"its clock drifts: it plays at {speed:.6f} times the speed ({1e6 * (speed - 1):+.0f} ppm), which moves it "
            f"by {abs(1.0 / speed - 1.0) * count / rate * 1000:.2f} ms until the end"
        )
        if abs(cents) >= 1.0:
            sentence += f"; F0 that is {cents:+.1f} cents away would look alike"
        yield Difference(Kind.SPEED, sentence, speed)
    elif path.course is Course.VARYING:
        delays = [delay for _, delay in path.knots]
        low, high = min(delays), max(delays)
        where = begin + path.knots[delays.index(high)][0] / rate, begin + path.knots[delays.index(low)][0] / rate
        sentence = (
            f"its delay varies by {(high - low) / rate * 1000:.2f} ms ({high - low:.1f} samples): it is latest near "
            f"{where[0]:.2f} s and earliest near {where[1]:.2f} s"
        )
        yield Difference(Kind.DELAY_VARIES, sentence, (high - low) / rate)
    for step in path.steps:
        change = step.after - step.before
        number = round(abs(change))
        word = ("is" if number == 1 else "are") + (" inserted" if change > 0 else " missing")
        yield Difference(
            Kind.DELAY_STEP,
            f"near {begin + step.place / rate:.2f} s, {number} sample{'' if number == 1 else 's'} "
            f"({abs(change) / rate * 1000:.1f} ms) {word}",
            change / rate,
        )


def of_samples(ours: Array, theirs: Array, aligned: Alignment, whole: tuple[Array, Array]) -> Iterator[Difference]:
    """Offset and clipped samples.

    Args:
        ours, theirs: float64 (n,), the aligned parts of reference and candidate.
        aligned: their alignment.
        whole: reference and candidate as they are in the files, float64 (samples,) each.
    """
    offset = float(np.mean(theirs) - (0.0 if aligned.by_level else aligned.gain * np.mean(ours)))
    if abs(offset) > LEAST_OFFSET * max(1.0, abs(aligned.gain)):
        yield Difference(Kind.OFFSET, f"its mean is {offset:+.4f} of full scale away", offset)
    largest = float(np.max(np.abs(whole[1]), initial=0.0))
    if largest > OVERSHOOT:
        sentence = f"its samples reach {largest:.4g} times full scale; a sound has samples from -1 to 1"
        yield Difference(Kind.CLIPPED if _flat(whole[1]) > LEAST_CLIPPED else Kind.GAIN, sentence, largest)
        return
    clipped = [max(_clipped(sound), _flat(sound)) for sound in whole]
    if clipped[1] > LEAST_CLIPPED + MORE_CLIPPED * clipped[0] or (clipped[1] and not clipped[0]):
        yield Difference(
            Kind.CLIPPED, f"{clipped[1]} of its samples are clipped ({clipped[0]} of the other)", float(clipped[1])
        )


def of_pitch(frames: Frames) -> Iterator[Difference]:
    """F0 that is moved by one interval everywhere."""
    cents = frames.cents[~np.isnan(frames.cents)]
    if len(cents) < FEW_PITCHES:
        return
    median = float(np.median(cents))
    if abs(median) >= LEAST_CENTS and float(np.mean(np.abs(cents - median) <= NEAR_CENTS)) >= 0.5:
        word = "higher" if median > 0 else "lower"
        text = f"its F0 is {abs(median):.0f} cents {word} (median of {len(cents)} voiced frames)"
        yield Difference(Kind.PITCH, text, median)


def of_bands(ours: Array, leveled: Array, rate: int, highest: float) -> Iterator[Difference]:
    """A high or a low end of the spectrum that one of two aligned sounds, float64 (n,), lacks.

    Args:
        ours: the reference.
        leveled: the candidate divided by its gain.
        rate: Hz.
        highest: Hz, the end of the examined band.
    """
    width = round(BAND / rate * len(ours))
    count = min(len(ours) // 2 // width, int(highest / BAND)) if width else 0
    if count < 4:
        return
    powers = [
        np.sum(np.abs(np.fft.rfft(sound - np.mean(sound))[: count * width].reshape(count, width)) ** 2, axis=1)
        for sound in (ours, leveled)
    ]
    floor = max(float(power.max()) for power in powers) * 10 ** (LOWEST_BAND / 10)
    if not floor:
        return  # both are silent
    # Bands that neither has lie between two that one of them has, or beyond all of them.
    change = 10 * np.log10(np.maximum(powers[1], floor) / np.maximum(powers[0], floor))
    held = np.flatnonzero(np.maximum(*powers) > 10 ** (LOST_BAND / 10) * floor)
    for sign in (-1, 1):
        edges = list(_edges(sign * change, held))
        for is_above, first, amount in edges:
            edge = BAND * (first + (not is_above)) / 1000
            text = f"{'above' if is_above else 'below'} {edge:.2f} kHz it is {amount:.0f} dB "
            yield Difference(Kind.BAND, text + ("weaker" if sign < 0 else "stronger"), 1000 * edge)
        if edges:
            return  # beside a weaker end the other one looks stronger


def _edges(change: Array, held: Array) -> Iterator[tuple[bool, int, float]]:
    """(whether it is the high end, its first band from the middle, dB) of each end that rises; `held` lists bands."""
    for is_above, order in ((True, held), (False, held[::-1])):
        if len(order) < 4:
            return
        # The gain of the whole contains such an end, so that it is compared with most of the other bands.
        kept = float(np.percentile(change[order], 25))
        risen = change[order] - kept >= LOST_BAND
        count = int(np.argmin(risen[::-1]))  # number of consecutive bands at the end that have risen
        if count < (2 if is_above else 1) or np.median(np.abs(change[order[:-count]] - kept)) > KEPT_BAND:
            continue
        yield is_above, int(order[-count]), float(np.median(np.abs(change[order[-count:]] - kept)))


def of_place(ours: Array, leveled: Array, first: int, rate: int, resampled: bool) -> Iterator[Difference]:
    """The short part in which nearly all of what differs lies.

    Args:
        ours, leveled: float (samples,), aligned, without gain.
        first: the sample of the reference with which they begin.
        rate: Hz.
        resampled: whether the ends differ because a resampler has no samples beyond them.
    """
    size = max(1, round(_PLACE_FRAME * rate))
    count = len(ours) // size
    errors = np.sum((leveled - ours)[: count * size].reshape(count, size) ** 2, axis=1) if count else np.zeros(0)
    whole = float(errors.sum())
    if not whole:
        return
    shares = np.cumsum(errors) / whole
    rest = (1.0 - MOST_OF_IT) / 2
    begin, end = int(np.searchsorted(shares, rest)), int(np.searchsorted(shares, 1.0 - rest)) + 1
    if (end - begin) * _PLACE_FRAME > max(SHORT_PLACE, SHORT_SHARE * len(ours) / rate):
        return
    if end - begin > 0.3 * count or (resampled and (begin == 0 or end == count)):
        return
    part = slice(begin * size, end * size)
    if 10 * math.log10(float(np.sum(errors[begin:end])) / max(float(np.sum(ours[part] ** 2)), 1e-20)) < NEAR:
        return
    times = (first + part.start) / rate, (first + part.stop) / rate
    yield Difference(Kind.PLACE, f"what remains lies between {times[0]:.3f} s and {times[1]:.3f} s", times[0])


def decibels(factor: float) -> float:
    """A factor of amplitude in dB."""
    return 20 * math.log10(abs(factor)) if factor else -math.inf


def _rms(sound: Array) -> float:
    return float(np.sqrt(np.mean(sound**2))) if len(sound) else 0.0


def _clipped(sound: Array) -> int:
    full = np.abs(sound) >= FULL_SCALE
    return int(np.sum(full[1:] & full[:-1] & (np.sign(sound[1:]) == np.sign(sound[:-1]))))


def _flat(sound: Array) -> int:
    """Samples at the largest value whose neighbor has it too, as where a loud sound was clipped and made quieter."""
    counts = 0
    for extreme in (float(np.max(sound, initial=0.0)), float(np.min(sound, initial=0.0))):
        same = np.abs(sound - extreme) <= 1e-6 * abs(extreme)
        counts += int(np.sum(same[1:] & same[:-1])) if extreme else 0
    return counts
