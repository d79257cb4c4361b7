"""The F0 of the whole window, kept from block to block, since only the newest part is tracked (docs/spec/07 §7.5)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rvc.realtime.block_sizes import CACHE_FRAMES

Coarse = npt.NDArray[np.int64]
Hertz = npt.NDArray[np.float32]

# Frames at the two ends of a new track that are not used, since the ends of the tracked part distort them; the numbers
# are the original's (docs/spec/07 §7.5).
DROPPED_FIRST, DROPPED_LAST = 3, 1


class F0Cache:
    """The last 1024 frames of 10 ms: F0 bins (coarse pitch) int64 and Hz float32, 0 where nothing was tracked yet.

    A tracked frame never has bin 0. In the first blocks bin 0 reaches the text encoder, as it does in the original.
    """

    def __init__(self) -> None:
        self.coarse: Coarse = np.zeros(CACHE_FRAMES, np.int64)
        self.hz: Hertz = np.zeros(CACHE_FRAMES, np.float32)

    def reset(self) -> None:
        """Fill both caches with zeros, as in a new object."""
        self.coarse[:] = 0
        self.hz[:] = 0

    def push(self, coarse: Coarse, hz: Hertz, shift: int) -> None:
        """Move the caches by `shift` frames and overwrite their end with a new track, less its first 3 and last frame.

        Args:
            coarse: int64 (F,), F at least 5.
            hz: float32 (F,).
            shift: frames in a block.
        """
        for cache, fresh in ((self.coarse, coarse), (self.hz, hz)):
            cache[:-shift] = cache[shift:]
            kept = fresh[DROPPED_FIRST:-DROPPED_LAST]
            cache[-len(kept) :] = kept
