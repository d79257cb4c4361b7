"""Classes of shapes: tasks that are measured once and share a backend."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rvc.nn.kernels.backends.backend import Operation, Task

PRECISION_NAMES = {
    torch.float32: "float32",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
    torch.int8: "int8",
}


@dataclass(frozen=True)
class ShapeClass:
    """An operation, its type and device, the channels to the next power of two, and the taps.

    Attributes:
        operation: the operation's value.
        dtype: such as "float32".
        device: such as "cpu".
        channels: the smaller of input and output channels, rounded up to a power of two.
        width: taps.
    """

    operation: str
    dtype: str
    device: str
    channels: int
    width: int

    @classmethod
    def of(cls, task: Task) -> ShapeClass:
        """The class of a task."""
        smaller = min(task.out_channels, task.in_channels)
        operation = task.operation
        channels = 1 << max(smaller - 1, 0).bit_length()
        width = task.width if operation in (Operation.RESIDUAL, Operation.CONVOLUTION, Operation.PRODUCT) else 1
        return cls(operation.value, PRECISION_NAMES[task.dtype], task.device, channels, width)

    def __str__(self) -> str:
        return f"{self.operation} {self.dtype} {self.device} {self.channels}x{self.width}"

    @classmethod
    def parse(cls, text: str) -> ShapeClass:
        """The class that `str` wrote.  Raises ValueError for other text."""
        operation, dtype, device, size = text.rsplit(" ", 3)
        channels, width = size.split("x")
        return cls(Operation(operation).value, dtype, device, int(channels), int(width))
