"""Reductions: long tensors of which a golden holds some frames and random projections of every block of frames.

A golden of more than a thousand frames costs megabytes. A reduced tensor holds the frames around the ends of blocks in
which implementations compute, bit for bit, and for each block of frames some sums of the frames with fixed random
signs, divided by the square root of their number. The expected square of such a sum of errors is the mean square of the
errors, so that the relative error of a reduced tensor estimates that of the whole, and the limits of the whole apply to
it. What a candidate makes is reduced in the same way before it is compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.goldens import random_stream
from parity.goldens.arrays import Array


@dataclass(frozen=True)
class Reduction:
    """How one tensor is reduced.

    Attributes:
        shape: The shape of the whole tensor.
        axis: The axis that is reduced.
        kept: (start, stop) of the elements along that axis that are kept.
        block: The number of elements in a block; the last one may be shorter.
        projections: The number of sums of each block.
        key: The signs are the lowest bits of the fixed stream of this name.
    """

    shape: tuple[int, ...]
    axis: int
    kept: tuple[tuple[int, int], ...]
    block: int
    projections: int
    key: str

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Reduction":
        """A reduction as case.json holds it."""
        kept = tuple((int(start), int(stop)) for start, stop in document["kept"])
        fields = {name: int(document[name]) for name in ("axis", "block", "projections")}
        return cls(tuple(document["shape"]), kept=kept, key=str(document["key"]), **fields)

    def document(self) -> dict[str, Any]:
        """As case.json holds it."""
        return {
            "shape": list(self.shape),
            "axis": self.axis,
            "kept": [list(piece) for piece in self.kept],
            "block": self.block,
            "projections": self.projections,
            "key": self.key,
        }

    def reduce(self, value: Array) -> Array:
        """The kept elements, then the projections of each block, in the dtype of `value`.

        Args:
            value: floating-point, of the shape of the whole tensor.
        Returns:
            an array with as many elements along the reduced axis as are kept and projected.
        """
        elements = np.moveaxis(value, self.axis, 0)
        parts = [elements[start:stop] for start, stop in self.kept]
        parts += [projected.astype(value.dtype)[None] for projected in self._projections(elements)]
        return np.ascontiguousarray(np.moveaxis(np.concatenate(parts), 0, self.axis))

    def places(self) -> list[tuple[int, int]]:
        """For each element of the reduced tensor, the elements (start, stop) of the whole one that determine it."""
        count = self.shape[self.axis]
        single = [(at, at + 1) for start, stop in self.kept for at in range(start, stop)]
        blocks = [(start, min(start + self.block, count)) for start in range(0, count, self.block)]
        return single + [block for block in blocks for _ in range(self.projections)]

    def first_place(self, differs: Array) -> tuple[int, int] | None:
        """Where in the whole tensor an error begins, as exactly as the reduced tensor shows it.

        Args:
            differs: bool, for each element along the reduced axis.
        Returns:
            (start, stop): a single element where it is kept and the element before it is kept too or is another
            block's, else a block; None where nothing differs.
        """
        wrong = [place for place, bad in zip(self.places(), differs, strict=True) if bad]
        if not wrong:
            return None
        right = {place for place, bad in zip(self.places(), differs, strict=True) if not bad}
        begin = min(start for start, _ in wrong) // self.block * self.block
        single = min((start for start, stop in wrong if stop == start + 1), default=None)
        if single is not None and (single == begin or (single - 1, single) in right):
            return (single, single + 1)
        return (begin, min(begin + self.block, self.shape[self.axis]))

    def _projections(self, elements: Array) -> Iterator[Array]:
        count = len(elements)
        bits = random_stream.raw_numbers(self.key, count * self.projections) & np.uint64(1)
        signs = (2.0 * bits.astype(np.float64) - 1).reshape(self.projections, count)
        for start in range(0, count, self.block):
            block = elements[start : start + self.block].astype(np.float64)
            for row in signs[:, start : start + self.block]:
                yield np.tensordot(row, block, 1) / np.sqrt(len(block))


def of(document: Mapping[str, Any], name: str) -> Reduction | None:
    """The reduction of a tensor by the content of case.json; None where the golden holds the whole tensor."""
    entry = document.get("reduced", {}).get(name)
    return None if entry is None else Reduction.read(entry)
