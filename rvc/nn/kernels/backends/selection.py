"""The choice of a backend for each task: measured on this machine, or pinned.

`measured`, the default, takes the fastest backend of the table that rvc.nn.calibration has installed, and the fixed
order where the table has no row. The fastest is the one with the least time to pack a weight and apply it to the sound
that it is packed for, see `packed_for`; for networks that are kept, the time to apply it decides alone. `fixed` is the
fixed order alone, which depends on the processor's instructions but not on its load. A backend's name takes that
backend wherever it can compute the task, and the fixed order elsewhere.
The judge, the tests and the benchmark pin `fixed`, so that no bit depends on the load of the machine.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from rvc.errors import BadInput
from rvc.nn.kernels.backends.backend import Backend, Task
from rvc.nn.kernels.backends.kernel_registry import BACKENDS, candidates
from rvc.nn.kernels.backends.shape_class import ShapeClass

VARIABLE = "RVC_BACKEND"  # the environment variable that pins a choice where `pin` has not
MEASURED, FIXED = "measured", "fixed"

# The backend's name for a class of shape and the seconds of sound that a weight is packed for, None for a kept network;
# None for a class that was not measured.
Measured = Callable[[ShapeClass, "float | None"], "str | None"]


class _State:
    """What is pinned, what was measured, and what has been chosen so far in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pinned: str | None = None
        # As long as a block of this thread lasts: `name`, what is pinned; `records`, whether choices are reported;
        # `length`, the seconds of sound that weights are packed for.
        self.in_this_thread = threading.local()
        self.measured: Measured | None = None
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


@contextmanager
def packed_for(seconds: float) -> Iterator[None]:
    """Choose backends in this thread for networks whose weights are packed for one conversion, as the block lasts.

    Args:
        seconds: the seconds of sound that one packing serves.
    """
    before = getattr(_STATE.in_this_thread, "length", None)
    _STATE.in_this_thread.length = seconds
    try:
        yield
    finally:
        _STATE.in_this_thread.length = before


def install(measured: Measured | None) -> None:
    """Use a table's measured choices, such as `Table.chosen`; None removes them."""
    _STATE.measured = measured


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
    measured, wanted = _STATE.measured, decides
    if decides == MEASURED and measured is not None:
        wanted = measured(ShapeClass.of(task), getattr(_STATE.in_this_thread, "length", None)) or FIXED
    named = next((backend for backend in able if backend.name == wanted), None)
    return named or usual(task, able)


def usual(task: Task, able: list[Backend]) -> Backend:
    """The backend of the fixed order, among those that can compute the task."""
    return next((backend for backend in able if backend.is_usual(task)), able[-1])


def report() -> dict[str, Any]:
    """What decides, and the backend chosen for each class of shape in this process so far."""
    with _STATE.lock:
        return {"rule": rule(), "chosen": dict(sorted(_STATE.chosen.items()))}
