"""What our networks have made before is not computed again: a fault is tried on what it can change.

The five slow functions of `rvc` are pure, so the same inputs give the same bits. While a fault of one stage is laid,
that stage's own function runs for real every time; the others answer from memory where their inputs are the ones they
had without any fault, or earlier in the same trial. `--recompute` runs everything, and must come to the same verdicts.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from parity.mutants.patches import replaced
from rvc.content import features
from rvc.nn.synthesizer import Synthesizer
from rvc.pipeline.voice_networks import VoiceNetworks

SLOW: dict[str, tuple[Any, str]] = {  # stage → where its function lives
    "hubert.features": (features, "extract"),
    "f0.raw": (VoiceNetworks, "track"),
    "enc_p": (Synthesizer, "encode"),
    "flow": (Synthesizer, "flow"),
    "generator": (Synthesizer, "generate"),
}


class Memory:
    """Results of the slow functions by what they were given: those of a run without a fault, and those of one trial."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}
        self.now: dict[Any, Any] = {}
        self.open: set[str] = set()  # stages whose function runs for real
        self.learning = False

    @contextmanager
    def installed(self) -> Iterator["Memory"]:
        """Stand before the slow functions while the block runs."""
        with ExitStack() as stack:
            for stage, (holder, name) in SLOW.items():
                stack.enter_context(replaced(holder, name, self._before(stage, getattr(holder, name))))
            yield self

    @contextmanager
    def learn(self) -> Iterator[None]:
        """Remember what is made in this block, a run without a fault, until `forget`."""
        self.learning = True
        try:
            yield
        finally:
            self.learning = False

    @contextmanager
    def trial(self, stages: Iterable[str]) -> Iterator[None]:
        """While a fault of these stages is laid."""
        self.open = {stage.removeprefix("rt.") for stage in stages}
        self.now = {}
        try:
            yield
        finally:
            self.open, self.now = set(), {}

    def forget(self) -> None:
        """Before another case: its networks may lie where those of the last one lay."""
        self.kept, self.now = {}, {}

    def _before(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def recall(*given: Any, **named: Any) -> Any:
            if stage in self.open:
                return function(*given, **named)
            key = (stage, *map(_mark, given), *((name, _mark(value)) for name, value in sorted(named.items())))
            found = self.kept.get(key, self.now.get(key))
            if found is None:
                found = function(*given, **named)
                (self.kept if self.learning else self.now)[key] = _copy(found)
                return found
            return _copy(found)

        return recall


def _mark(value: Any) -> Any:
    """What makes two arguments the same: an array's bits, a plain value, another object's identity."""
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        plain = np.ascontiguousarray(value)
        return plain.shape, plain.dtype.str, hashlib.sha1(plain.view(np.uint8).data).digest()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if type(value).__module__ == "rvc.config":
        return repr(value)
    return type(value).__name__ if type(value).__module__ == "rvc.noise" else id(value)


def _copy(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_copy, value))
    return value.clone() if isinstance(value, torch.Tensor) else value.copy()
