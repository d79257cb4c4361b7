"""A convolution in eight-bit integers: weights rounded once for each channel, what comes in rounded as it comes.

The scale of what comes in is its own largest value, so nothing is calibrated beforehand and nothing is clipped.

On a processor whose integer products saturate (see `onednn.adds_bytes_exactly`), the rounded signal is the sum of two
halves of at most 128 each, whose pairs of products fit into 16 bits: 2 · 128 · 127 = 32512. The two convolutions add up
to the exact integer sum in twice the time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rvc.nn.kernels.onednn import adds_bytes_exactly

ZERO = 128  # unsigned bytes, their middle for 0: the kind of product that AVX-512 VNNI has
HALF_ZERO = 64  # the same for signals in two halves, of which each stays within 0 … 128
STEPS = 127


class Int8:
    """The integer form of one convolution over rows."""

    def __init__(self, weight: Tensor, dilation: int) -> None:
        """weight : float32 (O, I, 1, k)."""
        self.scale = (weight.abs().amax((1, 2, 3)) / STEPS).clamp_(min=1e-12)
        steps = (weight / self.scale[:, None, None, None]).round_().to(torch.int8)
        self.offset = torch.zeros(len(weight), dtype=torch.int32)
        self.dilation = dilation
        ops: Any = torch.ops
        self.in_halves = not adds_bytes_exactly()
        self.zero = HALF_ZERO if self.in_halves else ZERO
        # The scale of what comes in is not baked into the packed weights; their form depends on its zero alone.
        self.packed: Tensor = ops.onednn.qconv_prepack(
            steps, self.scale, 1.0, self.zero, [1, 1], [0, 0], [1, dilation], 1, None
        )
        self.half = torch.tensor(ZERO + 0.5)

    def dense(self) -> Tensor:
        """The rounded weight, float32 (O, I, 1, k)."""
        return self.packed.to_dense().float() * self.scale[:, None, None, None]

    def __call__(self, image: Tensor, bias: Tensor | None, pad: int, other: Tensor | None = None) -> Tensor:
        """float32 (1, I, 1, T), channels last, to float32 (1, O, 1, T'); added to `other` when there is one."""
        low, high = torch.aminmax(image)
        step = max(float(high), -float(low), 1e-12) / STEPS
        rounded = torch.add(self.half, image, alpha=1 / step).to(torch.uint8)
        if not self.in_halves:
            return self._product(rounded, step, bias, pad, other)
        high_half = rounded.clamp(ZERO - HALF_ZERO, ZERO + HALF_ZERO - 1).sub_(ZERO - HALF_ZERO)
        low_half = rounded.sub_(high_half)  # 64 wherever the other half holds the number itself
        return self._product(low_half, step, None, pad, self._product(high_half, step, bias, pad, other))

    def _product(self, signal: Tensor, step: float, bias: Tensor | None, pad: int, other: Tensor | None) -> Tensor:
        """The convolution of a rounded signal, uint8 (1, I, 1, T), added to `other` in place when there is one."""
        ops: Any = torch.ops
        operands = (signal, step, self.zero, self.packed, self.scale, self.offset)
        place = ([1, 1], [0, pad], [1, self.dilation], 1, 1.0, 0, torch.float32)
        if other is None:
            y: Tensor = ops.onednn.qconv_pointwise(*operands, bias, *place, "none", [], "")
        else:
            y = ops.onednn.qconv2d_pointwise.binary(*operands, other, bias, *place, 1.0, 0, "sum", 1.0, None, [], None)
        return y
