"""Two sound files beside each other, of which nothing but the sound is known.

The candidate is brought to the reference's rate, channel, delay, polarity and gain; each of these is a difference of
its own. What remains is measured by frame (`parity.waveforms.perceptual`) and located in time.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import soxr

from parity.goldens.arrays import Array
from parity.waveforms import alignment, perceptual
from parity.waveforms.alignment import Alignment
from parity.waveforms.perceptual import Frames, Summary
from parity.waveforms.sound_file import Sound

RATES = (16000, 22050, 24000, 32000, 40000, 44100, 48000)  # Hz, of voices and of files; a wrong header names another
CLEARLY_LIKE = 0.5  # correlation coefficient below which other rates are tried, and which one of them must reach
STEP = 1.0 / 32768.0  # of full scale: one step of a 16-bit file
SAME_SOUND = -60.0  # dB: a smaller remainder is that of resampling, dither or a coder of high rate
LEAST_GAIN, LEAST_DELAY, LEAST_OFFSET = 0.1, 0.5, 1e-3  # dB, samples, of full scale: smaller ones are no difference
SILENT = 1e-4  # of full scale: a channel or an end of a lower RMS is silent (-80 dB)
PASSED = 0.85  # of half the lower rate: the band in which resamplers are flat
FULL_SCALE = 0.999  # a sample of this magnitude is clipped where its neighbor is too
MARKS = {
    # The measure of a frame above which it is listed. These are choices for finding places, no limits: 1 dB is the mean
    # spectral distortion that listeners do not notice (Paliwal and Atal, IEEE Trans. SAP 1, 1993), 2 dB an outlier;
    # 1 dB is the least audible step of level; 50 cents is mir_eval's tolerance.
    "log_spectral": 2.0,
    "mel_cepstral": 2.0,
    "cents": perceptual.CLOSE_CENTS,
    "voicing": 0.5,
    "loudness": 1.0,
    "high_band": 3.0,
}
LEAST_FRAMES, LARGEST_GAP = 3, 5  # frames of 10 ms: shorter places are not listed, places with smaller gaps are one


class PairState(StrEnum):
    """The result for two sounds."""

    SAME = "same samples"  # within one step of a 16-bit file
    ALTERED = "the same sound, altered"  # equal but for gain, delay, polarity, rate, channels or a cut end
    DIFFERS = "differs"
    OTHER = "no common sound"  # neither the waveforms nor their levels are alike


class Kind(StrEnum):
    """What differs between two sounds."""

    RATE = "rate"
    SPEED = "speed"
    CHANNELS = "channels"
    DELAY = "delay"
    DELAY_STEP = "delay step"
    POLARITY = "polarity"
    GAIN = "gain"
    OFFSET = "offset"
    HEAD = "head"
    TAIL = "tail"
    CLIPPED = "clipped"
    NOISE = "waveform"


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
class Place:
    """A part of the reference in which a measure exceeds its mark: seconds, and its largest value there."""

    measure: str
    begin: float
    end: float
    worst: float


@dataclass(frozen=True)
class Pair:
    """The comparison of two sounds.

    Attributes:
        reference, candidate: the two.
        state: the result.
        differences: of the whole, in the order in which they were removed.
        places: where a measure exceeds its mark, by measure and time.
        alignment: of the candidate after it was brought to the reference's rate.
        remainder: dB, what differs after alignment and gain, relative to the reference.
        frames, summary: the measures of the aligned sounds, with the gain removed where the waveforms are alike; times
            count from the begin of the reference.
        placed: float64 (samples,) each, at the reference's rate: the channel of the reference that was compared, and
            the candidate aligned to it, with zeros where it has no sample.
    """

    reference: Sound
    candidate: Sound
    state: PairState
    differences: tuple[Difference, ...]
    places: tuple[Place, ...]
    alignment: Alignment
    remainder: float
    frames: Frames
    summary: Summary
    placed: tuple[Array, Array]


def compare(reference: Sound, candidate: Sound) -> Pair:
    """Compare two sounds.

    Raises:
        ModuleNotFoundError: librosa or mir_eval is not installed.
    """
    differences: list[Difference] = []
    a, b = _channels(reference, candidate, differences)
    b, rate = _at_rate(reference, candidate, a, b, differences)
    aligned = alignment.align(a, b, reference.rate)
    ours, theirs = alignment.overlap(a, b, aligned.delay)
    moved = 0.0
    unlike = aligned.by_level and not _levels_alike(ours, theirs, reference.rate)
    if unlike:
        aligned = Alignment(0.0, 1.0, aligned.correlation, True)
        ours, theirs = alignment.overlap(a, b, 0.0)
        differences.append(_why_unlike(reference, candidate, a, b))
    elif aligned.by_level:
        differences.append(
            Difference(
                Kind.NOISE,
                f"the waveforms are not alike (correlation {aligned.correlation:.2f}), but their levels are: another "
                "noise, or another network; they are aligned by level, to 10 ms",
                aligned.correlation,
            )
        )
    else:
        changes = alignment.steps(ours, theirs / aligned.gain, reference.rate)
        if changes and not changes[0].seconds:  # the correlation of the whole found the delay of a later part
            aligned = replace(aligned, delay=aligned.delay + changes[0].after)
            ours, theirs = alignment.overlap(a, b, aligned.delay)
            changes = alignment.steps(ours, theirs / aligned.gain, reference.rate)
        if changes:
            moved = changes[-1].after
            theirs = alignment.follow(theirs, len(ours), changes, reference.rate)
            aligned = replace(aligned, gain=alignment.gain(ours, theirs, reference.rate))
            differences += _delay_steps(changes, reference.rate)
    if not unlike:
        differences[:0] = _of_alignment(reference, aligned, len(a), len(b), moved)
        differences += _of_samples(ours, theirs, aligned)
    leveled = theirs if aligned.by_level else theirs / aligned.gain
    remainder = 0.0 if aligned.by_level else _remainder(ours, leveled, reference.rate, rate)
    first = max(0, -round(aligned.delay))  # samples of the reference before the candidate begins
    frames = perceptual.measure(ours, leveled, reference.rate)
    frames = replace(frames, times=frames.times + first / reference.rate)
    state = _state(ours, theirs, differences, remainder, unlike)
    places = () if state in (PairState.SAME, PairState.OTHER) else tuple(_places(frames))
    summary = perceptual.summarize(frames)
    placed = a, np.pad(leveled, (first, max(0, len(a) - first - len(leveled))))
    return Pair(reference, candidate, state, tuple(differences), places, aligned, remainder, frames, summary, placed)


def _why_unlike(reference: Sound, candidate: Sound, a: Array, b: Array) -> Difference:
    silent = [
        sound.name for sound, one in ((reference, a), (candidate, b)) if float(np.sqrt(np.mean(one**2))) <= SILENT
    ]
    if silent:
        return Difference(Kind.NOISE, f"{' and '.join(silent)} {'are' if len(silent) > 1 else 'is'} silent", 0.0)
    return Difference(
        Kind.NOISE, "neither the waveforms nor their levels are alike; were both made of the same input?", 0.0
    )


def _channels(reference: Sound, candidate: Sound, differences: list[Difference]) -> tuple[Array, Array]:
    """One channel of each: the reference's loudest, and the candidate's that is most like it."""
    a, b = reference.samples, candidate.samples
    chosen = int(np.argmax(np.mean(a**2, axis=0)))
    count = a.shape[1], b.shape[1]
    if count == (1, 1):
        return a[:, 0], b[:, 0]
    one = a[:, chosen]
    levels = np.sqrt(np.mean(b**2, axis=0))
    if count[0] == count[1] and levels[chosen] > SILENT and _like(one, b[:, chosen], reference, candidate) > 0.99:
        return one, b[:, chosen]
    like = [_like(one, b[:, channel], reference, candidate) for channel in range(count[1])]
    best = int(np.argmax(like))
    silent = [str(channel + 1) for channel in range(count[1]) if levels[channel] <= SILENT]
    equal = count[1] > 1 and all(np.array_equal(b[:, 0], b[:, channel]) for channel in range(1, count[1]))
    text = f"{candidate.name} has {_number(count[1])}, {reference.name} has {_number(count[0])}"
    if silent:
        text += f"; channel {' and '.join(silent)} is silent"
    elif equal:
        text += "; its channels are equal"
    elif count[0] == count[1]:
        if best == chosen:
            return one, b[:, best]
        text = (
            f"the channels are exchanged: channel {best + 1} of {candidate.name} is channel {chosen + 1} of the other"
        )
    if count[0] != count[1] or silent or best != chosen:
        differences.append(Difference(Kind.CHANNELS, f"{text}; channel {best + 1} is compared", float(count[1])))
    return one, b[:, best]


def _number(count: int) -> str:
    return f"{count} channel{'' if count == 1 else 's'}"


def _like(a: Array, b: Array, reference: Sound, candidate: Sound) -> float:
    if reference.rate != candidate.rate:
        b = soxr.resample(b, candidate.rate, reference.rate)
    return alignment.align(a, b, reference.rate).correlation


def _at_rate(
    reference: Sound, candidate: Sound, a: Array, b: Array, differences: list[Difference]
) -> tuple[Array, int]:
    """The candidate at the reference's rate, and the rate of its samples, which is not always that of its header."""

    def from_rate(rate: int) -> Array:
        return b if rate == reference.rate else soxr.resample(b, rate, reference.rate, quality="VHQ")

    sound, rate = from_rate(candidate.rate), candidate.rate
    aligned = alignment.align(a, sound, reference.rate)
    if aligned.correlation < CLEARLY_LIKE:  # perhaps the header names a rate that the samples do not have
        for other in RATES:
            if other != candidate.rate:
                moved = from_rate(other)
                tried = alignment.align(a, moved, reference.rate)
                if not tried.by_level and tried.correlation > max(CLEARLY_LIKE, aligned.correlation):
                    sound, rate, aligned = moved, other, tried
    if rate != candidate.rate:
        speed = candidate.rate / rate
        differences.append(
            Difference(
                Kind.SPEED,
                f"it plays at {speed:.3f} times the speed: its samples are those of {rate} Hz, and its header names "
                f"{candidate.rate} Hz",
                speed,
            )
        )
    elif rate != reference.rate:
        sentence = f"its rate is {rate} Hz, expected {reference.rate} Hz; it is resampled for what follows"
        differences.append(Difference(Kind.RATE, sentence, float(rate)))
    return sound, rate


def _of_alignment(reference: Sound, aligned: Alignment, length: int, other: int, moved: float) -> Iterator[Difference]:
    """What the alignment shows; `moved` is how much later the end lies than the begin, in samples."""
    rate, delay = reference.rate, aligned.delay
    if abs(delay) >= LEAST_DELAY:
        word = "later" if delay > 0 else "earlier"
        precision = 0 if aligned.by_level else 1
        sentence = f"it begins {abs(delay) / rate * 1000:.2f} ms {word} ({abs(delay):.{precision}f} samples)"
        yield Difference(Kind.DELAY, sentence, delay / rate)
    if aligned.gain < 0:
        yield Difference(Kind.POLARITY, "its polarity is inverted", -1.0)
    gain = 20 * math.log10(abs(aligned.gain)) if aligned.gain else -math.inf
    if abs(gain) >= LEAST_GAIN:
        yield Difference(Kind.GAIN, f"it is {abs(gain):.2f} dB {'louder' if gain > 0 else 'quieter'}", gain)
    head, tail = -delay / rate, (length + delay + moved - other) / rate
    if head > 0.005:
        yield Difference(Kind.HEAD, f"the first {head:.3f} s of {reference.name} are missing", head)
    if tail > 0.005:
        yield Difference(Kind.TAIL, f"the last {tail:.3f} s of {reference.name} are missing", tail)
    elif tail < -0.005 and delay < 0.005 * rate:
        yield Difference(Kind.TAIL, f"it is {-tail:.3f} s longer at the end", tail)


def _delay_steps(changes: list[alignment.Step], rate: int) -> Iterator[Difference]:
    for step in changes:
        change = step.after - step.before
        word = "are inserted" if change > 0 else "are missing"
        yield Difference(
            Kind.DELAY_STEP,
            f"near {step.seconds:.2f} s, {abs(change):.0f} samples ({abs(change) / rate * 1000:.1f} ms) {word}",
            change / rate,
        )


def _of_samples(ours: Array, theirs: Array, aligned: Alignment) -> Iterator[Difference]:
    offset = float(np.mean(theirs) - (0.0 if aligned.by_level else aligned.gain * np.mean(ours)))
    if abs(offset) > LEAST_OFFSET:
        yield Difference(Kind.OFFSET, f"its mean is {offset:+.4f} of full scale away", offset)
    clipped = [_clipped(sound) for sound in (ours, theirs)]
    if clipped[1] > clipped[0]:
        yield Difference(
            Kind.CLIPPED, f"{clipped[1]} of its samples are clipped ({clipped[0]} of the other)", float(clipped[1])
        )


def _clipped(sound: Array) -> int:
    full = np.abs(sound) >= FULL_SCALE
    return int(np.sum(full[1:] & full[:-1] & (np.sign(sound[1:]) == np.sign(sound[:-1]))))


def _levels_alike(ours: Array, theirs: Array, rate: int) -> bool:
    """Whether the levels of two sounds rise and fall together."""
    step = round(perceptual.HOP * rate)
    levels = [alignment.levels(sound, step) for sound in (ours, theirs)]
    powers = [float(level @ level) for level in levels]
    return bool(min(powers) > 0 and float(levels[0] @ levels[1]) / math.sqrt(powers[0] * powers[1]) > 0.5)


def _state(ours: Array, theirs: Array, differences: list[Difference], remainder: float, unlike: bool) -> PairState:
    if unlike:
        return PairState.OTHER
    if not differences and len(ours) == len(theirs) and float(np.max(np.abs(theirs - ours), initial=0.0)) <= STEP:
        return PairState.SAME
    kinds = {difference.kind for difference in differences}
    if kinds & {Kind.DELAY_STEP, Kind.CLIPPED, Kind.NOISE}:
        return PairState.DIFFERS
    return PairState.ALTERED if remainder < SAME_SOUND else PairState.DIFFERS


def _remainder(ours: Array, leveled: Array, rate: int, other: int) -> float:
    """dB: the difference relative to the reference, without means, below the band that a resampler cuts off."""
    spectra = [np.fft.rfft(sound - np.mean(sound)) for sound in (ours, leveled - ours)]
    kept = np.ones(len(spectra[0]), bool)
    if rate != other:
        kept = np.fft.rfftfreq(len(ours), 1 / rate) < PASSED * min(rate, other) / 2
    power, error = (float(np.sum(np.abs(spectrum[kept]) ** 2)) for spectrum in spectra)
    if not error:
        return -math.inf
    return 10 * math.log10(error / power) if power else math.inf


def _places(frames: Frames) -> Iterator[Place]:
    """The places of every measure, in seconds of the reference."""
    for measure, mark in MARKS.items():
        values = np.abs(np.nan_to_num(getattr(frames, measure)))
        beyond = np.flatnonzero(values > mark)
        if not beyond.size:
            continue
        for run in np.split(beyond, np.flatnonzero(np.diff(beyond) > LARGEST_GAP) + 1):
            if len(run) >= LEAST_FRAMES:
                signed = getattr(frames, measure)[run]
                worst = float(signed[int(np.argmax(np.abs(np.nan_to_num(signed))))])
                begin, end = float(frames.times[run[0]]), float(frames.times[run[-1]]) + perceptual.HOP
                yield Place(measure, begin, end, worst)
