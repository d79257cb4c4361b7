"""Recording the values of a program from outside: stand-ins for its names, and the local variables of its functions.

No file of the program is changed. A stand-in replaces a name in one module's namespace while a block runs, calls the
object it replaces, passes the result to a tap, and returns the result unchanged. On exit the name is restored.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

ABSENT = object()  # marks a name that the owner did not define itself


class StandIn:
    """A module's stand-in: `replacements` by name, every other attribute from the module itself."""

    def __init__(self, original: Any, **replacements: Any) -> None:
        self.__dict__.update(replacements)
        self.__dict__["_original"] = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_original"], name)


@contextmanager
def replaced(owner: Any, **names: Any) -> Iterator[None]:
    """Set attributes of `owner` (a module or an object) while the block runs, and restore them afterwards."""
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


def tapped(function: Callable[..., Any], tap: Callable[[Any], None]) -> Callable[..., Any]:
    """Return `function` with a tap: each result is passed to `tap` before it is returned."""

    def call(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        tap(result)
        return result

    return call


def frame_of(function_name: str, *, within: int = 12) -> FrameType | None:
    """The nearest of the `within` calling frames that runs a function of that name, or None."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(within):
        if frame is None:
            return None
        if frame.f_code.co_name == function_name:
            return frame
        frame = frame.f_back
    return None


def locals_of(function_name: str) -> dict[str, Any]:
    """The current local variables of the nearest calling function of that name; empty when none is running."""
    frame = frame_of(function_name)
    return dict(frame.f_locals) if frame is not None else {}


@contextmanager
def at_return(**taps: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Call `taps[name]` with the local variables of each Python function of that name when it returns.

    It uses the interpreter's profile hook, so the block runs slower; other threads are not observed.
    """

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "return" and frame.f_code.co_name in taps:
            taps[frame.f_code.co_name](dict(frame.f_locals))

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


def call_with_known(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call a function whose parameters are known by name only: forks add, drop and reorder them.

    Args:
        function: the function or bound method.
        values: parameter name → value; names that the function does not have are left out.
    Raises:
        TypeError: a parameter without a default is not in `values`.
    """
    chosen = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in values:
            chosen[name] = values[name]
        elif parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            raise TypeError(f"{function.__name__} requires {name!r}, for which no value is known")
    return function(**chosen)
