"""Listening to a program that does not know it is heard: stand-ins, and the locals of a running function.

Nothing here changes a file or a value of the original. A stand-in takes the place of a name in one module's namespace
while a block runs, calls what stood there, reports the result and hands it on.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ABSENT = object()


class Refusal(Exception):
    """A sentence for the person at the keyboard: what was found, what was expected, what to do."""


class StandIn:
    """Looks like `original` (a module), except for the names given."""

    def __init__(self, original: Any, **instead: Any) -> None:
        self.__dict__.update(instead)
        self.__dict__["_original"] = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_original"], name)


@contextmanager
def replaced(owner: Any, **names: Any) -> Iterator[None]:
    """Give `owner` (a module or an object) other values for some names while the block runs."""
    before = {name: vars(owner).get(name, ABSENT) for name in names}
    for name, value in names.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def heard(function: Callable[..., Any], hear: Callable[[Any], None]) -> Callable[..., Any]:
    """`function`, whose result is reported to `hear` before it is handed on."""

    def call(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        hear(result)
        return result

    return call


def frame_of(function_name: str, *, within: int = 12) -> FrameType | None:
    """The nearest running function of that name among the callers, if any is near enough."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(within):
        if frame is None:
            return None
        if frame.f_code.co_name == function_name:
            return frame
        frame = frame.f_back
    return None


def locals_of(function_name: str) -> dict[str, Any]:
    """The local variables, right now, of the nearest running function of that name; empty when it is not running."""
    frame = frame_of(function_name)
    return dict(frame.f_locals) if frame is not None else {}


def refuse_failure(answer: Any) -> None:
    """VC.vc_single turns any exception into (traceback text, (None, None)); say it instead of recording it."""
    if isinstance(answer, tuple) and answer and isinstance(answer[0], str) and "Traceback" in answer[0]:
        raise Refusal(f"the original failed:\n{answer[0]}")
