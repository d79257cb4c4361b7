"""Run a network that is local in time piece by piece, keeping at each layer only the rows that the next piece needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


class Window:
    """A function of rows that looks `reach` rows to either side, fed one piece after the other.

    Rows lie along axis 2 of (1, C, rows, width). At the sound's own two ends the function sees the same edge (and pads
    it the same way) as if it were given everything at once; in between, rows that lack neighbours are held back.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], reach: int, scale: int = 1) -> None:
        """function: makes `scale` rows of each row it is given;  reach: rows it looks to either side, in input rows."""
        self.function, self.reach, self.scale = function, reach, scale
        self.tail: Tensor | None = None

    def __call__(self, piece: Tensor, last: bool) -> Tensor:
        """Give the next piece, the first and every middle one of more than 2·reach rows; take what is complete."""
        first = self.tail is None
        rows = piece if self.tail is None else torch.cat((self.tail, piece), 2)
        done = self.function(rows)
        if not last:
            self.tail = rows[:, :, -2 * self.reach :].clone(memory_format=torch.channels_last)
        edge = self.reach * self.scale
        return done[:, :, (0 if first else edge) : (done.shape[2] - (0 if last else edge))]


class Queue:
    """Rows waiting for their counterpart on another way through the network."""

    def __init__(self) -> None:
        self.waiting: list[Tensor] = []

    def put(self, rows: Tensor) -> None:
        """Append rows."""
        self.waiting.append(rows)

    def take(self, count: int) -> Tensor:
        """The next `count` rows, which must have been put."""
        taken: list[Tensor] = []
        while count > 0:
            rows = self.waiting.pop(0)
            if rows.shape[2] > count:
                self.waiting.insert(0, rows[:, :, count:])
                rows = rows[:, :, :count]
            taken.append(rows)
            count -= rows.shape[2]
        return taken[0] if len(taken) == 1 else torch.cat(taken, 2)


class Pairs:
    """Even numbers of rows: an odd one waits for the next piece."""

    def __init__(self) -> None:
        self.odd: Tensor | None = None

    def __call__(self, rows: Tensor) -> Tensor:
        """Take rows in, give an even number of them out."""
        if self.odd is not None:
            rows = torch.cat((self.odd, rows), 2)
        even = rows.shape[2] // 2 * 2
        self.odd = rows[:, :, even:].clone(memory_format=torch.channels_last) if even < rows.shape[2] else None
        return rows[:, :, :even]


def slices(rows: Tensor, size: int, last: bool) -> Iterator[tuple[Tensor, bool]]:
    """Stretches of at most `size` rows, and whether each ends the sound, which `last` says of these rows."""
    for start in range(0, rows.shape[2], size):
        yield rows[:, :, start : start + size], last and start + size >= rows.shape[2]
