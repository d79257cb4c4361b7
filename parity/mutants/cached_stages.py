"""A cache for the slow stages of `rvc`, so that a trial computes only what its fault can change.

The cached functions are pure: the same arguments give the same bits. While a fault of a stage is active, the function
of that stage is computed every time. The other functions return a cached result where their arguments equal those of a
run without a fault, or those of an earlier call of the same trial. `--recompute` computes everything; the verdicts must
be the same.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from parity.mutants.patches import replaced
from rvc.config import Config
from rvc.content import features
from rvc.nn.synthesizer import Synthesizer
from rvc.noise import Tape
from rvc.pipeline.voice_networks import VoiceNetworks

# Stage → holder and name of the function that computes it.
CACHED: dict[str, tuple[Any, str]] = {
    "hubert.features": (features, "extract"),
    "f0.raw": (VoiceNetworks, "track"),
    "enc_p": (Synthesizer, "encode"),
    "flow": (Synthesizer, "flow"),
    "generator": (Synthesizer, "generate"),
}


class StageCache:
    """Results of the functions in `CACHED`, by their arguments."""

    def __init__(self) -> None:
        self._of_case: dict[Hashable, Any] = {}  # of a run without a fault
        self._of_trial: dict[Hashable, Any] = {}
        self._computed: set[str] = set()  # stages whose function is computed every time
        self._recording = False

    @contextmanager
    def installed(self) -> Iterator["StageCache"]:
        """Replace the functions in `CACHED` by cached ones while the block runs."""
        with ExitStack() as stack:
            for stage, (holder, name) in CACHED.items():
                stack.enter_context(replaced(holder, name, self._cached(stage, getattr(holder, name))))
            yield self

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep the results of this block, a run of the case without a fault, until `clear`."""
        self._recording = True
        try:
            yield
        finally:
            self._recording = False

    @contextmanager
    def trial(self, stages: Iterable[str]) -> Iterator[None]:
        """Compute these stages every time while the block runs; other results are kept until it ends."""
        self._computed = {stage.removeprefix("rt.") for stage in stages}
        self._of_trial = {}
        try:
            yield
        finally:
            self._computed, self._of_trial = set(), {}

    def clear(self) -> None:
        """Forget everything. To be called before another case, whose networks may have the identities of the last's."""
        self._of_case, self._of_trial = {}, {}

    def _cached(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if stage in self._computed:
                return function(*args, **kwargs)
            key = (stage, *map(_key, args), *((name, _key(value)) for name, value in sorted(kwargs.items())))
            result = self._of_case.get(key, self._of_trial.get(key))
            if result is None:
                result = function(*args, **kwargs)
                (self._of_case if self._recording else self._of_trial)[key] = _copy(result)
                return result
            return _copy(result)

        return call


def _key(value: object) -> Hashable:
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
