"""Segments: long audio is cut where it is quietest, and each segment is padded with context (docs/spec/06 §6.5).

highpassed float64 (N,) → segment.cuts int64 (K,), padded float64 (N + 2·pad), and the range of each segment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rvc.audio.decoding import RATE
from rvc.errors import BadInput

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
    count = len(highpassed)
    if count + FRAME <= window.samples("max"):
        return None, np.zeros(0, np.int64)
    profile = loudness(highpassed)
    reach = window.samples("query")
    cuts = []
    for center in range(window.samples("center"), count, window.samples("center")):
        first = center - reach
        cuts.append(first + int(np.argmin(profile[first : center + reach])))  # of equal values, argmin takes the first
    return profile, np.array(cuts, np.int64)


def loudness(highpassed: Signal) -> Signal:
    """The sum of |x| over samples n-80 … n+79 around each sample n: float64 (N,).

    The samples are added in time order as in the originals, because another order rounds otherwise.
    """
    count = len(highpassed)
    magnitude = np.abs(np.pad(highpassed, FRAME // 2, mode="reflect"))
    profile = np.zeros(count)
    for first in range(0, count, BLOCK):
        block = profile[first : first + BLOCK]
        for shift in range(FRAME):
            block += magnitude[first + shift : first + shift + len(block)]
    return profile


def pad(highpassed: Signal, window: Window) -> Signal:
    """`padded`: float64 (N + 2·pad,), reflected at both ends, repeatedly where the audio is short."""
    return np.pad(highpassed, window.samples("pad"), mode="reflect")


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
