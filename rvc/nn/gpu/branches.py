"""Independent parts of a network side by side in a recording, each on a CUDA stream of its own.

The kernels of one live block are too small to fill a GPU, so that parts which do not depend on each other take as long
side by side as the longest of them alone. Outside of a recording nothing changes: launches would be the limit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")


class _Local(threading.local):
    """What a thread records: whether it does, its side streams, and how many of them are in use."""

    is_recording = False
    used = 0

    def __init__(self) -> None:
        self.streams: list[torch.cuda.Stream] = []


_local = _Local()


@contextmanager
def recording() -> Iterator[None]:
    """Within it, `side_by_side` of this thread uses several streams."""
    before, _local.is_recording = _local.is_recording, True
    try:
        yield
    finally:
        _local.is_recording = before


def side_by_side(tasks: Sequence[Callable[[], T]]) -> Iterator[T]:
    """The results of tasks that do not depend on each other, in their order.

    Args:
        tasks: functions that read nothing from the device; outside of a recording each is called when its result is
            requested, so that the results need not be held at the same time.
    """
    if not _local.is_recording or len(tasks) < 2:
        yield from (task() for task in tasks)
        return
    current, first = torch.cuda.current_stream(), _local.used
    _local.used += len(tasks) - 1
    while len(_local.streams) < _local.used:
        _local.streams.append(torch.cuda.Stream())  # type: ignore[no-untyped-call]
    sides = _local.streams[first : _local.used]
    others = []
    for side, task in zip(sides, tasks[1:], strict=True):
        side.wait_stream(current)
        with torch.cuda.stream(side):
            others.append(task())
    results = [tasks[0](), *others]
    for side in sides:
        current.wait_stream(side)
    _local.used = first
    yield from results
