"""Run a network that is local in time piece by piece; each layer holds only the frames that the next piece needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


class PiecewiseFunction:
    """A function of frames whose results depend on `reach` frames at either side, run piece by piece.

    Frames are axis 2 of (1, C, frames, width). At the two ends of the signal, the function sees the same edge (and pads
    it in the same way) as in one run over the entire signal. In between, frames that lack neighbors are held back.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], reach: int, scale: int = 1) -> None:
        """Nothing is run yet.

        Args:
            function: (1, C, n, width) → (1, C', scale·n, width').
            reach: input frames at either side that a result depends on.
            scale: frames of the result per input frame.
        """
        self.function, self.reach, self.scale = function, reach, scale
        self.tail: Tensor | None = None

    def __call__(self, piece: Tensor, last: bool) -> Tensor:
        """Run the function over the next piece.

        Args:
            piece: (1, C, n, width); n must exceed 2·reach for the first piece and every middle one.
            last: whether the signal ends with this piece.
        Returns:
            The frames that are complete after this piece.
        """
        first = self.tail is None
        frames = piece if self.tail is None else torch.cat((self.tail, piece), 2)
        result = self.function(frames)
        if not last:
            self.tail = frames[:, :, -2 * self.reach :].clone(memory_format=torch.channels_last)
        edge = self.reach * self.scale
        return result[:, :, (0 if first else edge) : (result.shape[2] - (0 if last else edge))]


class FrameQueue:
    """Frames that wait for their counterpart on another path through the network."""

    def __init__(self) -> None:
        self.waiting: list[Tensor] = []

    def put(self, frames: Tensor) -> None:
        """Append frames (1, C, n, width)."""
        self.waiting.append(frames)

    def take(self, count: int) -> Tensor:
        """Remove and return the next `count` frames, (1, C, count, width); at least as many must have been put."""
        taken: list[Tensor] = []
        while count > 0:
            frames = self.waiting.pop(0)
            if frames.shape[2] > count:
                self.waiting.insert(0, frames[:, :, count:])
                frames = frames[:, :, :count]
            taken.append(frames)
            count -= frames.shape[2]
        return taken[0] if len(taken) == 1 else torch.cat(taken, 2)


class EvenFrames:
    """Passes on even numbers of frames; an odd frame waits for the next piece."""

    def __init__(self) -> None:
        self.odd: Tensor | None = None

    def __call__(self, frames: Tensor) -> Tensor:
        """(1, C, n, width) → (1, C, m, width) with m even."""
        if self.odd is not None:
            frames = torch.cat((self.odd, frames), 2)
        even = frames.shape[2] // 2 * 2
        self.odd = frames[:, :, even:].clone(memory_format=torch.channels_last) if even < frames.shape[2] else None
        return frames[:, :, :even]


def pieces(frames: Tensor, size: int, last: bool) -> Iterator[tuple[Tensor, bool]]:
    """Consecutive pieces of at most `size` frames, each with whether the signal ends there.

    Args:
        frames: (1, C, n, width).
        size: frames per piece.
        last: whether the signal ends with `frames`.
    """
    for start in range(0, frames.shape[2], size):
        yield frames[:, :, start : start + size], last and start + size >= frames.shape[2]
