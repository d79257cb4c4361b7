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
TYPICAL_IMAGE = (64, 16)  # frames and bands that an image's layout is chosen for: the middle level of RMVPE
TYPICAL_PRODUCT_FRAMES = 1024  # frames that a product's layout is chosen for; any number can be computed

ADD: tuple[Any, ...] = ("add", 1.0, None, [], None)  # the sum with a result that is there already, no activation


class PackedConvolution(Convolution):
    """oneDNN's convolution over a packed weight."""

    def __init__(self, weight: Tensor, dilation: int, dtype: torch.dtype) -> None:
        self.signal_dtype, self.dilation, self.in_channels = dtype, dilation, weight.shape[1]
        self.packed_short: dict[tuple[int, int], Tensor] = {}  # (T, pad) → the weight as packed for that length
        ops: Any = torch.ops
        # Without a length, oneDNN packs bfloat16 in a layout that no convolution of a long signal uses.
        expected = [] if dtype == torch.float32 else [[1, self.in_channels, 1, TYPICAL_FRAMES]]
        self.weight: Tensor = ops.mkldnn._reorder_convolution_weight(
            weight.to(dtype).contiguous(), [0, 0], [1, 1], [1, dilation], 1, *expected
        )

    def plain(self) -> Tensor:
        """See `Convolution.plain`."""
        return self.weight.to_dense().float()

    def packed_for(self, length: int, pad: int) -> Tensor:
        """The packed weight for a signal (length, in).

        oneDNN uses other layouts for short signals. A weight in the usual layout would be rearranged at every call,
        which takes 20 to 50 times as long as the convolution. So weights for the last few short lengths are held.
        """
        if length > SHORT_FRAMES[self.signal_dtype]:
            return self.weight
        weight: Tensor | None = self.packed_short.get((length, pad))
        if weight is None:
            ops: Any = torch.ops
            weight = ops.mkldnn._reorder_convolution_weight(
                self.plain().to(self.signal_dtype).contiguous(),
                [0, pad],
                [1, 1],
                [1, self.dilation],
                1,
                [1, self.in_channels, 1, length],
            )
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
        ops: Any = torch.ops
        plain = weight.contiguous()
        # Without a size, oneDNN packs for AVX2 in a layout that no large image uses, and rearranges it at every call:
        # 31 convolutions of 512 channels took 3.2 s in this way, 60 % of the time of RMVPE on 8 s of sound.
        expected = [1, plain.shape[1], *TYPICAL_IMAGE]
        self.weight = ops.mkldnn._reorder_convolution_weight(plain, self.padding, self.stride, [1, 1], 1, expected)

    def __call__(self, image: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
        """See `ImageConvolution.__call__`."""
        image = image.contiguous(memory_format=torch.channels_last)
        ops: Any = torch.ops
        operands = (image, self.weight, bias, self.padding, self.stride, [1, 1], 1)
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
