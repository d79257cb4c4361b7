"""The backend widened: weights held in bfloat16 and computed in float32, on processors without bfloat16 arithmetic."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.nn.kernels import onednn
from rvc.nn.kernels.backends.backend import Backend, Convolution, GroupedConvolution, Operation, Product, Task
from rvc.nn.kernels.backends.plain import PlainGrouped, PlainProduct
from rvc.nn.kernels.bfloat16_weight import Bfloat16Weight


class WidenedConvolution(Convolution):
    """A convolution whose weight is widened for each call."""

    def __init__(self, weight: Tensor, dilation: int) -> None:
        self.weight = Bfloat16Weight(weight[:, :, 0], dilation)

    def plain(self) -> Tensor:
        """See `Convolution.plain`."""
        return self.weight.plain()[:, :, None]

    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None,
        pad: int = 0,
        slope: float | None = None,
        slope_before: float | None = None,
    ) -> Tensor:
        """See `Convolution.__call__`."""
        y = self.weight(x if slope_before is None else F.leaky_relu(x, slope_before), bias, pad)
        return y if slope is None else F.leaky_relu_(y, slope)


class WidenedBackend(Backend):
    """bfloat16 in memory, float32 in products."""

    name = "widened"
    title = "bfloat16 weights widened to float32 for each product"

    def computes(self, task: Task) -> bool:
        """Tasks in bfloat16 on a processor where oneDNN packs no bfloat16."""
        if not task.is_on_cpu or task.dtype != torch.bfloat16 or onednn.packs_bfloat16():
            return False
        if task.operation.is_in_time:
            return onednn.has_fused_convolutions()
        return task.operation in (Operation.PRODUCT, Operation.GROUPED) and onednn.has_packed_products()

    def convolution(self, task: Task, weight: Tensor, dilation: int) -> Convolution:
        """See `Backend.convolution`."""
        return WidenedConvolution(weight, dilation)

    def product(self, task: Task, weight: Tensor, stride: int, terms: int | None) -> Product:
        """See `Backend.product`."""
        return PlainProduct(weight, task.width, stride, torch.bfloat16, torch.float32)

    def grouped(self, task: Task, weight: Tensor, groups: int) -> GroupedConvolution:
        """See `Backend.grouped`."""
        return PlainGrouped(weight, groups, torch.bfloat16, torch.float32)
