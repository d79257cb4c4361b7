"""The delay of one waveform along another: constant, with steps, a rate that differs slightly, or one that varies.

Pieces of the reference are aligned alone, each near the delay of the piece before. Of the paths through their delays
that one is taken which leaves the least difference, if it leaves clearly less than a constant delay does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from parity.goldens.arrays import Array
from parity.waveforms.alignment import likeness, overlap, peak

# A piece is a sixth (1 / PARTS) of the sound long, at least SHORTEST and at most LONGEST seconds.
LONGEST, SHORTEST, PARTS = 0.4, 0.1, 6
SEARCH = 0.1  # seconds by which the delay of a piece may lie from that of the piece before
# Correlation coefficient at which the delay of a piece is certain, and at which it counts for a path of many pieces.
LIKE, LOOSELY_LIKE = 0.9, 0.7
PASSES = 3  # times that a drift or a varying delay is measured again, with the delay so far removed
# Samples by which the delay of a piece must differ: the precision of a noisy piece, and of a clean one, whose
# correlation coefficient is at least CLEAN.
LEAST_STEP, LEAST_CLEAN_STEP, CLEAN = 1.5, 0.6, 0.98
LEAST_DRIFT = 0.3  # samples of drift from the first piece to the last
# Largest slope of a varying delay, in seconds per second. F0 that is 9 cents off moves the phase as fast.
STEEPEST = 0.005
# dB by which a path must lower what differs; a varying one also to at most MOST_LEFT, since it follows F0 errors too.
LEAST_GAIN, LEAST_GAIN_VARYING, MOST_LEFT = {"steps": 3.0, "drift": 6.0}, 6.0, -12.0
TAPS = 32  # taps of the windowed sinc that interpolates between samples
_BLOCK = 1 << 16  # samples that are read together


class Course(StrEnum):
    """How a delay changes."""

    STEPS = "steps"
    DRIFT = "drift"
    VARYING = "varying"


@dataclass(frozen=True)
class Step:
    """A place where the delay changes: the sample of the reference, and the delays before and after it in samples."""

    place: int
    before: float
    after: float


@dataclass(frozen=True)
class DelayPath:
    """The delay at each time.

    Attributes:
        course: how the delay changes over time.
        knots: samples of the reference and the delays there in samples; between them the delay is interpolated, and
            beyond the last ones it continues as between the last two (drift) or is constant.
        steps: the steps of a path whose course is steps; () for other courses.
    """

    course: Course
    knots: tuple[tuple[float, float], ...]
    steps: tuple[Step, ...] = ()

    @property
    def slope(self) -> float:
        """Samples of delay for each sample of the reference, of a drift."""
        (begin, first), (end, last) = self.knots[0], self.knots[-1]
        return (last - first) / (end - begin)

    def at(self, places: Array) -> Array:
        """The delay at samples of the reference, float (places,)."""
        begin, delays = (np.array(values) for values in zip(*self.knots, strict=True))
        if self.course is Course.DRIFT:
            line: Array = delays[0] + self.slope * (places - begin[0])
            return line
        if self.course is Course.STEPS:
            borders = np.array([step.place for step in self.steps])
            constant: Array = delays[np.searchsorted(borders, places, "right")]
            return constant
        from scipy.interpolate import PchipInterpolator  # slow to import; only a delay that varies needs it

        curve: Array = PchipInterpolator(begin, delays)(np.clip(places, begin[0], begin[-1]))
        return curve


@dataclass(frozen=True)
class _Piece:
    begin: int
    size: int
    delay: float
    likeness: float
    gain: float = 1.0

    @property
    def center(self) -> float:
        return self.begin + self.size / 2


def find(reference: Array, candidate: Array, rate: int) -> DelayPath | None:
    """The path of a delay that is not constant, or None.

    Args:
        reference: float (samples,).
        candidate: float (samples,), aligned as a whole; what remains of its delay is the path.
        rate: Hz of both.
    """
    pieces = _pieces(reference, candidate, rate)
    certain = [piece for piece in pieces if piece.likeness >= LIKE]
    if len(pieces) < 2:
        return None
    before = left(reference, candidate)
    best, least = None, math.inf
    for path in (_steps(reference, candidate, certain), _drift(pieces, len(reference)), _varying(pieces)):
        if path is None:
            continue
        closer, after = _closer(reference, candidate, path, rate)
        varies = path.course is Course.VARYING
        needed = LEAST_GAIN_VARYING if varies else LEAST_GAIN[path.course]
        if before - after < needed or (varies and after > MOST_LEFT):
            continue
        score = after + (LEAST_GAIN_VARYING if varies else 0.0)  # the path that explains with the fewest numbers
        if score < least:
            best, least = closer, score
    return best


def _closer(reference: Array, candidate: Array, path: DelayPath, rate: int) -> tuple[DelayPath, float]:
    """A drift or a varying delay, measured again on what it aligned; and what is left, in dB."""
    ours, theirs, first, _ = followed(reference, candidate, 0.0, path)
    after = left(ours, theirs)
    for _ in range(PASSES if path.course is not Course.STEPS else 0):
        pieces = [
            _Piece(each.begin + first, each.size, each.delay + float(path.at(np.array([each.center + first]))[0]), 1.0)
            for each in _pieces(ours, theirs, rate)
        ]
        again = _drift(pieces, len(reference)) if path.course is Course.DRIFT else _varying(pieces)
        if again is None:
            break
        ours, theirs, first, _ = followed(reference, candidate, 0.0, again)
        if left(ours, theirs) > after - 1.0:
            break
        path, after = again, left(ours, theirs)
    return path, after


def followed(reference: Array, candidate: Array, delay: float, path: DelayPath) -> tuple[Array, Array, int, int]:
    """Both where they lie on each other.

    Args:
        reference, candidate: float (samples,).
        delay: samples of the candidate before the first of the reference, to which the path is added.
        path: places count from the reference's first sample.
    Returns:
        the parts of the reference and of the candidate, float (samples,) each; the first sample of that part of the
        reference; and the samples of the candidate behind it.
    """
    places = np.arange(len(reference), dtype=np.float64)
    at = places + delay + path.at(places)
    held = np.flatnonzero((at >= -0.5) & (at <= len(candidate) - 0.5))
    if not held.size:
        return reference[:0], candidate[:0], 0, 0
    first, last = int(held[0]), int(held[-1])
    at = at[first : last + 1]
    return reference[first : last + 1], read_at(candidate, at), first, max(0, round(len(candidate) - 1 - float(at[-1])))


def read_at(sound: Array, at: Array) -> Array:
    """A sound at fractions of samples, float (places,), by a windowed sinc; 0 outside of it."""
    whole = np.rint(at)
    if float(np.max(np.abs(at - whole), initial=0.0)) < 0.02:
        inside = (whole >= 0) & (whole < len(sound))
        exact: Array = np.where(inside, sound[np.clip(whole, 0, len(sound) - 1).astype(np.int64)], 0.0)
        return exact
    half = TAPS // 2
    padded = np.pad(sound, half + 1)
    made = np.empty(len(at))
    for begin in range(0, len(at), _BLOCK):
        part = at[begin : begin + _BLOCK]
        base = np.floor(part).astype(np.int64)
        offsets = np.arange(1 - half, half + 1)
        distance = (part - base)[:, None] - offsets
        window = np.cos(np.pi * distance / (TAPS + 2)) ** 2
        index = np.clip(base[:, None] + offsets + half + 1, 0, len(padded) - 1)
        made[begin : begin + _BLOCK] = np.sum(padded[index] * np.sinc(distance) * window, axis=1)
    return made


def left(reference: Array, candidate: Array) -> float:
    """The difference of two waveforms (n,) with the best gain, in dB relative to the reference."""
    coefficient = likeness(reference, candidate)[0]
    return 10 * math.log10(max(1.0 - coefficient**2, 1e-15))


def _pieces(reference: Array, candidate: Array, rate: int) -> list[_Piece]:
    """Pieces of the reference, each with the delay at which it lies on the candidate."""
    size = round(min(LONGEST, max(SHORTEST, len(reference) / rate / PARTS)) * rate)
    reach, last = round(SEARCH * rate), 0.0
    pieces: list[_Piece] = []
    for begin in range(0, len(reference) - size + 1, size // 2):
        piece, low = reference[begin : begin + size], max(0, begin + round(last) - reach)
        window = candidate[low : begin + round(last) + size + reach]
        lag = peak(piece, window)
        matched = overlap(piece, window, lag)
        delay = lag - (begin - low)
        coefficient, factor = likeness(*matched)
        alike = float(abs(coefficient)) if len(matched[0]) >= size // 2 else 0.0
        if alike >= LOOSELY_LIKE and abs(delay - last) <= reach:
            last = delay
            pieces.append(_Piece(begin, size, delay, alike, factor))
    return pieces


def _steps(reference: Array, candidate: Array, certain: Sequence[_Piece]) -> DelayPath | None:
    """Constant delays with steps between.

    Three pieces in a row must have the new delay, or the last two: an error of F0 turns the phase, which looks like a
    delay that changes with F0. Where the first certain piece has another delay than the whole, the path begins with it.
    """
    if len(certain) < 2:
        return None
    clean = float(np.median([piece.likeness for piece in certain])) >= CLEAN
    least = LEAST_CLEAN_STEP if clean else LEAST_STEP
    steps: list[Step] = []
    first, behind = 0.0, 0
    if all(abs(later.delay - certain[0].delay) <= least for later in certain[1:3]):
        first = certain[0].delay
    last = first
    factor = float(np.median([piece.gain for piece in certain]))
    for number, piece in enumerate(certain[:-1]):
        following = [later.delay for later in certain[number + 1 : number + 3]]
        if abs(piece.delay - last) > least and all(abs(later - piece.delay) <= least for later in following):
            span = behind, min(len(reference), piece.begin + piece.size)
            place = _border(reference, candidate, factor, (last, piece.delay), span)
            steps.append(Step(place, last, piece.delay))
            last = piece.delay
        if abs(piece.delay - last) <= least:
            behind = piece.begin
    if not steps and abs(first) <= least:
        return None
    places = [0.0, *(float(step.place) for step in steps)]
    delays = [first, *(step.after for step in steps)]
    return DelayPath(Course.STEPS, tuple(zip(places, delays, strict=True)), tuple(steps))


def _border(
    reference: Array, candidate: Array, factor: float, delays: tuple[float, float], span: tuple[int, int]
) -> int:
    """The sample of a span at which the delay changes: the one that leaves the least difference on both sides.

    Args:
        reference, candidate: float (samples,).
        factor: from the reference to the candidate where their delay is right.
        delays: before and after the change.
        span: first and last sample.
    """
    places = np.arange(*span, dtype=np.float64)
    part = reference[span[0] : span[1]]
    errors = [np.cumsum((read_at(candidate, places + delay) - factor * part) ** 2) for delay in delays]
    return span[0] + int(np.argmin(errors[0] + errors[1][-1] - errors[1]))


def _drift(certain: Sequence[_Piece], count: int) -> DelayPath | None:
    """A delay that grows evenly, as between two clocks."""
    if len(certain) < 3:
        return None
    places, delays = (np.array(values) for values in zip(*((each.center, each.delay) for each in certain), strict=True))
    far = max(1, len(places) // 2)  # slopes between pieces that lie far apart
    slope = float(np.median((delays[far:] - delays[:-far]) / (places[far:] - places[:-far])))
    offset = float(np.median(delays - slope * places))
    errors = np.abs(delays - offset - slope * places)
    near = errors <= max(0.5, 0.05 * abs(slope) * count)
    if near.mean() < 0.7 or near.sum() < 3:
        return None
    slope, offset = (float(value) for value in np.polyfit(places[near], delays[near], 1))
    if abs(slope) * count < LEAST_DRIFT:
        return None
    return DelayPath(Course.DRIFT, ((0.0, offset), (float(count), offset + slope * count)))


def _varying(certain: Sequence[_Piece]) -> DelayPath | None:
    """A delay that varies slowly."""
    if len(certain) < 5:
        return None
    knots = [(certain[0].center, certain[0].delay)]
    for piece in certain[1:]:
        if abs(piece.delay - knots[-1][1]) <= STEEPEST * (piece.center - knots[-1][0]) + LEAST_CLEAN_STEP:
            knots.append((piece.center, piece.delay))
    delays = [delay for _, delay in knots]
    if len(knots) < 0.7 * len(certain) or max(delays) - min(delays) < LEAST_STEP:
        return None
    return DelayPath(Course.VARYING, tuple(knots))
