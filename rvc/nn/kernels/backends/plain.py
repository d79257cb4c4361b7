"""The backend torch: torch's own operations, on every device and without packed weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.nn.kernels.backends.backend import (
    Backend,
    Convolution,
    GroupedConvolution,
    ImageConvolution,
    Product,
    Task,
)
from rvc.nn.kernels.layout import as_frames, as_image, unfold_frames


class PlainConvolution(Convolution):
    """torch.conv2d over a channels-last image."""

    def __init__(self, weight: Tensor, dilation: int, dtype: torch.dtype) -> None:
        self.signal_dtype, self.dilation = dtype, dilation
        self.weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)

    def plain(self) -> Tensor:
        """See `Convolution.plain`."""
        return self.weight.float()

    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None,
        pad: int = 0,
        slope: float | None = None,
        slope_before: float | None = None,
    ) -> Tensor:
        """See `Convolution.__call__`."""
        x = x if slope_before is None else F.leaky_relu(x, slope_before)
        y = self.convolved(x, bias, pad)
        return y if slope is None else F.leaky_relu_(y, slope)

    def convolved(self, x: Tensor, bias: Tensor | None, pad: int) -> Tensor:
        """The convolution without activations; the arguments are those of `__call__`."""
        image = F.conv2d(as_image(x), self.weight, bias, 1, (0, pad), (1, self.dilation))
        return as_frames(image).contiguous()  # a device may answer in another layout than that of the signal


class PlainProduct(Product):
    """torch's linear over unfolded frames; the weight may be held in a smaller type than it is computed in."""

    def __init__(self, weight: Tensor, width: int, stride: int, held: torch.dtype, computed: torch.dtype) -> None:
        self.weight = weight.to(held).contiguous().clone()
        self.width, self.stride, self.signal_dtype = width, stride, computed

    def __call__(self, frames: Tensor, bias: Tensor | None, gelu: bool = False) -> Tensor:
        """See `Product.__call__`."""
        if self.width > 1:
            frames = unfold_frames(frames, self.width, self.stride)
        product = F.linear(frames, self.weight.to(self.signal_dtype), bias)
        return torch.ops.aten.gelu_(product) if gelu else product


class PlainGrouped(GroupedConvolution):
    """torch.conv2d in groups, and GELU; the weight may be held in a smaller type than it is computed in."""

    def __init__(self, weight: Tensor, groups: int, held: torch.dtype, computed: torch.dtype) -> None:
        self.weight, self.groups, self.dtype = weight.to(held), groups, computed

    def __call__(self, frames: Tensor, bias: Tensor) -> Tensor:
        """See `GroupedConvolution.__call__`."""
        image, padding = as_image(frames.to(self.dtype).contiguous()), (0, self.weight.shape[3] // 2)
        result = F.conv2d(image, self.weight.to(self.dtype), bias.to(image.dtype), padding=padding, groups=self.groups)
        return F.gelu(as_frames(result).float())


class PlainImage(ImageConvolution):
    """torch.conv2d over a channels-last image."""

    def __init__(self, weight: Tensor, padding: tuple[int, int], stride: tuple[int, int]) -> None:
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.padding, self.stride = padding, stride

    def __call__(self, image: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
        """See `ImageConvolution.__call__`."""
        result = F.conv2d(image, self.weight, bias, self.stride, self.padding)
        return result.relu_() if relu else result


class PlainBackend(Backend):
    """torch's own operations."""

    name = "torch"
    title = "torch's own operations"

    def computes(self, task: Task) -> bool:
        """Everything but int8."""
        return task.dtype != torch.int8

    def convolution(self, task: Task, weight: Tensor, dilation: int) -> Convolution:
        """See `Backend.convolution`."""
        return PlainConvolution(weight, dilation, task.dtype)

    def product(self, task: Task, weight: Tensor, stride: int, terms: int | None) -> Product:
        """See `Backend.product`."""
        return PlainProduct(weight, task.width, stride, task.dtype, task.dtype)

    def grouped(self, task: Task, weight: Tensor, groups: int) -> GroupedConvolution:
        """See `Backend.grouped`."""
        return PlainGrouped(weight, groups, task.dtype, task.dtype)

    def image(self, task: Task, weight: Tensor, padding: tuple[int, int], stride: tuple[int, int]) -> ImageConvolution:
        """See `Backend.image`."""
        return PlainImage(weight, padding, stride)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, terms: int) -> Tensor:
        """See `Backend.attend`."""
        q, k, v = (part.transpose(0, 1)[None] for part in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v)[0].transpose(0, 1)
