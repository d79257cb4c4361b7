"""The progress of a run on stderr: the case, the stage and the time left.

On a terminal it is one line that is written again and again; elsewhere a line is printed now and then, so that the log
of a long run shows that it works.
"""

import sys
import time
from collections.abc import Mapping
from typing import TextIO

_REDRAW = 0.1  # seconds between two drawings on a terminal
_LOG = 10.0  # seconds between two lines of a log
_CLEAR = "\r\x1b[K"  # to the first column, and erase the line


class Progress:
    """The progress of one run. Use it as a context manager, which removes the line at the end."""

    def __init__(self, costs: Mapping[str, float], stream: TextIO | None = None) -> None:
        """Begin to count.

        Args:
            costs: case → its expected duration in any unit, in the order of the run; the time left is derived from
                the share that is done.
            stream: where to write, stderr unless given.
        """
        self._stream = sys.stderr if stream is None else stream
        self._costs = dict(costs)
        self._left = sum(costs.values())
        self._number, self._case, self._call, self._done = 0, "", "", 0.0
        self._begin, self._drawn = time.monotonic(), time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream.isatty():
            self._stream.write(_CLEAR)
            self._stream.flush()

    def start(self, case: str) -> None:
        """A case begins."""
        self._number, self._case, self._call = self._number + 1, case, ""
        self._draw()

    def stage(self, call: str) -> None:
        """A stage of the current case begins, or its whole conversion."""
        self._call = "whole conversion" if call == "run" else call
        self._draw()

    def finish(self, case: str, reused: bool = False) -> None:
        """A case is judged; a `reused` one took no time and does not count for the estimate."""
        cost = self._costs.get(case, 0.0)
        self._left -= cost
        if not reused:
            self._done += cost
        elif self._case != case:
            self._number += 1

    def text(self, now: float) -> str:
        """The line: number of the case, its name, the stage and the time left."""
        call = f", {self._call}" if self._call else ""
        number = min(self._number, len(self._costs))  # a case that failed in another process is judged again
        return f"case {number} of {len(self._costs)}: {self._case}{call}{self._time_left(now)}"

    def _time_left(self, now: float) -> str:
        if not self._done:
            return ""
        seconds = (now - self._begin) / self._done * self._left
        return f", {duration(seconds)} left"

    def _draw(self) -> None:
        now = time.monotonic()
        terminal = self._stream.isatty()
        if now - self._drawn < (_REDRAW if terminal else _LOG):
            return
        self._drawn = now
        self._stream.write(f"{_CLEAR}{self.text(now)}" if terminal else f"{self.text(now)}\n")
        self._stream.flush()


def duration(seconds: float) -> str:
    """ "8 s", "3 min 20 s", "1 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
