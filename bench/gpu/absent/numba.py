"""Stand-in for numba: its decorators return the function, and its ranges are Python's."""

from collections.abc import Callable
from typing import Any


def _undecorated(*arguments: Any, **_options: Any) -> Any:
    """As a decorator with or without options: the function itself."""
    if len(arguments) == 1 and callable(arguments[0]):
        return arguments[0]
    return lambda function: function


jit: Callable[..., Any] = _undecorated
njit = vectorize = guvectorize = stencil = jit
prange = range
