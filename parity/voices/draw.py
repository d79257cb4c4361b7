"""Tensors drawn from the fixed stream: exact integers first, then one scale, then one rounding to the stored type.

Nothing here sums or divides floats, so that every machine makes the same bits.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parity.goldens import random_stream

Array = NDArray[np.generic]
Named = tuple[str, Array]

GAIN = 1.3  # carries variance through rectifiers and gates that lose about half of it


@dataclass(frozen=True)
class Draw:
    """Draws the tensors of one file; `seed` and the tensor's name are its key in the stream."""

    seed: str
    dtype: type[np.floating]  # as the original's own file stores it

    def weight(
        self,
        name: str,
        shape: tuple[int, ...],
        gain: float = GAIN,
        *,
        over: tuple[int, ...] | None = None,
        fan_in: float | None = None,
        centred: bool = True,
    ) -> Named:
        """A matrix or filter of variance gain^2 / fan-in.

        over    : the axes one output unit sums over; all but the first unless said
        fan_in  : the number of terms in that sum; the size of those axes unless said (strides make it smaller)
        centred : subtract each output unit's mean over its inputs, so that a common offset does not pass
        """
        axes = tuple(range(1, len(shape))) if over is None else over
        size = math.prod(shape[axis] for axis in axes)
        values = random_stream.integers(f"{self.seed}/{name}", shape)
        unit = random_stream.SCALE
        if centred and size > 1:
            total = values.sum(axis=axes, keepdims=True)
            values *= size
            values -= total  # still integers: sizes stay below 2**14, values below 2**33
            unit /= size
        return name, self._rounded(values, unit * gain / math.sqrt(size if fan_in is None else fan_in))

    def vector(self, name: str, shape: int | tuple[int, ...], std: float, mean: float = 0.0) -> Named:
        """Independent values around `mean`: biases, embeddings, normalisation scales."""
        return name, self._rounded(
            random_stream.integers(f"{self.seed}/{name}", shape), random_stream.SCALE * std, mean
        )

    def _rounded(self, values: NDArray[np.int64], unit: float, mean: float = 0.0) -> Array:
        scaled = values.astype(np.float64)
        scaled *= unit
        if mean:
            scaled += mean
        return scaled.astype(self.dtype)
