"""Convolutions over channels-last images, with the weight packed once for this machine."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.backends.backend import Operation, Task
from rvc.nn.kernels.backends.selection import choose


class Conv2d:
    """A convolution, with an optional ReLU: image (1, in, h, w) → (1, out, h', w'), channels last."""

    def __init__(
        self, weight: Tensor, bias: Tensor, padding: tuple[int, int] = (0, 0), stride: tuple[int, int] = (1, 1)
    ) -> None:
        """Pack a weight.

        Args:
            weight: float32 (out, in, kernel height, kernel width).
            bias: float32 (out,).
            padding, stride: along height and width.
        """
        self.bias = bias
        out, into = weight.shape[:2]
        task = Task(Operation.IMAGE, out, into, dtype=weight.dtype, device=weight.device.type)
        self.backend = choose(task)
        self.kernel = self.backend.image(task, weight, padding, stride)

    def __call__(self, image: Tensor, relu: bool = False) -> Tensor:
        """Convolve an image, float32 (1, in, h, w); one in another layout is copied to channels last."""
        return self.kernel(image, self.bias, relu)


class DoublingConv2d:
    """A transposed 3×3 convolution of stride 2 and its ReLU: image (1, in, h, w) → (1, out, 2h, 2w).

    A result in an even row or column depends on one input row or column, one in an odd row or column on two. Four small
    convolutions compute the four combinations, which are interleaved. On a GPU, where each launch counts, they are one
    convolution of the taps of all, with zeros where a combination has no tap.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """Pack the four convolutions.

        Args:
            weight: float32 (in, out, 3, 3), the layout of torch's transposed convolution.
            bias: float32 (out,).
        """
        plain = weight.transpose(0, 1)
        taps = ([1], [2, 0])  # an even result reads its own input; an odd one reads that and the next
        self.bias, self.whole = bias, None
        if weight.device.type == "cuda":
            all_taps = plain.new_zeros(len(bias), 2, 2, plain.shape[1], 2, 2)
            for row, rows in enumerate(taps):
                for column, columns in enumerate(taps):
                    kernel = plain[:, :, rows][:, :, :, columns]
                    all_taps[:, row, column, :, : len(rows), : len(columns)] = kernel
            self.whole = Conv2d(all_taps.flatten(0, 2), bias.repeat_interleave(4))
            return
        self.phases = [
            [Conv2d(plain[:, :, rows][:, :, :, columns], bias, (row, column)) for column, columns in enumerate(taps)]
            for row, rows in enumerate(taps)
        ]

    def __call__(self, image: Tensor) -> Tensor:
        """Double both axes of an image, float32 (1, in, h, w)."""
        if self.whole is not None:
            return F.pixel_shuffle(self.whole(F.pad(image, (0, 1, 0, 1)), relu=True), 2)
        _, _, height, width = image.shape
        channels = len(self.bias)
        out = image.new_empty(1, channels, 2 * height, 2 * width).contiguous(memory_format=torch.channels_last)
        for row, convolutions in enumerate(self.phases):
            for column, convolution in enumerate(convolutions):
                phase = convolution(image, relu=True)  # padding adds a first line, which is dropped
                out[:, :, row::2, column::2] = phase[:, :, row : row + height, column : column + width]
        return out
