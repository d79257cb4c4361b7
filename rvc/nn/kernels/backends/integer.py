"""The backend int8: 8-bit integer convolutions of oneDNN, whose signals are float32 before and after."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.nn.kernels import onednn
from rvc.nn.kernels.backends.backend import Backend, Convolution, Task
from rvc.nn.kernels.int8 import Int8
from rvc.nn.kernels.layout import as_frames, as_image


class IntegerConvolution(Convolution):
    """A convolution in 8-bit integers."""

    def __init__(self, weight: Tensor, dilation: int) -> None:
        self.int8 = Int8(weight, dilation)

    def plain(self) -> Tensor:
        """See `Convolution.plain`."""
        return self.int8.plain()

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
        y = as_frames(self.int8(as_image(x), bias, pad))
        return y if slope is None else F.leaky_relu_(y, slope)

    def add_to(
        self, addend: Tensor, x: Tensor, bias: Tensor | None, pad: int = 0, slope_before: float | None = None
    ) -> Tensor:
        """See `Convolution.add_to`."""
        x = x if slope_before is None else F.leaky_relu(x, slope_before)
        return as_frames(self.int8(as_image(x), bias, pad, as_image(addend)))


class IntegerBackend(Backend):
    """8-bit integers, for the precision int8."""

    name = "int8"
    title = "8-bit integer convolutions of oneDNN"

    def computes(self, task: Task) -> bool:
        """Convolutions in time of the precision int8, where this build of torch has them."""
        is_integer = task.dtype == torch.int8 and task.operation.is_in_time
        return is_integer and task.is_on_cpu and onednn.has_integer_convolutions()

    def convolution(self, task: Task, weight: Tensor, dilation: int) -> Convolution:
        """See `Backend.convolution`."""
        return IntegerConvolution(weight, dilation)
