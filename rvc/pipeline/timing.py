"""How long each stage took, and how far a long conversion is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)
Progress = Callable[[int, int], None]


class Stopwatch:
    """Seconds per stage, added up; `progress(done, total)` is called as segments are finished, two steps for each."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + took
            log.debug("%s: %.3f s", name, took)

    def progress(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(done, total)
