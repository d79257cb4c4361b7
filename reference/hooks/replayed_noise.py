"""Random draws as inputs: what the originals draw from torch and numpy comes from the fixed random stream."""

from typing import Any

import numpy as np
import torch

from parity.goldens import random_stream
from parity.goldens.trace_file import Trace, snapshot
from reference.errors import Refusal


class Draws:
    """Replaces `torch.randn_like` and `torch.rand` in the synthesizer's module, and records every draw.

    A synthesizer call draws in this order: the prior's noise, shaped like `enc_p.m` (1, 192, p); the start phase, one
    uniform number without effect; the source's noise, shaped like the sine (1, samples, 1). A voice without F0 draws
    only the first.
    """

    def __init__(self, record: Trace, seed: str) -> None:
        self.record, self.seed = record, seed
        self.prefix = ""
        self.waiting: list[str] = []

    def begin(self, prefix: str) -> None:
        """Name the draws of the next synthesizer call `{prefix}noise.z` and `{prefix}noise.nsf`."""
        self.prefix, self.waiting = prefix, ["noise.z", "noise.nsf"]

    def randn_like(self, like: torch.Tensor, **_: Any) -> torch.Tensor:
        """Standard normal numbers shaped like `like`, from the stream named `{seed}/{prefix}noise.…`."""
        if not self.waiting:
            raise Refusal(f"the original drew noise a third time in {self.prefix}; two draws were expected")
        name = self.prefix + self.waiting.pop(0)
        drawn = random_stream.normal(f"{self.seed}/{name}", tuple(like.shape))
        self.record(name, drawn)
        return torch.from_numpy(drawn.copy()).to(like)

    def rand(self, *shape: int, device: Any = None, **_: Any) -> torch.Tensor:
        """The start phase. The original sets its only element to zero before use, so its value has no effect."""
        name = f"{self.prefix}noise.phase"
        drawn = random_stream.normal(f"{self.seed}/{name}", tuple(shape))
        self.record(name, drawn)
        return torch.from_numpy(drawn.copy()).to(device)


class Dither:
    """Replaces `scipy.stats.triang.rvs` and records the dither of CREPE's decoder: cents per frame, batch by batch."""

    def __init__(self, rvs: Any) -> None:
        self.rvs, self.batches = rvs, list[Any]()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        drawn = self.rvs(*arguments, **named)
        self.batches.append(snapshot(drawn).reshape(-1).astype(np.float32))  # torchcrepe adds it in float32
        return drawn

    def cents(self) -> Any:
        """float32 (frames,), or None when nothing was drawn."""
        return np.concatenate(self.batches) if self.batches else None
