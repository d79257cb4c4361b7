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
from parity.waveforms import alignment, delay_path, differences, perceptual
from parity.waveforms.alignment import Alignment
from parity.waveforms.delay_path import Course, DelayPath
from parity.waveforms.differences import SILENT, Difference, Ends, Kind
from parity.waveforms.perceptual import Frames, Summary
from parity.waveforms.sound_file import Sound

RATES = (16000, 22050, 24000, 32000, 40000, 44100, 48000)  # Hz, of voices and of files; a wrong header names another
CLEARLY_LIKE = 0.5  # correlation coefficient below which other rates are tried, and which one of them must reach
# Another speed is examined where two lengths differ by more than the share LEAST_STRETCH and less than a factor of
# MOST_STRETCH.
LEAST_STRETCH, MOST_STRETCH = 1e-5, 2.0
STEP = 1.0 / 32768.0  # one step of a 16-bit file, relative to full scale
SAME_SOUND = -60.0  # dB: a smaller remainder is that of resampling, dither or a coder of high rate
FOLLOWED = 0.95  # correlation coefficient from which waveforms that were aligned by level are alike along a path
LEAST_COVERED = 0.7  # share of the shorter sound; sounds whose levels agree in less have nothing in common
PASSED = 0.85  # share of half the lower rate, up to which the response of resamplers is flat
# Differences of the sound itself; the others leave it the same sound.
OF_THE_SOUND = {Kind.DELAY_STEP, Kind.DELAY_VARIES, Kind.ADDED, Kind.CLIPPED, Kind.NOISE, Kind.PITCH, Kind.PLACE}
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
        reference, candidate: the two sounds.
        state: the result.
        differences: the differences of the whole sounds, in the order in which they were removed.
        places: where a measure exceeds its mark, by measure and time.
        alignment: the alignment of the candidate after it was resampled to the reference's rate.
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
    whole: list[Difference] = []
    a, b = _channels(reference, candidate, whole)
    b, rate = _at_rate(reference, candidate, a, b, whole)
    laid = _lay(a, b, reference.rate)
    ours, theirs, aligned = laid.ours, laid.theirs, laid.aligned
    unlike = aligned.by_level and not _levels_alike(laid, a, b, reference.rate)
    if unlike:
        aligned = Alignment(0.0, 1.0, aligned.correlation, True)
        laid = _Laid(aligned, *alignment.overlap(a, b, 0.0), _ends(a, b, 0.0))
        ours, theirs = laid.ours, laid.theirs
        whole.append(_why_unlike(reference, candidate, a, b))
    else:
        rms = float(np.sqrt(np.mean(b**2)))
        # Rate and channels come first, then what the alignment showed.
        whole += differences.of_alignment(reference.name, aligned, laid.ends, rms, reference.rate)
        if aligned.by_level:
            whole.append(_other_noise(aligned))
        if laid.path is not None:
            speed = _taken(whole, Kind.SPEED) if laid.path.course is Course.DRIFT else 1.0
            whole += differences.of_path(laid.path, laid.begin / reference.rate, reference.rate, len(ours), speed)
        whole += differences.of_samples(ours, theirs, aligned, (a, b))
    leveled = theirs if aligned.by_level else theirs / aligned.gain
    remainder = 0.0 if aligned.by_level else _remainder(ours, leveled, reference.rate, rate)
    first = laid.ends.first
    frames = perceptual.measure(ours, leveled, reference.rate)
    frames = replace(frames, times=frames.times + first / reference.rate)
    if not unlike and not _is_same(ours, theirs, whole):
        whole += differences.of_pitch(frames)
        # Above PASSED of the band, a resampler of another rate is no longer flat.
        resampled = rate != reference.rate or any(each.kind in (Kind.SPEED, Kind.DELAY_VARIES) for each in whole)
        highest = (PASSED if resampled else 1.0) * min(rate, reference.rate) / 2
        short: list[Difference] = []
        if not aligned.by_level:
            short += differences.of_place(ours, leveled, first, reference.rate, resampled)
        if not short:  # a click has every frequency
            whole += differences.of_bands(ours, theirs / abs(aligned.gain), reference.rate, highest)
        whole += short
        if not whole and remainder < SAME_SOUND:
            whole.append(differences.of_gain(aligned.gain))
    state = _state(ours, theirs, whole, remainder, unlike)
    places = () if state in (PairState.SAME, PairState.OTHER) else tuple(_places(frames))
    summary = perceptual.summarize(frames)
    placed = a, np.pad(leveled, (first, max(0, len(a) - first - len(leveled))))
    return Pair(reference, candidate, state, tuple(whole), places, aligned, remainder, frames, summary, placed)


@dataclass(frozen=True)
class _Laid:
    """Two waveforms where they lie on each other.

    Attributes:
        aligned: the alignment; its delay is that of the beginning.
        ours, theirs: float (samples,) each, of one length.
        ends: what lies beyond.
        path: the delay along the reference, where it is not constant.
        begin: the sample of the reference from which the path counts.
    """

    aligned: Alignment
    ours: Array
    theirs: Array
    ends: Ends
    path: DelayPath | None = None
    begin: int = 0


def _lay(a: Array, b: Array, rate: int) -> _Laid:
    """Align two waveforms as a whole, and then along the delay where it changes."""
    aligned = alignment.align(a, b, rate)
    ours, theirs = alignment.overlap(a, b, aligned.delay)
    path = delay_path.find(ours, theirs, rate) if len(ours) else None
    begin = max(0, -round(aligned.delay))
    constant = _Laid(aligned, ours, theirs, _ends(a, b, aligned.delay))
    if path is None:
        return constant
    # The path counts from the first sample of the overlap; before it, the reference has none of the candidate.
    start = float(path.at(np.array([0.0]))[0])
    ours, theirs, skipped, behind = delay_path.followed(a[begin:], b, begin + aligned.delay, path)
    first = begin + skipped
    aligned = Alignment(
        aligned.delay + start, alignment.gain(ours, theirs, rate), abs(alignment.likeness(ours, theirs)[0])
    )
    head = b[: max(0, round(aligned.delay))] if not first else b[:0]
    ends = Ends(first, len(a) - first - len(ours), head, b[len(b) - behind :])
    return _Laid(aligned, ours, theirs, ends, path, begin)


def _taken(whole: list[Difference], kind: Kind) -> float:
    """The value of a difference, which is removed because another one contains it; 1 without it."""
    for place, difference in enumerate(whole):
        if difference.kind is kind:
            return whole.pop(place).value
    return 1.0


def _ends(a: Array, b: Array, delay: float) -> Ends:
    """What lies beyond the overlap at a constant delay."""
    whole = round(delay)
    end = len(a) + whole  # in samples of the candidate
    return Ends(max(0, -whole), max(0, end - len(b)), b[: max(0, whole)], b[max(0, end) :])


def _other_noise(aligned: Alignment) -> Difference:
    return Difference(
        Kind.NOISE,
        f"the waveforms are not alike (correlation {aligned.correlation:.2f}), but their levels are: another noise, "
        "another speaker or another network; they are aligned by level, to a few milliseconds",
        aligned.correlation,
    )


def _why_unlike(reference: Sound, candidate: Sound, a: Array, b: Array) -> Difference:
    silent = [
        sound.name for sound, one in ((reference, a), (candidate, b)) if float(np.sqrt(np.mean(one**2))) <= SILENT
    ]
    if silent:
        return Difference(Kind.NOISE, f"{' and '.join(silent)} {'are' if len(silent) > 1 else 'is'} silent", 0.0)
    return Difference(
        Kind.NOISE, "neither the waveforms nor their levels are alike; were both made of the same input?", 0.0
    )


def _channels(reference: Sound, candidate: Sound, whole: list[Difference]) -> tuple[Array, Array]:
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
    opposite = count[1] == 2 and not silent and np.array_equal(b[:, 0], -b[:, 1])
    text = f"{candidate.name} has {_number(count[1])}, {reference.name} has {_number(count[0])}"
    if silent:
        text += f"; {_listed(silent)}"
    elif equal:
        text += "; its channels are equal"
    elif opposite:
        text += "; channel 2 is channel 1 with the other polarity"
    elif count[0] == count[1]:
        if best == chosen:
            return one, b[:, best]
        text = (
            f"the channels are exchanged: channel {best + 1} of {candidate.name} is channel {chosen + 1} of the other"
        )
    if count[0] != count[1] or silent or best != chosen:
        whole.append(Difference(Kind.CHANNELS, f"{text}; channel {best + 1} is compared", float(count[1])))
    return one, b[:, best]


def _listed(silent: list[str]) -> str:
    if len(silent) == 1:
        return f"channel {silent[0]} is silent"
    return f"channels {', '.join(silent[:-1])} and {silent[-1]} are silent"


def _number(count: int) -> str:
    return f"{count} channel{'' if count == 1 else 's'}"


def _like(a: Array, b: Array, reference: Sound, candidate: Sound) -> float:
    if reference.rate != candidate.rate:
        b = soxr.resample(b, candidate.rate, reference.rate)
    return alignment.align(a, b, reference.rate).correlation


def _at_rate(reference: Sound, candidate: Sound, a: Array, b: Array, whole: list[Difference]) -> tuple[Array, int]:
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
    if aligned.correlation < CLEARLY_LIKE and abs(len(sound) / len(a) - 1) > LEAST_STRETCH:
        # Perhaps the whole of the reference was played faster or slower: then the lengths show how much.
        ratio = len(sound) / len(a)
        moved = soxr.resample(sound, ratio, 1.0, quality="VHQ") if 1 / MOST_STRETCH < ratio < MOST_STRETCH else sound
        tried = alignment.align(a, moved, reference.rate)
        if not tried.by_level and tried.correlation > max(CLEARLY_LIKE, aligned.correlation):
            sentence = (
                f"it plays at {1 / ratio:.5f} times the speed, {len(sound) / reference.rate:.3f} s in place of "
                f"{reference.seconds:.3f} s"
            )
            whole.append(Difference(Kind.SPEED, sentence, 1 / ratio))
            return moved, rate
    if rate != candidate.rate:
        speed = candidate.rate / rate
        whole.append(
            Difference(
                Kind.SPEED,
                f"it plays at {speed:.3f} times the speed: its samples are those of {rate} Hz, and its header names "
                f"{candidate.rate} Hz",
                speed,
            )
        )
    elif rate != reference.rate:
        sentence = f"its rate is {rate} Hz, expected {reference.rate} Hz; it is resampled for what follows"
        whole.append(Difference(Kind.RATE, sentence, float(rate)))
    return sound, rate


def _levels_alike(laid: _Laid, a: Array, b: Array, rate: int) -> bool:
    """Whether the levels of two sounds rise and fall together, in most of the shorter one."""
    if len(laid.ours) < LEAST_COVERED * min(len(a), len(b)):
        return False
    step = round(perceptual.HOP * rate)
    levels = [alignment.levels(sound, step) for sound in (laid.ours, laid.theirs)]
    powers = [float(level @ level) for level in levels]
    return bool(min(powers) > 0 and float(levels[0] @ levels[1]) / math.sqrt(powers[0] * powers[1]) > 0.5)


def _is_same(ours: Array, theirs: Array, whole: list[Difference]) -> bool:
    return not whole and len(ours) == len(theirs) and float(np.max(np.abs(theirs - ours), initial=0.0)) <= STEP


def _state(ours: Array, theirs: Array, whole: list[Difference], remainder: float, unlike: bool) -> PairState:
    if unlike:
        return PairState.OTHER
    if _is_same(ours, theirs, whole):
        return PairState.SAME
    if {difference.kind for difference in whole} & OF_THE_SOUND:
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
