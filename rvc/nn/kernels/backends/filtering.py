"""The backends fast-1 and fast-2: oneDNN, and fast FIR filtering of one or two levels for long residual blocks.

rvc.nn.residual_blocks computes a long segment with `fast_fir.FastConv` where the chosen convolution states levels.
Short segments use the convolution itself, because packing the filters costs more than they save there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rvc.nn.kernels import onednn
from rvc.nn.kernels.backends.backend import Backend, Convolution, Operation, Task
from rvc.nn.kernels.backends.packed import PackedConvolution

NARROWEST = 7  # taps below which filtering saves too few products to pay for its additions


def pairing_levels(channels: int, width: int) -> int:
    """How many levels of fast FIR filtering the fixed order uses.

    The products saved grow with the width of the kernel; the cost of the additions grows with 1/channels. The limits
    were measured on the machine of docs/performance.md.
    """
    if channels * width < 64 * 11 or width < NARROWEST:
        return 0
    return 2 if channels >= 128 and width >= 11 else 1


class FilteringConvolution(PackedConvolution):
    """oneDNN's convolution, which long residual blocks replace by fast FIR filtering."""

    def __init__(self, weight: Tensor, dilation: int, levels: int) -> None:
        super().__init__(weight, dilation, torch.float32)
        self.filtering_levels = levels


class FilteringBackend(Backend):
    """Fast FIR filtering. It needs float32: rounding sums of weights to bfloat16 costs too much accuracy."""

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.name = f"fast-{levels}"
        self.title = f"fast FIR filtering of {'one level' if levels == 1 else 'two levels'} over oneDNN"

    def computes(self, task: Task) -> bool:
        """The residual blocks' wider convolutions, in float32."""
        if task.operation is not Operation.RESIDUAL or task.dtype != torch.float32 or not task.is_on_cpu:
            return False
        return onednn.has_fused_convolutions() and (task.width >= NARROWEST or self.is_usual(task))

    def is_usual(self, task: Task) -> bool:
        """Where `pairing_levels` gives this number of levels."""
        return pairing_levels(task.out_channels, task.width) == self.levels

    def convolution(self, task: Task, weight: Tensor, dilation: int) -> Convolution:
        """See `Backend.convolution`."""
        return FilteringConvolution(weight, dilation, self.levels)
