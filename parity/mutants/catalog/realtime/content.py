"""Faults of retrieval and content in a stream."""

from collections.abc import Callable
from typing import Any

import torch

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around
from rvc.realtime.block_context import BlockContext
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.converter import BlockConverter


def _change_skip_head(change: Callable[[int], int]) -> Patch:
    """Retrieve with another `skip_head`, the number of frames that are context only."""

    def content(
        original: Original, self: BlockConverter, extracted: torch.Tensor, context: BlockContext
    ) -> torch.Tensor:
        right = self.sizes
        changed: Any = _SizesWithSkipHead(right, change(right.skip_head))
        self.sizes = changed
        try:
            features: torch.Tensor = original(self, extracted, context)
            return features
        finally:
            self.sizes = right

    return around(BlockConverter, "content", content)


class _SizesWithSkipHead:
    """Block sizes with another `skip_head`."""

    def __init__(self, sizes: BlockSizes, skip_head: int) -> None:
        self._sizes, self.skip_head = sizes, skip_head

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sizes, name)


FAULTS = [
    Fault(
        "live-skip-head-late",
        "rt.retrieval",
        "retrieval begins one frame late",
        _change_skip_head(lambda head: head + 2),
        needs=(Need.INDEX,),
        causes=("another length",),
    ),
    Fault(
        "live-skip-head-early",
        "rt.retrieval",
        "retrieval begins one frame early",
        _change_skip_head(lambda head: head - 2),
        needs=(Need.INDEX,),
        causes=("another length",),
    ),
    Fault(
        "live-skip-head-whole",
        "rt.retrieval",
        "skip_head is not halved",
        _change_skip_head(lambda head: 2 * head),
        needs=(Need.INDEX,),
        causes=("another length",),
    ),
    Fault(
        "live-content-late",
        "rt.content",
        "one frame late",
        after(BlockConverter, "content", lambda x: x.roll(1, 1)),
        causes=("shift by 1 frame",),
    ),
    Fault(
        "live-content-half",
        "rt.content",
        "half precision",
        after(BlockConverter, "content", reduced_precision.half),
        causes=("half precision",),
    ),
    Fault(
        "live-content-fixed-12",
        "rt.content",
        "20.12 fixed point",
        after(BlockConverter, "content", reduced_precision.fixed(12)),
        causes=("fixed point",),
    ),
    Fault(
        "live-content-fixed-14",
        "rt.content",
        "18.14 fixed point",
        after(BlockConverter, "content", reduced_precision.fixed(14)),
        causes=("fixed point",),
    ),
    Fault(
        "live-content-fixed-16",
        "rt.content",
        "16.16 fixed point",
        after(BlockConverter, "content", reduced_precision.fixed(16)),
        causes=("fixed point",),
    ),
    Fault(
        "live-content-fp24",
        "rt.content",
        "24-bit floats, cut off",
        after(BlockConverter, "content", reduced_precision.fp24_cut),
        causes=("fewer bits",),
    ),
    Fault(
        "live-content-fixed-10",
        "rt.content",
        "22.10 fixed point",
        after(BlockConverter, "content", reduced_precision.fixed(10)),
        causes=("fixed point",),
    ),
]
