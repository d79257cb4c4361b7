"""The pitch of the whole window, remembered from block to block, since each block only tracks its newest part."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rvc.realtime.block_sizes import CACHE_FRAMES

Coarse = npt.NDArray[np.int64]
Hertz = npt.NDArray[np.float32]

FIRST, LAST = 3, 1  # frames of a fresh track that are not believed: they lean on the tail's cut edges


class PitchCache:
    """The last 1024 frames of 10 ms: coarse int64 and Hz float32, 0 where nothing was tracked yet.

    A coarse 0, which no tracked frame has, reaches the text encoder in the first blocks; so it does in the original.
    """

    def __init__(self) -> None:
        self.coarse: Coarse = np.zeros(CACHE_FRAMES, np.int64)
        self.hz: Hertz = np.zeros(CACHE_FRAMES, np.float32)

    def reset(self) -> None:
        self.coarse[:] = 0
        self.hz[:] = 0

    def push(self, coarse: Coarse, hz: Hertz, shift: int) -> None:
        """Let `shift` frames pass, and lay the fresh track's frames 3 … −1 over the end.

        coarse int64 (F,), hz float32 (F,): the track of the newest sound, F at least 5
        """
        for cache, fresh in ((self.coarse, coarse), (self.hz, hz)):
            cache[:-shift] = cache[shift:]
            kept = fresh[FIRST:-LAST]
            cache[-len(kept) :] = kept
