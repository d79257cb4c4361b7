"""Long audio is cut where it is quietest, and every piece gets a second of context: docs/spec/06 §6.5.

highpassed float64 (N,) → segment.cuts int64 (K,), padded float64 (N + 2·pad), and the ranges of each piece in `padded`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rvc.audio.decoding import RATE
from rvc.errors import BadInput

FRAME = 160  # samples at 16 kHz in one frame of 10 ms
BLOCK = 1 << 14  # samples summed at a time: they stay in the processor's cache

Signal = npt.NDArray[np.float64]
Cuts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """How the audio is cut and padded, in seconds; the defaults are the originals' on a CPU in float32."""

    pad: float = 1.0  # context added at each end of the audio, and kept around each cut
    query: float = 6.0  # how far from each centre a quiet place is looked for
    center: float = 38.0  # where cuts are wanted
    max: float = 41.0  # audio up to this long is not cut

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
        """One of the four in samples at 16 kHz."""
        seconds: float = getattr(self, name)
        return round(seconds * RATE)

    @property
    def pad_frames(self) -> int:
        """The padding in frames of 10 ms."""
        return self.samples("pad") // FRAME


@dataclass(frozen=True)
class Span:
    """One piece: samples first…last of `padded`, and the frames of its pitch track."""

    first: int
    last: int
    frames: slice

    @property
    def content_frames(self) -> int:
        """p: frames of 10 ms that the content network makes of these samples, an even number."""
        return max(2 * ((self.last - self.first - 80) // 320), 0)


def cut_points(highpassed: Signal, window: Window) -> tuple[Signal | None, Cuts]:
    """`quiet.profile` float64 (N,), or None for audio too short to cut, and `segment.cuts` int64 (K,), in samples."""
    count = len(highpassed)
    if count + FRAME <= window.samples("max"):
        return None, np.zeros(0, np.int64)
    profile = loudness(highpassed)
    reach = window.samples("query")
    cuts = []
    for center in range(window.samples("center"), count, window.samples("center")):
        first = center - reach
        cuts.append(first + int(np.argmin(profile[first : center + reach])))  # argmin takes the first of equals
    return profile, np.array(cuts, np.int64)


def loudness(highpassed: Signal) -> Signal:
    """Sum of |x| over samples n−80…n+79 around each sample n, float64 (N,), added in time order."""
    count = len(highpassed)
    edge = np.abs(np.pad(highpassed, FRAME // 2, mode="reflect"))
    profile = np.zeros(count)
    for first in range(0, count, BLOCK):
        block = profile[first : first + BLOCK]
        for shift in range(FRAME):
            block += edge[first + shift : first + shift + len(block)]
    return profile


def pad(highpassed: Signal, window: Window) -> Signal:
    """`padded`: float64 (N + 2·pad), mirrored at both ends, as often as a short input needs."""
    return np.pad(highpassed, window.samples("pad"), mode="reflect")


def spans(length: int, cuts: Cuts, window: Window) -> list[Span]:
    """The pieces of `padded` for audio of `length` samples, in time order; cuts are floored to whole frames.

    Every piece but the last has one frame more of samples than of pitch, which the originals leave unused.
    """
    both = 2 * window.samples("pad")
    found, start = [], 0
    for cut in cuts:
        stop = int(cut) // FRAME * FRAME
        found.append(Span(start, stop + both + FRAME, slice(start // FRAME, (stop + both) // FRAME)))
        start = stop
    found.append(Span(start, length + both, slice(start // FRAME, (length + both) // FRAME)))
    return found
