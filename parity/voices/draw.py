"""Tensors drawn from the fixed stream: exact integers, one scale, one rounding to the stored type.

No floating-point number is summed or divided, so that every machine makes the same bits.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parity.goldens import random_stream

Array = NDArray[np.generic]
Named = tuple[str, Array]

GAIN = 1.3  # keeps the variance of activations through rectifiers and gates, which lose about half of it


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
        centered: bool = True,
    ) -> Named:
        """A matrix or filter of variance gain^2 / fan-in.

        Args:
            name: the name in the file, part of the key in the stream.
            shape: the shape.
            gain: the standard deviation of an output for inputs of variance 1.
            over: the axes that one output unit sums over; all but the first by default.
            fan_in: the number of terms in that sum; the size of those axes by default. Strides make it smaller.
            centered: subtract each output unit's mean over its inputs, so that a constant input gives 0.
        Returns:
            the name, and the values rounded to `dtype`.
        """
        axes = tuple(range(1, len(shape))) if over is None else over
        size = math.prod(shape[axis] for axis in axes)
        values = random_stream.integers(f"{self.seed}/{name}", shape)
        unit = random_stream.SCALE
        if centered and size > 1:
            total = values.sum(axis=axes, keepdims=True)
            values *= size
            values -= total  # integers: sizes stay below 2**14, values below 2**33
            unit /= size
        return name, self._rounded(values, unit * gain / math.sqrt(size if fan_in is None else fan_in))

    def vector(self, name: str, shape: int | tuple[int, ...], std: float, mean: float = 0.0) -> Named:
        """Independent values of standard deviation `std` around `mean`: biases, embeddings, normalization scales."""
        return name, self._rounded(
            random_stream.integers(f"{self.seed}/{name}", shape), random_stream.SCALE * std, mean
        )

    def _rounded(self, values: NDArray[np.int64], unit: float, mean: float = 0.0) -> Array:
        scaled = values.astype(np.float64)
        scaled *= unit
        if mean:
            scaled += mean
        return scaled.astype(self.dtype)
