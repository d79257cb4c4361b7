"""Ending a stream by Ctrl-C or SIGTERM between two blocks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class StopSignal:
    """A signal handler that ends a stream after the block in progress.

    While the stream waits for input it ends at once. A second signal raises KeyboardInterrupt.

    Attributes:
        requested: whether a signal has come.
    """

    def __init__(self) -> None:
        self.requested = False
        self._waiting = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if self._waiting or again:
            raise KeyboardInterrupt

    @contextmanager
    def installed(self) -> Iterator[StopSignal]:
        """Handle SIGINT and SIGTERM within the context; outside the main thread the signals are left alone."""
        before = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self)
        except ValueError:  # only the main thread may install handlers
            before.clear()
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def next(self, pieces: Iterator[T]) -> T | None:
        """The next piece of input, or None at the end of the input or once a stop is requested."""
        if self.requested:
            return None
        self._waiting = True
        try:
            return next(pieces, None)
        except KeyboardInterrupt:
            return None
        finally:
            self._waiting = False
