"""The load of other programs while servers are measured."""

import time
from collections.abc import Sequence

from bench.measure import child, other_load


class LoadClock:
    """The load that others put on the processors, from the moment this object is made."""

    def __init__(self, processes: Sequence[int]) -> None:
        """Start; `processes` are the measured programs."""
        self.processes = processes
        self.before, self.own, self.start = other_load.busy_seconds(), self._own(), time.perf_counter()

    def _own(self) -> float:
        return sum(child.processor_seconds(process) for process in self.processes)

    def other_load(self) -> float:
        """The part of all processors that other programs used so far, 0 to 1."""
        after, seconds = other_load.busy_seconds(), time.perf_counter() - self.start
        return other_load.share(self.before, after, self._own() - self.own, seconds)
