"""Random draws as inputs: the originals ask torch and numpy for noise and get it from the stream fixed forever."""

from typing import Any

import numpy as np
import torch

from parity.goldens import random_stream
from parity.goldens.trace_file import Trace, snapshot
from reference.hooks.interception import Refusal


class Draws:
    """Answers `torch.randn_like` and `torch.rand` of the synthesizer's module, and remembers what it answered.

    In every synthesizer call the draws come in this order: the prior's noise, like `enc_p.m` (1, 192, p); the start
    phase, one uniform number without influence; the source's noise, like the sine (1, samples, 1). A voice without F0
    draws only the first.
    """

    def __init__(self, record: Trace, seed: str) -> None:
        self.record, self.seed = record, seed
        self.prefix = ""
        self.waiting: list[str] = []

    def begin(self, prefix: str) -> None:
        """The draws of the next synthesizer call are named `{prefix}noise.z` and `{prefix}noise.nsf`."""
        self.prefix, self.waiting = prefix, ["noise.z", "noise.nsf"]

    def randn_like(self, like: torch.Tensor, **_: Any) -> torch.Tensor:
        """A standard normal draw shaped as `like`, from the stream named `{seed}/{prefix}noise.…`."""
        if not self.waiting:
            raise Refusal(f"the original drew noise a third time in {self.prefix}; two draws were expected")
        name = self.prefix + self.waiting.pop(0)
        drawn = random_stream.normal(f"{self.seed}/{name}", tuple(like.shape))
        self.record(name, drawn)
        return torch.from_numpy(drawn.copy()).to(like)

    def rand(self, *shape: int, **_: Any) -> torch.Tensor:
        """The start phase: the original overwrites its only element with zero before use, so any number will do."""
        name = f"{self.prefix}noise.phase"
        drawn = random_stream.normal(f"{self.seed}/{name}", tuple(shape))
        self.record(name, drawn)
        return torch.from_numpy(drawn.copy())


class Dither:
    """Keeps what `scipy.stats.triang.rvs` gave CREPE's decoder: cents for each frame, batch after batch."""

    def __init__(self, rvs: Any) -> None:
        self.rvs, self.batches = rvs, list[Any]()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        drawn = self.rvs(*arguments, **named)
        self.batches.append(snapshot(drawn).reshape(-1).astype(np.float32))  # torchcrepe adds it in float32
        return drawn

    def cents(self) -> Any:
        """float32 (frames,), or None when nothing was drawn."""
        return np.concatenate(self.batches) if self.batches else None
