"""Segments: long audio is cut where it is quietest, and each segment is padded with context (docs/spec/06 §6.5).

highpassed float64 (N,) → segment.cuts int64 (K,), padded float64 (N + 2·pad), and the range of each segment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rvc.audio.decoding import RATE
from rvc.errors import BadInput
from rvc.scratch import blocks, new_signal, release

FRAME = 160  # samples at 16 kHz in one frame of 10 ms
BLOCK = 1 << 14  # samples summed at a time: 128 KiB of float64, which fit into a processor's cache

Signal = npt.NDArray[np.float64]
Cuts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """How the audio is cut and padded, in seconds; the defaults are those of the originals on a CPU in float32
    (docs/spec/06 §6.2).

    Attributes:
        pad: the context added at each end of the audio and of each segment (`x_pad` of the originals).
        query: the quietest sample is searched up to this distance before and after each center (`x_query`).
        center: the distance from one center to the next; one cut lies near each center (`x_center`).
        max: audio up to this duration is not cut (`x_max`).
    Raises:
        BadInput: a value is not above 0, `pad` is not a multiple of 10 ms, or `query` exceeds `center`.
    """

    pad: float = 1.0
    query: float = 6.0
    center: float = 38.0
    max: float = 41.0

    def __post_init__(self) -> None:
        for name in ("pad", "query", "center", "max"):
            value = getattr(self, name)
            if not np.isfinite(value) or value <= 0:
                raise BadInput(f"the window's {name} is {value} s; expected more than 0")
        if round(self.pad * RATE) % FRAME:
            raise BadInput(f"the window's pad is {self.pad} s; expected whole frames of 0.01 s")
        if self.query > self.center:
            raise BadInput(f"the window's query ({self.query} s) exceeds its center ({self.center} s); make it smaller")

    def samples(self, name: str) -> int:
        """The value of that name in samples at 16 kHz."""
        seconds: float = getattr(self, name)
        return round(seconds * RATE)

    @property
    def pad_frames(self) -> int:
        """The padding in frames of 10 ms."""
        return self.samples("pad") // FRAME


@dataclass(frozen=True)
class Span:
    """One segment.

    Attributes:
        first, last: the range of its samples in `padded`.
        frames: the range of its frames in the F0 of the whole file.
    """

    first: int
    last: int
    frames: slice

    @property
    def content_frames(self) -> int:
        """p: the frames of 10 ms for which HuBERT returns content features, an even number (docs/spec/00 §0.3)."""
        # HuBERT's frames: a receptive field of 400 samples, a hop of 320. (L - 400) // 320 + 1 equals (L - 80) // 320.
        return max(2 * ((self.last - self.first - 80) // 320), 0)


def cut_points(highpassed: Signal, window: Window) -> tuple[Signal | None, Cuts]:
    """Where to cut.

    Args:
        highpassed: float64 (N,) at 16 kHz.
        window: how the audio is cut.
    Returns:
        `quiet.profile`, float64 (N,), or None for audio that is not cut; `segment.cuts`, int64 (K,), in samples.
    """
    if not is_cut(len(highpassed), window):
        return None, np.zeros(0, np.int64)
    profile = loudness(highpassed)
    searched = searched_ranges(len(highpassed), window)
    cuts = [first + int(np.argmin(profile[first:last])) for first, last in searched]  # argmin: the first of equal ones
    return profile, np.array(cuts, np.int64)


def cut_points_without_profile(highpassed: Signal, window: Window) -> Cuts:
    """`segment.cuts` alone, int64 (K,): `quiet.profile` is computed only where it is searched."""
    cuts = []
    for first, last in searched_ranges(len(highpassed), window):
        cuts.append(first + int(np.argmin(loudness(highpassed, first, last))))
        release(highpassed)
    return np.array(cuts, np.int64)


def is_cut(count: int, window: Window) -> bool:
    """Whether audio of `count` samples is cut."""
    return count + FRAME > window.samples("max")


def searched_ranges(count: int, window: Window) -> list[tuple[int, int]]:
    """The first and last sample of each range in which a cut is searched."""
    if not is_cut(count, window):
        return []
    reach, step = window.samples("query"), window.samples("center")
    return [(center - reach, min(center + reach, count)) for center in range(step, count, step)]


def loudness(highpassed: Signal, start: int = 0, stop: int | None = None) -> Signal:
    """The sum of |x| over samples n-80 … n+79 around each sample n, with reflected ends.

    The samples are added in time order as in the originals, because another order rounds otherwise.

    Args:
        highpassed: float64 (N,), more than 80 samples.
        start, stop: the samples n; by default all of them.
    Returns:
        float64 (stop - start,).
    """
    count, half = len(highpassed), FRAME // 2
    stop = count if stop is None else stop
    profile = np.zeros(stop - start)
    for first in range(start, stop, BLOCK):
        last = min(first + BLOCK, stop)
        inside = np.abs(highpassed[max(first - half, 0) : last + half])
        before, after = max(half - first, 0), max(last + half - count, 0)
        magnitude = np.pad(inside, (before, after), mode="reflect")
        block = profile[first - start : last - start]
        for shift in range(FRAME):
            block += magnitude[shift : shift + len(block)]
    return profile


def pad(highpassed: Signal, window: Window) -> Signal:
    """`padded`: float64 (N + 2·pad,), reflected at both ends, repeatedly where the audio is short."""
    count, width = len(highpassed), window.samples("pad")
    if width >= count:
        return np.pad(highpassed, width, mode="reflect")
    padded = new_signal(count + 2 * width, np.float64)
    for target, block in zip(blocks(padded[width:-width]), blocks(highpassed), strict=True):
        target[:] = block
    padded[:width] = highpassed[width:0:-1]
    padded[-width:] = highpassed[-2 : -width - 2 : -1]
    return padded


def spans(length: int, cuts: Cuts, window: Window) -> list[Span]:
    """The segments of `padded`, in time order.

    As in the originals, the samples of every segment but the last are 10 ms longer than its F0. No content frame
    needs the F0 of these 10 ms: `Span.content_frames` does not exceed the length of `Span.frames`.

    Args:
        length: samples of the audio without padding, at 16 kHz.
        cuts: `segment.cuts`; they are rounded down to whole frames.
        window: how the audio is cut.
    """
    padding = 2 * window.samples("pad")  # at both ends together
    segments, start = [], 0
    for cut in cuts:
        stop = int(cut) // FRAME * FRAME
        segments.append(Span(start, stop + padding + FRAME, slice(start // FRAME, (stop + padding) // FRAME)))
        start = stop
    segments.append(Span(start, length + padding, slice(start // FRAME, (length + padding) // FRAME)))
    return segments
