"""A convolution in eight-bit integers: weights rounded once for each channel, what comes in rounded as it comes.

The scale of what comes in is its own largest value, so nothing is calibrated beforehand and nothing is clipped.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

ZERO = 128  # unsigned bytes, their middle for 0: the kind of product that AVX-512 VNNI has
STEPS = 127


def int8_available() -> bool:
    """Whether this build of torch brings oneDNN's integer convolutions."""
    ops: Any = torch.ops
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    wanted = ("qconv_prepack", "qconv_pointwise", "qconv2d_pointwise")
    return there and all(hasattr(ops.onednn, name) for name in wanted)


class Int8:
    """The integer form of one convolution over rows."""

    def __init__(self, weight: Tensor, dilation: int) -> None:
        """weight : float32 (O, I, 1, k)."""
        self.scale = (weight.abs().amax((1, 2, 3)) / STEPS).clamp_(min=1e-12)
        steps = (weight / self.scale[:, None, None, None]).round_().to(torch.int8)
        self.offset = torch.zeros(len(weight), dtype=torch.int32)
        self.dilation = dilation
        ops: Any = torch.ops
        # The scale of what comes in is not baked into the packed weights; their form depends on its zero alone.
        self.packed: Tensor = ops.onednn.qconv_prepack(
            steps, self.scale, 1.0, ZERO, [1, 1], [0, 0], [1, dilation], 1, None
        )
        self.half = torch.tensor(ZERO + 0.5)

    def dense(self) -> Tensor:
        """The rounded weight, float32 (O, I, 1, k)."""
        return self.packed.to_dense().float() * self.scale[:, None, None, None]

    def __call__(self, image: Tensor, bias: Tensor | None, pad: int, other: Tensor | None = None) -> Tensor:
        """float32 (1, I, 1, T), channels last, to float32 (1, O, 1, T'); added to `other` when there is one."""
        ops: Any = torch.ops
        low, high = torch.aminmax(image)
        step = max(float(high), -float(low), 1e-12) / STEPS
        rounded = torch.add(self.half, image, alpha=1 / step).to(torch.uint8)
        given = (rounded, step, ZERO, self.packed, self.scale, self.offset)
        place = ([1, 1], [0, pad], [1, self.dilation], 1, 1.0, 0, torch.float32)
        if other is None:
            y: Tensor = ops.onednn.qconv_pointwise(*given, bias, *place, "none", [], "")
        else:
            y = ops.onednn.qconv2d_pointwise.binary(*given, other, bias, *place, 1.0, 0, "sum", 1.0, None, [], None)
        return y
