"""The backend onednn: weights packed once by oneDNN, with activations and sums fused into the product."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.nn.kernels import onednn
from rvc.nn.kernels.backends.backend import Backend, Convolution, ImageConvolution, Operation, Product, Task
from rvc.nn.kernels.layout import as_frames, as_image, unfold_frames

# Frames up to which oneDNN wants a weight packed for just that length. In a stream this concerns the flow (55 frames)
# and, in bfloat16, whose layouts change up to some 300 frames, the encoder.
SHORT_FRAMES = {torch.float32: 128, torch.bfloat16: 512}
SHORT_LAYOUTS = 2  # weights packed for short signals that a convolution holds at a time
TYPICAL_FRAMES = 2048  # frames for which a bfloat16 weight is packed where the signal is not short
TYPICAL_PRODUCT_FRAMES = 1024  # frames that a product's layout is chosen for; any number can be computed

ADD: tuple[Any, ...] = ("add", 1.0, None, [], None)  # the sum with a result that is there already, no activation


class PackedWeight:
    """A convolution's weight, packed when it is first used, for the size of that signal.

    oneDNN chooses a layout by the size of the signal and the number of threads, and rearranges a weight in another
    layout at every call. On AVX2, weights packed without a size took a fifth of the synthesizer's time for 4 s of sound
    in this way, and 60 % of RMVPE's for 8 s. A later signal that wants another layout is computed with the same bits.
    """

    def __init__(self, weight: Tensor, stride: list[int], dilation: list[int]) -> None:
        """Nothing is packed yet.

        Args:
            weight: (out, in, kernel height, kernel width), which nothing overwrites afterwards.
            stride, dilation: along height and width.
        """
        self.stride, self.dilation = stride, dilation
        self._packed: Tensor | None = None
        self._unpacked: Tensor | None = weight.contiguous(memory_format=torch.channels_last)

    def plain(self) -> Tensor:
        """The weight (out, in, kernel height, kernel width), as it was."""
        weight = self._unpacked  # None where another thread has packed it since
        if weight is not None:
            return weight
        assert self._packed is not None
        return self._packed.to_dense()

    def packed(self, size: list[int], padding: list[int]) -> Tensor:
        """The weight as it was packed for the first signal that was asked for.

        Args:
            size: of the signal, [1, in, height, width].
            padding: along height and width.
        """
        weight = self._packed
        if weight is None:
            weight = self._packed = self.packed_for(size, padding)
            self._unpacked = None  # after `_packed` is there, since other threads may be reading
        return weight

    def packed_for(self, size: list[int], padding: list[int]) -> Tensor:
        """A copy of the weight, packed for a signal; the arguments are those of `packed`."""
        ops: Any = torch.ops
        weight: Tensor = ops.mkldnn._reorder_convolution_weight(
            self.plain(), padding, self.stride, self.dilation, 1, size
        )
        return weight


class PackedConvolution(Convolution):
    """oneDNN's convolution over a packed weight."""

    def __init__(self, weight: Tensor, dilation: int, dtype: torch.dtype) -> None:
        self.signal_dtype, self.dilation, self.in_channels = dtype, dilation, weight.shape[1]
        self.packed_short: dict[tuple[int, int], Tensor] = {}  # (T, pad) → the weight as packed for that length
        # A copy, so that the pages of a mapped file can be released.
        copy = weight.to(dtype).clone(memory_format=torch.channels_last)
        self.weight = PackedWeight(copy, [1, 1], [1, dilation])
        if dtype == torch.bfloat16:
            self.weight.packed([1, self.in_channels, 1, TYPICAL_FRAMES], [0, 0])

    def plain(self) -> Tensor:
        """See `Convolution.plain`."""
        return self.weight.plain().float().contiguous()

    def packed_for(self, length: int, pad: int) -> Tensor:
        """The packed weight for a signal (length, in).

        oneDNN uses other layouts for short signals. A weight in the usual layout would be rearranged at every call,
        which takes 20 to 50 times as long as the convolution. So weights for the last few short lengths are held.
        """
        size, padding = [1, self.in_channels, 1, length], [0, pad]
        if length > SHORT_FRAMES[self.signal_dtype]:
            return self.weight.packed(size, padding)
        weight: Tensor | None = self.packed_short.get((length, pad))
        if weight is None:
            weight = self.weight.packed_for(size, padding)
            for old in list(self.packed_short)[: -SHORT_LAYOUTS + 1]:  # other threads hold the weights they use
                self.packed_short.pop(old, None)
            self.packed_short[length, pad] = weight
        return weight

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
        ops: Any = torch.ops
        activation = ("none", []) if slope is None else ("leaky_relu", [slope])
        operands = (as_image(x), self.packed_for(x.shape[0], pad), bias)
        return as_frames(ops.mkldnn._convolution_pointwise(*operands, *self._geometry(pad), *activation, ""))

    def add_to(
        self, addend: Tensor, x: Tensor, bias: Tensor | None, pad: int = 0, slope_before: float | None = None
    ) -> Tensor:
        """See `Convolution.add_to`."""
        x = x if slope_before is None else F.leaky_relu(x, slope_before)
        ops: Any = torch.ops
        operands = (as_image(addend), as_image(x), self.packed_for(x.shape[0], pad), bias)
        return as_frames(ops.mkldnn._convolution_pointwise_.binary(*operands, *self._geometry(pad), *ADD))

    def sum_with(
        self, addend: Tensor, x: Tensor, bias: Tensor | None, pad: int = 0, slope_before: float | None = None
    ) -> Tensor:
        """See `Convolution.sum_with`."""
        x = x if slope_before is None else F.leaky_relu(x, slope_before)
        ops: Any = torch.ops
        operands = (as_image(x), as_image(addend), self.packed_for(x.shape[0], pad), bias)
        return as_frames(ops.mkldnn._convolution_pointwise.binary(*operands, *self._geometry(pad), *ADD))

    def _geometry(self, pad: int) -> tuple[Any, ...]:
        """Padding, stride, dilation and groups, as oneDNN's operators take them."""
        return [0, pad], [1, 1], [1, self.dilation], 1


class PackedProduct(Product):
    """oneDNN's matrix product over a packed weight, a third faster than the default BLAS."""

    def __init__(self, weight: Tensor, width: int, stride: int, dtype: torch.dtype) -> None:
        self.width, self.stride, self.signal_dtype = width, stride, dtype
        ops: Any = torch.ops
        self.weight = ops.mkldnn._reorder_linear_weight(weight.to(dtype).contiguous(), TYPICAL_PRODUCT_FRAMES)

    def __call__(self, frames: Tensor, bias: Tensor | None, gelu: bool = False) -> Tensor:
        """See `Product.__call__`."""
        if self.width > 1:
            frames = unfold_frames(frames, self.width, self.stride)
        ops: Any = torch.ops
        activation, variant = ("gelu", "none") if gelu else ("none", "")  # variant "none" is the exact GELU
        product: Tensor = ops.mkldnn._linear_pointwise(frames, self.weight, bias, activation, [], variant)
        return product


class PackedImage(ImageConvolution):
    """oneDNN's convolution of an image over a packed weight."""

    def __init__(self, weight: Tensor, padding: tuple[int, int], stride: tuple[int, int]) -> None:
        self.padding, self.stride = [*padding], [*stride]
        self.weight = PackedWeight(weight, self.stride, [1, 1])

    def __call__(self, image: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
        """See `ImageConvolution.__call__`."""
        image = image.contiguous(memory_format=torch.channels_last)
        ops: Any = torch.ops
        weight = self.weight.packed([*image.shape], self.padding)
        operands = (image, weight, bias, self.padding, self.stride, [1, 1], 1)
        result: Tensor = ops.mkldnn._convolution_pointwise(*operands, "relu" if relu else "none", [], "")
        return result


class PackedBackend(Backend):
    """oneDNN over packed weights."""

    name = "onednn"
    title = "oneDNN over packed weights"

    def computes(self, task: Task) -> bool:
        """Convolutions and products in float32, and in bfloat16 where oneDNN packs it on this processor."""
        if not task.is_on_cpu:
            return False
        if task.operation is Operation.IMAGE:
            return onednn.has_packed_products() and onednn.has_fused_convolutions() and task.dtype == torch.float32
        has = {Operation.PRODUCT: onednn.has_packed_products}
        has |= {operation: onednn.has_fused_convolutions for operation in Operation if operation.is_in_time}
        if task.operation not in has or not has[task.operation]():
            return False
        return task.dtype == torch.float32 or (task.dtype == torch.bfloat16 and onednn.packs_bfloat16())

    def convolution(self, task: Task, weight: Tensor, dilation: int) -> Convolution:
        """See `Backend.convolution`."""
        return PackedConvolution(weight, dilation, task.dtype)

    def product(self, task: Task, weight: Tensor, stride: int, terms: int | None) -> Product:
        """See `Backend.product`."""
        return PackedProduct(weight, task.width, stride, task.dtype)

    def image(self, task: Task, weight: Tensor, padding: tuple[int, int], stride: tuple[int, int]) -> ImageConvolution:
        """See `Backend.image`."""
        return PackedImage(weight, padding, stride)
