"""Convolutions over pictures (1, C, f, w), which stay fast where the picture is small and the filters are many.

torch runs small pictures through a loop of its own that first copies the filters, at every call; for RMVPE's 32 frames
of a live stream that is most of the time. Here such filters are packed once for oneDNN. A picture of one row meets only
the middle row of a 3×3 filter, so only that is packed.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.nn.conv import FUSED

SMALL = 20480  # elements of a picture up to which torch leaves oneDNN aside


def is_small(image: Tensor) -> bool:
    """Whether torch would not use oneDNN for it."""
    return FUSED and image.numel() <= SMALL and image.device.type == "cpu" and image.dtype == torch.float32


class Plane:
    """A convolution of odd width that keeps the size: (1, I, f, w) → (1, O, f, w)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """weight : float32 (O, I, k, k);  bias : float32 (O,)."""
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.pad = weight.shape[-1] // 2
        self.packed: tuple[torch.Size, Any] | None = None  # for the small picture met last

    def __call__(self, image: Tensor) -> Tensor:
        if not is_small(image):
            return F.conv2d(image, self.weight, self.bias, padding=self.pad)
        ops: Any = torch.ops
        pads = [0 if image.shape[2] == 1 else self.pad, self.pad]
        packed = self.packed  # a local name: another thread may pack for another size
        if packed is None or packed[0] != image.shape:
            middle = self.weight[:, :, self.pad : self.pad + 1] if image.shape[2] == 1 else self.weight
            packed = (
                image.shape,
                ops.mkldnn._reorder_convolution_weight(middle.contiguous(), pads, [1, 1], [1, 1], 1, list(image.shape)),
            )
            self.packed = packed
        image = image.contiguous(memory_format=torch.channels_last)
        found: Tensor = ops.mkldnn._convolution_pointwise(
            image, packed[1], self.bias, pads, [1, 1], [1, 1], 1, "none", [], ""
        )
        return found


class Rise:
    """A transposed 3×3 convolution that doubles both axes: (1, I, f, w) → (1, O, 2f, 2w)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """weight : float32 (I, O, 3, 3);  bias : float32 (O,)."""
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.packed: tuple[torch.Size, Any] | None = None

    def __call__(self, image: Tensor) -> Tensor:
        if not is_small(image):
            return F.conv_transpose2d(image, self.weight, self.bias, stride=2, padding=1, output_padding=1)
        ops: Any = torch.ops
        packed = self.packed
        if packed is None or packed[0] != image.shape:
            packed = (
                image.shape,
                ops.mkldnn._reorder_convolution_transpose_weight(
                    self.weight, [1, 1], [1, 1], [2, 2], [1, 1], 1, list(image.shape)
                ),
            )
            self.packed = packed
        image = image.contiguous(memory_format=torch.channels_last)
        found: Tensor = ops.mkldnn._convolution_transpose_pointwise(
            image, packed[1], self.bias, [1, 1], [1, 1], [2, 2], [1, 1], 1, "none", [], ""
        )
        return found
