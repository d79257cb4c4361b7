"""Matrix products over frames, (n, in) → (n, out), with the weight packed once for this machine.

A backend of rvc.nn.kernels.backends computes each product, with its activation where it has one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rvc.nn.kernels.backends.backend import Operation, Task
from rvc.nn.kernels.backends.selection import choose


class Dense(nn.Module):
    """A matrix product with a bias. Its weight is no torch parameter, because a packed weight is no ordinary tensor."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        dtype: torch.dtype = torch.float32,
        *,
        width: int = 1,
        stride: int = 1,
        terms: int | None = None,
    ) -> None:
        """Pack a weight.

        Args:
            weight: float (out, width·in).
            bias: float (out,) or None.
            dtype: the type to compute in. Frames and results have the backend's type, which is float32 on AMX and on a
                CPU without bfloat16 arithmetic.
            width: consecutive frames that one product reads.
            stride: frames from one product to the next.
            terms: bfloat16 terms per number on AMX, by default those of `dtype`.
        """
        super().__init__()
        out, columns = weight.shape
        task = Task(Operation.PRODUCT, out, columns // width, width, dtype, weight.device.type)
        self.backend = choose(task)
        self.kernel = self.backend.product(task, weight, stride, terms)
        self.dtype = self.kernel.signal_dtype
        self.bias = None if bias is None else bias.to(self.dtype, copy=True)

    def forward(self, frames: Tensor, gelu: bool = False) -> Tensor:
        """Multiply frames.

        Args:
            frames: float (n, in), of any strides.
            gelu: whether the exact GELU is applied to the result.
        Returns:
            `dtype` ((n − width) // stride + 1, out).
        """
        return self.kernel(frames.to(self.dtype), self.bias, gelu)


class Grouped:
    """A convolution in groups of channels and its GELU: frames (n, c) → (n + 2·(k // 2) − k + 1, c)."""

    def __init__(self, weight: Tensor, groups: int, dtype: torch.dtype = torch.float32) -> None:
        """Pack a weight, float32 (out, in, 1, k), for products in `dtype`."""
        out, into, _, width = weight.shape
        task = Task(Operation.GROUPED, out, into, width, dtype, weight.device.type)
        self.backend = choose(task)
        self.kernel = self.backend.grouped(task, weight, groups)

    def __call__(self, frames: Tensor, bias: Tensor) -> Tensor:
        """Convolve float32 frames with a bias (c,), with k // 2 zero frames at either side; the result is float32."""
        return self.kernel(frames, bias)


def attend(q: Tensor, k: Tensor, v: Tensor, terms: int) -> Tensor:
    """Attention of every frame to every frame, without a mask or a relative bias.

    Args:
        q, k, v: float (n, heads, width).
        terms: bfloat16 terms per number on AMX.
    Returns:
        (n, heads, width) of the inputs' type.
    """
    task = Task(Operation.ATTENTION, q.shape[1], q.shape[2], dtype=q.dtype, device=q.device.type)
    return choose(task).attend(q, k, v, terms)
