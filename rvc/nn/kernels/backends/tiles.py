"""The backend amx: split products on the processor's matrix tiles, see rvc.nn.kernels.amx."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.nn.kernels import amx
from rvc.nn.kernels.amx import TERMS
from rvc.nn.kernels.backends.backend import Backend, Convolution, GroupedConvolution, Operation, Product, Task

EXCLUDED = (Operation.IMAGE, Operation.FILTER)  # operations without a kernel for tiles


class TileConvolution(Convolution):
    """A convolution on tiles; its signal is float32 in every precision."""

    def __init__(self, weight: Tensor, dilation: int, dtype: torch.dtype) -> None:
        offsets = tuple(range(0, weight.shape[3] * dilation, dilation))
        self.split_product = amx.SplitProduct(weight[:, :, 0].permute(2, 0, 1), offsets, TERMS[dtype])
        self.prefers_pieces = dtype == torch.float32

    def plain(self) -> Tensor:
        """See `Convolution.plain`."""
        return self.split_product.plain().permute(1, 2, 0)[:, :, None].contiguous()

    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None,
        pad: int = 0,
        slope: float | None = None,
        slope_before: float | None = None,
    ) -> Tensor:
        """See `Convolution.__call__`."""
        before, after = slope_or_one(slope_before), slope_or_one(slope)
        return self.split_product(x, bias, pad=pad, slope_before=before, slope_after=after)

    def add_to(
        self, addend: Tensor, x: Tensor, bias: Tensor | None, pad: int = 0, slope_before: float | None = None
    ) -> Tensor:
        """See `Convolution.add_to`."""
        before = slope_or_one(slope_before)
        return self.split_product(x, bias, pad=pad, slope_before=before, addend=addend, out=addend)

    def sum_with(
        self, addend: Tensor, x: Tensor, bias: Tensor | None, pad: int = 0, slope_before: float | None = None
    ) -> Tensor:
        """See `Convolution.sum_with`."""
        return self.split_product(x, bias, pad=pad, slope_before=slope_or_one(slope_before), addend=addend)


class TileProduct(Product):
    """A matrix product on tiles; its signal is float32 in every precision."""

    def __init__(self, weight: Tensor, width: int, stride: int, terms: int) -> None:
        taps = weight.reshape(len(weight), width, -1).transpose(0, 1)
        self.split_product, self.stride = amx.SplitProduct(taps, tuple(range(width)), terms), stride

    def __call__(self, frames: Tensor, bias: Tensor | None, gelu: bool = False) -> Tensor:
        """See `Product.__call__`."""
        return self.split_product(frames, bias, stride=self.stride, gelu=gelu)


class TileGrouped(GroupedConvolution):
    """A grouped convolution on tiles: one product per group, of two taps at a time where the kernel size is even."""

    def __init__(self, weight: Tensor, groups: int, dtype: torch.dtype) -> None:
        out, self.group_width, _, kernel = weight.shape
        self.reach, self.taps_per_product = kernel // 2, 2 - kernel % 2
        offsets = tuple(range(0, kernel, self.taps_per_product))
        taps = weight.permute(3, 0, 1, 2).reshape(len(offsets), self.taps_per_product, out, self.group_width)
        taps = taps.transpose(1, 2).flatten(2)
        self.products = [amx.SplitProduct(part, offsets, TERMS[dtype]) for part in taps.chunk(groups, 1)]

    def __call__(self, frames: Tensor, bias: Tensor) -> Tensor:
        """See `GroupedConvolution.__call__`."""
        groups, width = len(self.products), self.group_width
        padded = F.pad(frames.view(len(frames), groups, width).transpose(0, 1), (0, 0, self.reach, self.reach))
        size = padded.shape[1] - self.taps_per_product + 1, self.taps_per_product * width
        result = frames.new_empty(size[0] - self.products[0].reach, frames.shape[1])
        for product, group, group_bias, out in zip(
            self.products, padded, bias.chunk(groups), result.chunk(groups, 1), strict=True
        ):
            product(group.as_strided(size, (width, 1)), group_bias, gelu=True, out=out)
        return result


class TileBackend(Backend):
    """The processor's matrix tiles."""

    name = "amx"
    title = "split products on matrix tiles (Intel AMX)"

    def computes(self, task: Task) -> bool:
        """float32 and bfloat16 on a processor with tiles; convolutions in time only where they fill a tile."""
        if not task.is_on_cpu or task.dtype not in TERMS or task.operation in EXCLUDED or not amx.available():
            return False
        return not task.operation.is_in_time or min(task.out_channels, task.in_channels) >= amx.TILE_SIDE

    def convolution(self, task: Task, weight: Tensor, dilation: int) -> Convolution:
        """See `Backend.convolution`."""
        return TileConvolution(weight, dilation, task.dtype)

    def product(self, task: Task, weight: Tensor, stride: int, terms: int | None) -> Product:
        """See `Backend.product`."""
        return TileProduct(weight, task.width, stride, terms or TERMS[task.dtype])

    def grouped(self, task: Task, weight: Tensor, groups: int) -> GroupedConvolution:
        """See `Backend.grouped`."""
        return TileGrouped(weight, groups, task.dtype)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, terms: int) -> Tensor:
        """See `Backend.attend`."""
        return amx.attend(q.float(), k.float(), v.float(), terms).to(q.dtype)


def slope_or_one(slope: float | None) -> float:
    """The slope of a LeakyReLU below zero; 1 where there is none."""
    return 1.0 if slope is None else slope
