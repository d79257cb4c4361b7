"""How networks hold their weights, and when they release them: one policy for every network of a conversion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rvc.weights.memory import trim_heap


class Residency(Enum):
    """Where a network's packed weights are between two runs."""

    RESIDENT = "resident"  # packed once, when the network is built, and held as long as the network
    STREAMED = "streamed"  # packed from the mapped file for each run, and released after it


@dataclass(frozen=True)
class WeightPolicy:
    """How a network holds its weights.

    Attributes:
        residency: RESIDENT for many conversions. STREAMED for one conversion in little memory: large layers are
            packed one after the other in the same memory, and the weight file stays mapped.
        low_latency: set for realtime blocks. In bfloat16 on AMX, HuBERT's transformer multiplies one bfloat16 term per
            number instead of two, which takes a fifth off a block's time (docs/performance.md).
    """

    residency: Residency = Residency.RESIDENT
    low_latency: bool = False

    @property
    def is_streamed(self) -> bool:
        """Whether layers are packed for each run and released after it."""
        return self.residency is Residency.STREAMED

    def hold(self, build: Callable[[], Any], trim: bool = False) -> Any:
        """A network or a layer, held as this policy has it.

        Args:
            build: packs the weights; it reads the file, which must stay mapped.
            trim: return freed memory to the system after each run of a streamed part.
        Returns:
            What `build` returns, or a `StreamedPart` that is called in the same way.
        """
        return StreamedPart(build, trim) if self.is_streamed else build()

    def trim(self) -> None:
        """Return freed memory to the system where weights are streamed; a resident network holds its own."""
        if self.is_streamed:
            trim_heap()


class StreamedPart:
    """A network or a layer that is built for each run, and released after it."""

    def __init__(self, build: Callable[[], Any], trim: bool = False) -> None:
        """Args are those of `WeightPolicy.hold`; nothing is built yet."""
        self.build, self.trim = build, trim

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """The output of the part for these inputs."""
        part = self.build()
        output = part(*inputs, **options)
        if self.trim:
            del part
            trim_heap()
        return output


RESIDENT = WeightPolicy()
STREAMED = WeightPolicy(Residency.STREAMED)
