"""The interface of a backend: what it computes, and the kernels that it packs weights into.

A network asks `selection.choose` for the backend of a task, has it pack a weight once, and applies the packed kernel to
signals. To add a backend, write its file here and enter it in `kernel_registry.BACKENDS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor


class Operation(Enum):
    """The operations of the networks that have more than one implementation."""

    CONVOLUTION = "convolution"  # in time, over frames, of stride 1
    RESIDUAL = "residual block"  # the convolutions of the generator's residual blocks, most of a conversion's time
    FILTER = "filter"  # the convolutions that a residual block is divided into by fast FIR filtering
    PRODUCT = "product"  # a matrix product over frames
    GROUPED = "grouped convolution"  # HuBERT's positional convolution with its GELU
    IMAGE = "image convolution"  # of the F0 networks
    ATTENTION = "attention"  # HuBERT's

    @property
    def is_in_time(self) -> bool:
        """Whether it is a convolution in time, stride 1."""
        return self in (Operation.CONVOLUTION, Operation.RESIDUAL, Operation.FILTER)


@dataclass(frozen=True)
class Task:
    """What is to be computed: the operation and the sizes of its weight.

    Attributes:
        operation: one of the operations above.
        out_channels, in_channels: the channels of the weight; for attention, the number of heads and their width.
        width: taps in time of a convolution or a product, else 1.
        dtype: the type to compute in: float32, bfloat16, float16 or int8.
        device: the type of the device, such as "cpu".
    """

    operation: Operation
    out_channels: int
    in_channels: int
    width: int = 1
    dtype: torch.dtype = torch.float32
    device: str = "cpu"

    @property
    def is_on_cpu(self) -> bool:
        """Whether it is computed by the processor."""
        return self.device == "cpu"


class Convolution(ABC):
    """A packed convolution in time, stride 1: frames (T, in) → (T + 2·pad − (k − 1)·dilation, out).

    Attributes:
        signal_dtype: the type of the signal, the bias and the result.
        prefers_pieces: whether a long signal is computed faster in pieces that stay in the cache.
        filtering_levels: levels of fast FIR filtering that a long signal of a residual block is computed with; 0 for
            none.
    """

    signal_dtype = torch.float32
    prefers_pieces = False
    filtering_levels = 0

    @abstractmethod
    def plain(self) -> Tensor:
        """The weight as it is computed with, float32 (out, in, 1, k)."""

    @abstractmethod
    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None,
        pad: int = 0,
        slope: float | None = None,
        slope_before: float | None = None,
    ) -> Tensor:
        """Convolve frames.

        Args:
            x: `signal_dtype` (T, in).
            bias: `signal_dtype` (out,) or None.
            pad: zero frames added at either end.
            slope: the slope of a LeakyReLU on the result, None for none.
            slope_before: the slope of a LeakyReLU on the signal, None for none.
        """

    def add_to(
        self, addend: Tensor, x: Tensor, bias: Tensor | None, pad: int = 0, slope_before: float | None = None
    ) -> Tensor:
        """Add the convolution of `x` to `addend`, `signal_dtype` (T', out), in place, and return `addend`."""
        return addend.add_(self(x, bias, pad, None, slope_before))

    def sum_with(
        self, addend: Tensor, x: Tensor, bias: Tensor | None, pad: int = 0, slope_before: float | None = None
    ) -> Tensor:
        """The same sum as `add_to`, to the bit, in new memory."""
        return self.add_to(addend.clone(), x, bias, pad, slope_before)


class Product(ABC):
    """A packed matrix product over frames: (n, in) → ((n − width) // stride + 1, out).

    Attributes:
        signal_dtype: the type of the signal, the bias and the result.
    """

    signal_dtype = torch.float32

    @abstractmethod
    def __call__(self, frames: Tensor, bias: Tensor | None, gelu: bool = False) -> Tensor:
        """Multiply frames, `signal_dtype` (n, in); `gelu` applies the exact GELU to the result."""


class GroupedConvolution(ABC):
    """A packed convolution in groups of channels and its GELU: frames (n, c) → (n + 2·(k // 2) − k + 1, c)."""

    @abstractmethod
    def __call__(self, frames: Tensor, bias: Tensor) -> Tensor:
        """Convolve float32 frames, with k // 2 zero frames at either side; the result is float32."""


class ImageConvolution(ABC):
    """A packed convolution with an optional ReLU: image (1, in, h, w) → (1, out, h', w'), channels last on a CPU."""

    @abstractmethod
    def __call__(self, image: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
        """Convolve an image, float32 (1, in, h, w); one in another layout is copied to channels last."""


class Backend:
    """One way to compute tasks; a subclass overrides the methods of the operations that it has.

    Attributes:
        name: as in `--backend`.
        title: a phrase for the user.
    """

    name = ""
    title = ""

    def computes(self, task: Task) -> bool:
        """Whether this backend can compute a task on this machine."""
        raise NotImplementedError

    def is_usual(self, task: Task) -> bool:
        """Whether the fixed order takes this backend for a task that it can compute."""
        return True

    def convolution(self, task: Task, weight: Tensor, dilation: int) -> Convolution:
        """Pack the weight of a convolution in time, float32 (out, in, 1, k)."""
        raise NotImplementedError

    def product(self, task: Task, weight: Tensor, stride: int, terms: int | None) -> Product:
        """Pack the weight of a product, float (out, width·in).

        Args:
            task: the task; its `width` is the consecutive frames that one product reads.
            weight: the weight.
            stride: frames from one product to the next.
            terms: bfloat16 terms per number where numbers are split, by default those of the task's type.
        """
        raise NotImplementedError

    def grouped(self, task: Task, weight: Tensor, groups: int) -> GroupedConvolution:
        """Pack the weight of a grouped convolution, float32 (out, in, 1, k)."""
        raise NotImplementedError

    def image(self, task: Task, weight: Tensor, padding: tuple[int, int], stride: tuple[int, int]) -> ImageConvolution:
        """Pack the weight of an image convolution, float32 (out, in, height, width)."""
        raise NotImplementedError

    def attend(self, q: Tensor, k: Tensor, v: Tensor, terms: int) -> Tensor:
        """Attention of every frame to every frame, without a mask.

        Args:
            q, k, v: float (n, heads, width).
            terms: bfloat16 terms per number where numbers are split.
        Returns:
            (n, heads, width) of the inputs' type.
        """
        raise NotImplementedError
