"""A cache for the slow stages of `rvc`, so that a trial computes only what its fault can change.

The cached functions are pure: the same arguments give the same bits. A result is computed while the fault is paused,
and kept with the code that ran meanwhile. A fault touches the result if that code holds a function that the fault
replaces, or a module from which it replaces something else. A touched function is computed every time, with the fault;
any other returns the kept result, which are the bits that it would compute. `--recompute` computes everything.
"""

import hashlib
import inspect
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch

from parity.judge.diagnosis.registry import Guess
from parity.mutants.patches import Planted, Replacement, replaced
from rvc.config import Config
from rvc.content import features
from rvc.nn.synthesizer import Synthesizer
from rvc.noise import Tape
from rvc.pipeline.voice_networks import VoiceNetworks

CACHED: tuple[tuple[Any, str], ...] = (  # holder and name of each cached function
    (features, "extract"),
    (VoiceNetworks, "track"),
    (Synthesizer, "encode"),
    (Synthesizer, "flow"),
    (Synthesizer, "generate"),
)
PATCHED_PACKAGE = "rvc"  # the code of faults' targets; what they replace elsewhere touches every result


@dataclass(frozen=True)
class _Result:
    """A result without a fault.

    Attributes:
        value: the result.
        codes: every function of `rvc` that ran.
        modules: the names of the modules of these functions.
        named: `modules`, and the modules and the modules of classes that are globals of one of them.
    """

    value: Any
    codes: frozenset[CodeType]
    modules: frozenset[str]
    named: frozenset[str]

    def is_touched_by(self, replacement: Replacement) -> bool:
        """Whether the functions that ran can have read the attribute."""
        holder, right = replacement.holder, replacement.right
        code = inspect.unwrap(right) if isinstance(right, FunctionType | MethodType) else None
        if code is not None and _is_in_package(code.__module__):  # the code behind a decorator such as torch.no_grad
            return code.__code__ in self.codes
        if isinstance(holder, ModuleType | type):  # a constant or a library's function, read by its name in a module
            module = holder.__name__ if isinstance(holder, ModuleType) else holder.__module__
            return module in self.named or not _is_in_package(module)
        module = type(holder).__module__
        return module in self.modules or not _is_in_package(module)


@dataclass
class StageCache:
    """Results of the functions in `CACHED`, by their arguments, and the predictions of one case.

    Attributes:
        guesses: the predictions of the networks for a case, by what they depend on.
    """

    guesses: dict[Hashable, list[Guess]] = field(default_factory=dict)
    _results: dict[str, dict[Hashable, _Result]] = field(default_factory=dict)
    _fault: Planted = field(default_factory=Planted)
    _bypassed: bool = False

    def install(self) -> ExitStack:
        """Replace the functions in `CACHED` by cached ones, until the stack that is returned is closed."""
        with ExitStack() as stack:
            for holder, name in CACHED:
                stack.enter_context(replaced(holder, name, self._cached(name, getattr(holder, name))))
            return stack.pop_all()

    @contextmanager
    def trial(self, fault: Planted) -> Iterator[None]:
        """Compute every time what a fault touches, while the block runs."""
        self._fault = fault
        try:
            yield
        finally:
            self._fault = Planted()

    @contextmanager
    def bypassed(self) -> Iterator[None]:
        """Compute everything while the block runs: `rvc` is changed in other ways than by the fault."""
        before, self._bypassed = self._bypassed, True
        try:
            yield
        finally:
            self._bypassed = before

    def clear(self) -> None:
        """Delete all results. Call it before another case, whose networks may have the `id()` of the last case's."""
        self.guesses, self._results = {}, {}

    def _cached(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._bypassed or torch.get_num_threads() > 1:  # the code that other threads run is not recorded
                return function(*args, **kwargs)
            results = self._results.setdefault(name, {})
            if self._touches(next(iter(results.values()), None)):
                return function(*args, **kwargs)
            key = (*map(key_of, args), *((name, key_of(value)) for name, value in sorted(kwargs.items())))
            if key not in results:
                with self._fault.paused():
                    results[key] = _recorded(function, *args, **kwargs)
            if self._touches(results[key]):
                return function(*args, **kwargs)
            return _copy(results[key].value)

        return call

    def _touches(self, result: _Result | None) -> bool:
        """Whether the fault is active now and touches a result."""
        if result is None or not self._fault.is_active:
            return False
        return any(result.is_touched_by(replacement) for replacement in self._fault.replacements)


def _recorded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> _Result:
    """Call a function and record the code of `rvc` that runs."""
    codes: dict[CodeType, dict[str, Any]] = {}

    def record(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code not in codes and _is_in_package(frame.f_globals.get("__name__", "")):
            codes[frame.f_code] = frame.f_globals

    before = sys.getprofile()
    sys.setprofile(record)
    try:
        value = function(*args, **kwargs)
    finally:
        sys.setprofile(before)
    modules = {str(names["__name__"]): names for names in codes.values()}
    named = set(modules)
    for names in modules.values():
        for one in names.values():
            if isinstance(one, ModuleType):
                named.add(one.__name__)
            elif isinstance(one, type):
                named.add(one.__module__)
    return _Result(_copy(value), frozenset(codes), frozenset(modules), frozenset(named))


def _is_in_package(module: str) -> bool:
    return module.partition(".")[0] == PATCHED_PACKAGE


def key_of(value: object) -> Hashable:
    """Equal for equal arguments: by the bits of an array, the value of a number, the identity of another object."""
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        return array.shape, array.dtype.str, hashlib.sha1(array.view(np.uint8).data).digest()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Config):
        return repr(value)
    # All noise sources of a case draw the same numbers, so that their class is enough.
    return type(value).__name__ if type(value).__module__ == Tape.__module__ else id(value)


def _copy(value: Any) -> Any:
    """A copy of a tensor, an array, or a tuple of them."""
    if isinstance(value, tuple):
        return tuple(map(_copy, value))
    return value.clone() if isinstance(value, torch.Tensor) else value.copy()
