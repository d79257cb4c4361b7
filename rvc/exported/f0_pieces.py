"""Divide a long recording into pieces for the F0 graphs, so that their memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass

HOP = 160  # samples at 16 kHz in a frame of 10 ms
SALIENCE_ONLY = ("crepe", "crepe-tiny")  # methods whose graph has no output f0


@dataclass(frozen=True)
class Pieces:
    """How a method's graph is run on a long recording.

    Attributes:
        kept: the frames of 10 ms of each piece whose F0 is used.
        margin: the frames before and after these that are part of the graph's input, and whose F0 is not used.
    """

    kept: int
    margin: int


@dataclass(frozen=True)
class Piece:
    """One run of a graph.

    Attributes:
        samples: the samples of the recording that are its input.
        kept: the frames of its output that are used.
    """

    samples: slice
    kept: slice


# Method → its pieces. FCPE is missing: its group norm has statistics over all frames, so that it runs in one piece.
# CREPE's frames read 512 samples on either side. RMVPE's U-Net reads 1551 frames on either side, on a grid of 32. Its
# margin has 497 frames more, after which the state of its recurrent layer is that of a run over the whole recording.
METHODS = {"rmvpe": Pieces(6144, 2048), "crepe": Pieces(4096, 4), "crepe-tiny": Pieces(4096, 4)}


def pieces(method: str, samples: Sized) -> Iterator[Piece]:
    """The runs of a method's graph for samples (L,), in time order; one run where the recording is short."""
    count, plan = len(samples) // HOP + 1, METHODS.get(method)
    if plan is None or count <= plan.kept + 2 * plan.margin:
        yield Piece(slice(None), slice(None))
        return
    for first in range(0, count, plan.kept):
        last = min(first + plan.kept, count)
        start, stop = max(first - plan.margin, 0), last + plan.margin
        end = None if stop >= count else (stop - 1) * HOP
        yield Piece(slice(start * HOP, end), slice(first - start, last - start))
