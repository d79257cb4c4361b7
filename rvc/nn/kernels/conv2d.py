"""Convolutions over images with the channels last, their weight laid out once for this machine."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.nn.kernels.onednn import has_fused_convolutions, has_packed_products

PACKING = has_packed_products() and has_fused_convolutions()


class Filter:
    """One convolution, with a ReLU behind it where asked: image (1, I, h, w) → (1, O, h', w'), channels last."""

    def __init__(
        self, weight: Tensor, bias: Tensor, padding: tuple[int, int] = (0, 0), stride: tuple[int, int] = (1, 1)
    ) -> None:
        """weight : float32 (O, I, kh, kw);  bias : float32 (O,);  padding, stride : along h and w."""
        self.padding, self.stride, self.bias = padding, stride, bias
        self.packed = PACKING and weight.device.type == "cpu"
        if self.packed:
            ops: Any = torch.ops
            plain = weight.contiguous()
            self.weight = ops.mkldnn._reorder_convolution_weight(plain, [*padding], [*stride], [1, 1], 1)
        else:
            self.weight = weight.contiguous(memory_format=torch.channels_last)

    def __call__(self, image: Tensor, relu: bool = False) -> Tensor:
        """Filter an image; one laid out otherwise is laid out anew."""
        if self.packed:
            image = image.contiguous(memory_format=torch.channels_last)
            ops: Any = torch.ops
            done: Tensor = ops.mkldnn._convolution_pointwise(
                image,
                self.weight,
                self.bias,
                [*self.padding],
                [*self.stride],
                [1, 1],
                1,
                "relu" if relu else "none",
                [],
                "",
            )
            return done
        done = F.conv2d(image, self.weight, self.bias, self.stride, self.padding)
        return done.relu_() if relu else done


class Doubling:
    """A transposed 3×3 convolution of stride 2 and its ReLU: image (1, I, h, w) → (1, O, 2h, 2w).

    Each output of an even row or column hears one input row or column, each odd one two: four small convolutions,
    whose results are interleaved.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """weight : float32 (I, O, 3, 3), as torch's transposed convolution has it;  bias : float32 (O,)."""
        plain = weight.transpose(0, 1)
        taps = ([1], [2, 0])  # an even output hears its own input; an odd one that and the next
        self.phases = [
            [Filter(plain[:, :, rows][:, :, :, columns], bias, (row, column)) for column, columns in enumerate(taps)]
            for row, rows in enumerate(taps)
        ]

    def __call__(self, image: Tensor) -> Tensor:
        """Double both axes."""
        _, _, height, width = image.shape
        channels = len(self.phases[0][0].bias)
        out = image.new_empty(1, channels, 2 * height, 2 * width).contiguous(memory_format=torch.channels_last)
        for row, filters in enumerate(self.phases):
            for column, phase in enumerate(filters):  # padding adds a line before the first, which is dropped
                heard = phase(image, relu=True)
                out[:, :, row::2, column::2] = heard[:, :, row : row + height, column : column + width]
        return out
