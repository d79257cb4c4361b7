"""Faults of retrieval and content in a stream."""

from typing import Any

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import after, around
from rvc.realtime.converter import Converter


def _change_skip_head(change: Any) -> Any:
    """Another `skip_head` for the retrieval."""

    def content(original: Any, self: Any, heard: Any, turn: Any) -> Any:
        right = self.sizes
        self.sizes = _SizesWithSkipHead(right, change(right.skip_head))
        try:
            return original(self, heard, turn)
        finally:
            self.sizes = right

    return around(Converter, "content", content)


class _SizesWithSkipHead:
    """Sizes with another `skip_head`."""

    def __init__(self, sizes: Any, skip_head: int) -> None:
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
        after(Converter, "content", lambda x: x.roll(1, 1)),
        causes=("shift by 1 frame",),
    ),
    Fault(
        "live-content-half",
        "rt.content",
        "half precision",
        after(Converter, "content", reduced_precision.half),
        causes=("half precision",),
    ),
    Fault(
        "live-content-fixed-12",
        "rt.content",
        "20.12 fixed point",
        after(Converter, "content", reduced_precision.fixed(12)),
        causes=("fixed point",),
    ),
    Fault(
        "live-content-fixed-14",
        "rt.content",
        "18.14 fixed point",
        after(Converter, "content", reduced_precision.fixed(14)),
        causes=("fixed point",),
    ),
    Fault(
        "live-content-fixed-16",
        "rt.content",
        "16.16 fixed point",
        after(Converter, "content", reduced_precision.fixed(16)),
        causes=("fixed point",),
    ),
    Fault(
        "live-content-fp24",
        "rt.content",
        "24-bit floats, cut off",
        after(Converter, "content", reduced_precision.fp24_cut),
        causes=("fewer bits",),
    ),
    Fault(
        "live-content-fixed-10",
        "rt.content",
        "22.10 fixed point",
        after(Converter, "content", reduced_precision.fixed(10)),
        causes=("fixed point",),
    ),
]
