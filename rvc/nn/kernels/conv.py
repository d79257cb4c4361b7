"""Convolutions in time over frames: every network here holds its signal as (T, C), one frame or sample after the other.

That is the channels-last layout, which oneDNN computes fastest. A range of frames is a slice without a copy, and a
matrix product is a convolution of width 1 (the default BLAS reaches half of that speed in float32). A backend of
rvc.nn.kernels.backends computes each convolution.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.kernels.backends.backend import Operation, Task
from rvc.nn.kernels.backends.selection import choose
from rvc.weights.mapped_file import MappedTensors

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.int8,
}
ON_GPU_ONLY = ("float16",)  # precisions that processors compute slower than float32


class Weights:
    """A voice's tensors by name, as float32 on the device where the networks run."""

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Nothing is read yet.

        Args:
            tensors: name → tensor of any float type, as in the file; weight norm as `weight_g` and `weight_v`.
            device: where the networks run.
            dtype: the type in which convolutions made of these weights compute: float32, bfloat16, float16 or int8.
        """
        self.tensors = tensors
        self.device = torch.device(device)
        self.dtype = dtype

    @property
    def signal_dtype(self) -> torch.dtype:
        """The type of the signal between convolutions: float32 also where they compute in int8."""
        return torch.float32 if self.dtype == torch.int8 else self.dtype

    def to(self, dtype: torch.dtype) -> Weights:
        """The same tensors for convolutions that compute in `dtype`."""
        return Weights(self.tensors, self.device, dtype)

    def __getitem__(self, name: str) -> Tensor:
        """The tensor `name`, float32; raises BadCheckpoint where it is missing or holds NaN or infinity."""
        try:
            tensor = self.tensors[name]
        except KeyError:
            raise BadCheckpoint(f"the voice lacks the tensor {name}; is it a complete RVC model?") from None
        source = tensor.detach()
        tensor = source.to(self.device, torch.float32)
        # A result on another device would have to be waited for, so what is in main memory is checked there.
        checked = tensor if self.device.type == "cpu" else source
        if (
            not torch.isfinite(checked.sum()) and not torch.isfinite(checked).all()
        ):  # the sum is cheap, and may overflow
            raise BadCheckpoint(
                f"the voice's tensor {name} holds NaN or infinity; its training failed, or it is damaged"
            )
        return tensor

    def folded(self, name: str) -> Tensor:
        """The plain weight of a weight-normed layer: v·g/‖v‖, the norm over all axes but the first, in float32."""
        v, g = self[f"{name}.weight_v"], self[f"{name}.weight_g"]
        return torch._weight_norm(v, g, 0)

    def conv(
        self,
        name: str,
        dilation: int = 1,
        normed: bool = False,
        operation: Operation = Operation.CONVOLUTION,
    ) -> Conv:
        """The convolution `name` with its bias; the pages of a mapped file are released once it is packed."""
        weight = self.folded(name) if normed else self[f"{name}.weight"]
        conv = Conv(weight, self[f"{name}.bias"], dilation, self.dtype, operation)
        if isinstance(self.tensors, MappedTensors):
            self.tensors.release_pages()
        return conv


class Conv:
    """A convolution in time, stride 1, without padding by default: frames (T, in) → (T − (k − 1)·dilation, out)."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        dilation: int = 1,
        dtype: torch.dtype = torch.float32,
        operation: Operation = Operation.CONVOLUTION,
    ) -> None:
        """Pack a weight.

        Args:
            weight: float32 (out, in, k).
            bias: float32 (out,) or None.
            dilation: frames from one tap to the next.
            dtype: the type to compute in: float32, bfloat16, float16 or int8.
            operation: CONVOLUTION, or RESIDUAL in the generator's residual blocks.
        Raises:
            BadInput: this build of torch has no int8.
        """
        self.out_channels, self.in_channels, self.width = weight.shape
        self.dilation = dilation
        self.reach = (self.width - 1) * dilation // 2  # frames lost at each side (odd widths)
        self.operation = operation
        self.bias = bias
        self._pack(weight[:, :, None, :], dtype)

    def _pack(self, weight: Tensor, dtype: torch.dtype) -> None:
        """Choose the backend for a weight, float32 (out, in, 1, k), and pack it."""
        self.dtype = dtype
        device = weight.device.type
        task = Task(self.operation, self.out_channels, self.in_channels, self.width, dtype, device)
        self.backend = choose(task)
        self.kernel = self.backend.convolution(task, weight, self.dilation)
        self.signal_dtype = self.kernel.signal_dtype
        if self.bias is not None:
            self.bias = self.bias.to(self.signal_dtype)

    def plain(self) -> Tensor:
        """The weight as it is computed with, float32 (out, in, 1, k)."""
        return self.kernel.plain()

    def to_precision(self, dtype: torch.dtype) -> None:
        """Compute in `dtype` from now on; what bfloat16 or int8 has rounded stays rounded."""
        if dtype == self.dtype:
            return
        self._pack(self.plain(), dtype)

    def __call__(
        self, x: Tensor, pad: int = 0, slope: float | None = None, slope_before: float | None = None
    ) -> Tensor:
        """Convolve frames.

        Args:
            x: `signal_dtype` (T, in).
            pad: zero frames added at either end.
            slope: the slope of a LeakyReLU on the result, None for none.
            slope_before: the slope of a LeakyReLU on the signal, None for none.
        Returns:
            `signal_dtype` (T + 2·pad − (k − 1)·dilation, out).
        """
        return self.kernel(x, self.bias, pad, slope, slope_before)

    def add_to(self, addend: Tensor, x: Tensor, pad: int = 0, slope_before: float | None = None) -> Tensor:
        """Add this convolution of `x` to `addend` in place.

        Args:
            addend: `signal_dtype` (T + 2·pad − (k − 1)·dilation, out), overwritten.
            x, pad, slope_before: as in `__call__`.
        Returns:
            `addend`.
        """
        return self.kernel.add_to(addend, x, self.bias, pad, slope_before)

    def sum_with(self, addend: Tensor, x: Tensor, pad: int = 0, slope_before: float | None = None) -> Tensor:
        """The same sum as `add_to`, to the bit, in new memory."""
        return self.kernel.sum_with(addend, x, self.bias, pad, slope_before)

    def same(self, x: Tensor) -> Tensor:
        """Convolve with zeros beyond both ends, so that the result has as many frames as `x`."""
        return self(x, self.reach)
