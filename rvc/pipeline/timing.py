"""The duration of each stage, and the progress of a long conversion."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)
Progress = Callable[[int, int], None]  # called with the steps done and the number of steps


class Stopwatch:
    """Adds up the seconds of each stage and reports progress.

    Attributes:
        seconds: stage → seconds.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        """`progress(done, total)` is called as segments are finished, two steps for each segment."""
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the enclosed block to that stage, also when the block raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + took
            log.debug("%s: %.3f s", name, took)

    def progress(self, done: int, total: int) -> None:
        """Report that `done` of `total` steps are finished."""
        if self._progress is not None:
            self._progress(done, total)
