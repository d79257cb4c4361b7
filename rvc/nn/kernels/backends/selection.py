"""The choice of a backend for each task: measured on this machine, or pinned.

`measured`, the default, takes the fastest backend of the table that rvc.nn.calibration has installed, and the fixed
order where the table has no row. `fixed` is the fixed order alone, which depends on the processor's instructions but
not on its load. A backend's name takes that backend wherever it can compute the task, and the fixed order elsewhere.
The judge, the tests and the benchmark pin `fixed`, so that no bit depends on the load of the machine.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from rvc.errors import BadInput
from rvc.nn.kernels.backends.backend import Backend, Task
from rvc.nn.kernels.backends.kernel_registry import BACKENDS, candidates
from rvc.nn.kernels.backends.shape_class import ShapeClass

VARIABLE = "RVC_BACKEND"  # the environment variable that pins a choice where `pin` has not
MEASURED, FIXED = "measured", "fixed"


class _State:
    """What is pinned, what was measured, and what has been chosen so far in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pinned: str | None = None
        # `name`: what is pinned as long as a block of this thread lasts; `records`: whether choices are reported.
        self.in_this_thread = threading.local()
        self.table: Mapping[ShapeClass, str] = {}
        self.chosen: dict[str, str] = {}


_STATE = _State()


def names() -> tuple[str, ...]:
    """Everything that can be pinned."""
    return (MEASURED, FIXED, *BACKENDS)


def rule() -> str:
    """What decides now: `measured`, `fixed` or a backend's name.

    Raises:
        BadInput: the environment variable has another value.
    """
    name: str | None = getattr(_STATE.in_this_thread, "name", None)
    return name or _STATE.pinned or checked(os.environ.get(VARIABLE) or MEASURED, f"${VARIABLE}")


def checked(name: str, origin: str) -> str:
    """The name itself.  Raises BadInput where nothing of this name can be pinned."""
    if name not in names():
        raise BadInput(f"{origin} is {name!r}; expected one of {', '.join(names())}")
    return name


def pin(name: str | None) -> None:
    """Let `name` decide from now on in this process, whatever the environment variable is; None undoes it.

    Networks that are built already keep their kernels.

    Raises:
        BadInput: nothing of this name can be pinned.
    """
    _STATE.pinned = None if name is None else checked(name, "the backend")


def pin_unless_named(name: str) -> None:
    """Pin `name` where the environment variable names nothing."""
    pin(os.environ.get(VARIABLE) or name)


@contextmanager
def pinned(name: str) -> Iterator[None]:
    """Let `name` decide in this thread, as long as the block lasts."""
    before = getattr(_STATE.in_this_thread, "name", None)
    _STATE.in_this_thread.name = checked(name, "the backend")
    try:
        yield
    finally:
        _STATE.in_this_thread.name = before


@contextmanager
def unrecorded() -> Iterator[None]:
    """Leave the choices of this thread out of `report`, as long as the block lasts."""
    _STATE.in_this_thread.records = False
    try:
        yield
    finally:
        _STATE.in_this_thread.records = True


def install(table: Mapping[ShapeClass, str]) -> None:
    """Use a table of measured choices, backend's name by class of shape."""
    with _STATE.lock:
        _STATE.table = dict(table)


def choose(task: Task) -> Backend:
    """The backend for a task.

    Raises:
        BadInput: no backend can compute it here.
    """
    able = candidates(task)
    if not able:
        if task.dtype == torch.int8:
            raise BadInput("int8 needs a CPU build of torch with oneDNN; choose --precision float32 or bfloat16")
        raise BadInput(f"nothing here computes a {task.operation.value} in {task.dtype} on {task.device}")
    backend = _decide(task, able)
    if getattr(_STATE.in_this_thread, "records", True):
        with _STATE.lock:
            _STATE.chosen[str(ShapeClass.of(task))] = backend.name
    return backend


def _decide(task: Task, able: list[Backend]) -> Backend:
    decides = rule()
    wanted = _STATE.table.get(ShapeClass.of(task)) if decides == MEASURED else decides
    named = next((backend for backend in able if backend.name == wanted), None)
    return named or usual(task, able)


def usual(task: Task, able: list[Backend]) -> Backend:
    """The backend of the fixed order, among those that can compute the task."""
    return next((backend for backend in able if backend.is_usual(task)), able[-1])


def report() -> dict[str, Any]:
    """What decides, and the backend chosen for each class of shape in this process so far."""
    with _STATE.lock:
        return {"rule": rule(), "chosen": dict(sorted(_STATE.chosen.items()))}
