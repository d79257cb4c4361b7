"""A convolution in 8-bit integers: weights are rounded once per output channel, the signal at each call.

The scale of the signal is its own largest magnitude, so nothing is calibrated beforehand and nothing is clipped.

On a processor whose integer products saturate (see `onednn.adds_bytes_exactly`), the rounded signal is the sum of two
halves of at most 128 each, whose pairs of products fit into 16 bits: 2 · 128 · 127 = 32512. The two convolutions add up
to the exact integer sum in twice the time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rvc.nn.kernels.onednn import adds_bytes_exactly

ZERO_POINT = 128  # the unsigned byte that stands for 0; unsigned signals are what VNNI instructions multiply
HALF_ZERO_POINT = 64  # the byte that stands for 0 in a signal that is the sum of two halves, each within 0 … 128
LEVELS = 127  # the largest magnitude of a rounded number


class Int8:
    """The integer form of one convolution over frames."""

    def __init__(self, weight: Tensor, dilation: int) -> None:
        """Round and pack a weight, float32 (out, in, 1, k)."""
        self.scale = (weight.abs().amax((1, 2, 3)) / LEVELS).clamp_(min=1e-12)
        rounded = (weight / self.scale[:, None, None, None]).round_().to(torch.int8)
        self.offset = torch.zeros(len(weight), dtype=torch.int32)
        self.dilation = dilation
        ops: Any = torch.ops
        self.in_halves = not adds_bytes_exactly()
        self.zero_point = HALF_ZERO_POINT if self.in_halves else ZERO_POINT
        # The layout of packed weights depends on the zero point of the signal, but not on its scale (here 1.0).
        self.packed: Tensor = ops.onednn.qconv_prepack(
            rounded, self.scale, 1.0, self.zero_point, [1, 1], [0, 0], [1, dilation], 1, None
        )
        self.rounding_offset = torch.tensor(ZERO_POINT + 0.5)

    def plain(self) -> Tensor:
        """The rounded weight, float32 (out, in, 1, k)."""
        return self.packed.to_dense().float() * self.scale[:, None, None, None]

    def __call__(self, image: Tensor, bias: Tensor | None, pad: int, addend: Tensor | None = None) -> Tensor:
        """Convolve an image.

        Args:
            image: float32 (1, in, 1, T), channels last.
            bias: float32 (out,) or None.
            pad: zeros added at either end of T.
            addend: float32 (1, out, 1, T'), channels last, to which the result is added in place.
        Returns:
            float32 (1, out, 1, T'), T' = T + 2·pad − (k − 1)·dilation.
        """
        low, high = torch.aminmax(image)
        scale = max(float(high), -float(low), 1e-12) / LEVELS
        rounded = torch.add(self.rounding_offset, image, alpha=1 / scale).to(torch.uint8)
        if not self.in_halves:
            return self._convolve(rounded, scale, bias, pad, addend)
        first, last = ZERO_POINT - HALF_ZERO_POINT, ZERO_POINT + HALF_ZERO_POINT - 1
        high_half = rounded.clamp(first, last).sub_(first)
        low_half = rounded.sub_(high_half)  # HALF_ZERO_POINT wherever the other half holds the number itself
        return self._convolve(low_half, scale, None, pad, self._convolve(high_half, scale, bias, pad, addend))

    def _convolve(self, signal: Tensor, scale: float, bias: Tensor | None, pad: int, addend: Tensor | None) -> Tensor:
        """The convolution of a rounded signal, uint8 (1, in, 1, T), added to `addend` in place when there is one."""
        ops: Any = torch.ops
        operands = (signal, scale, self.zero_point, self.packed, self.scale, self.offset)
        geometry = ([1, 1], [0, pad], [1, self.dilation], 1, 1.0, 0, torch.float32)
        if addend is None:
            y: Tensor = ops.onednn.qconv_pointwise(*operands, bias, *geometry, "none", [], "")
        else:
            y = ops.onednn.qconv2d_pointwise.binary(
                *operands, addend, bias, *geometry, 1.0, 0, "sum", 1.0, None, [], None
            )
        return y
