"""Patches of functions whose result depends on earlier calls, as a reused buffer or a kept state makes it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from parity.goldens.store import Case
from parity.mutants.patches import Patch, existing, replaced
from parity.rvc_bridge.rvc_torch import RvcTorch

# (the function's result, number of the call from 1, result of the call before or None, positional arguments) → result
Change = Callable[[Any, int, Any, tuple[Any, ...]], Any]


def depending_on_calls(holder: Any, name: str, change: Change) -> Patch:
    """Replace a function or method by one whose result `change` makes of its earlier calls.

    The count starts at 1 each time the patch becomes active.
    """

    @contextmanager
    def apply(program: RvcTorch, case: Case) -> Iterator[None]:
        original = existing(holder, name)
        calls = 0
        before: Any = None

        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls, before
            calls += 1
            right = original(*args, **kwargs)
            result = change(right, calls, before, args)
            before = right
            return result

        with replaced(holder, name, call):
            yield

    return Patch(apply, ((holder, name),))


def of_each(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Apply a change of one array or tensor to each member of a tuple."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(member if member is None else changed(member) for member in value)
        return change(value)

    return changed


def every_second_call(holder: Any, name: str, change: Callable[[Any], Any]) -> Patch:
    """Calls 2, 4, 6, … return `change(result)`."""
    each = of_each(change)
    return depending_on_calls(holder, name, lambda right, call, before, args: right if call % 2 else each(right))


def after_the_first_call(holder: Any, name: str, change: Callable[[Any], Any]) -> Patch:
    """Every call but the first returns `change(result)`."""
    each = of_each(change)
    return depending_on_calls(holder, name, lambda right, call, before, args: right if call == 1 else each(right))


def first_call_of_each_length(holder: Any, name: str, change: Callable[[Any], Any]) -> Patch:
    """The first call for a result of some shape returns `change(result)`, as an unprepared buffer would."""

    @contextmanager
    def apply(program: RvcTorch, case: Case) -> Iterator[None]:
        original = existing(holder, name)
        seen: set[Any] = set()

        def call(*args: Any, **kwargs: Any) -> Any:
            right = original(*args, **kwargs)
            shape = _shape(right)
            if shape in seen:
                return right
            seen.add(shape)
            return of_each(change)(right)

        with replaced(holder, name, call):
            yield

    return Patch(apply, ((holder, name),))


def _shape(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_shape, value))
    return None if value is None else tuple(value.shape)


def on_places(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make a function of numpy arrays one of tensors, too; dtype and kind stay."""

    def changed(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return torch.from_numpy(np.ascontiguousarray(changed(value.detach().numpy())))
        return np.asarray(change(value.copy())).astype(value.dtype)

    return changed


@on_places
def garbage(value: Any) -> Any:
    """The numbers that memory happens to hold: noise as loud as the values."""
    random = np.random.default_rng(11)
    if value.dtype.kind == "i":
        return value + random.integers(1, 5, value.shape)
    return random.standard_normal(value.shape) * np.sqrt(np.mean(value.astype(np.float64) ** 2))


@on_places
def stale_tail(value: Any) -> Any:
    """A buffer that is filled for all but its last tenth along the longest axis, which keeps the values before it."""
    axis = int(np.argmax(value.shape))
    length = value.shape[axis]
    tail = max(1, length // 10)
    at = [slice(None)] * value.ndim
    source = [slice(None)] * value.ndim
    at[axis], source[axis] = slice(length - tail, length), slice(max(length - 2 * tail, 0), length - tail)
    value[tuple(at)] = value[tuple(source)]
    return value


def added_twice(share: float) -> Callable[[Any], Any]:
    """A buffer that is not cleared: a share of the result before remains in it, of an integer one at least."""

    @on_places
    def changed(value: Any) -> Any:
        if value.dtype.kind == "f":
            return value * (1 + share)
        return value + np.sign(value) * np.maximum(np.abs(value) // round(1 / share), 1)

    return changed


def from_place(first: int, change: Callable[[Any], Any], axis: int | None = None) -> Callable[[Any], Any]:
    """Change only what lies at or after a place of an axis, by default of the longest one."""

    @on_places
    def changed(value: Any) -> Any:
        along = int(np.argmax(value.shape)) if axis is None else axis
        at = [slice(None)] * value.ndim
        at[along] = slice(first, None)
        value[tuple(at)] = change(value[tuple(at)])
        return value

    return changed
