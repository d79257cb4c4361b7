"""Convolutions in time over frames: every network here holds its signal as (T, C), one frame or sample after the other.

That is the channels-last layout, which oneDNN computes fastest. A range of frames is a slice without a copy, and a
matrix product is a convolution of width 1 (the default BLAS reaches half of that speed in float32).

With AMX, float32 and bfloat16 are computed by rvc.nn.kernels.amx. On other CPUs with oneDNN the weights are packed once
and activations are fused. Elsewhere the same object calls torch.conv2d.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.errors import BadCheckpoint, BadInput
from rvc.nn.kernels import amx
from rvc.nn.kernels.amx import TERMS
from rvc.nn.kernels.bfloat16_weight import Bfloat16Weight
from rvc.nn.kernels.int8 import Int8
from rvc.nn.kernels.onednn import has_fused_convolutions, has_integer_convolutions, packs_bfloat16
from rvc.weights.mapped_file import MappedTensors

# Frames up to which oneDNN wants a weight packed for just that length. In a stream this concerns the flow (55 frames)
# and, in bfloat16, whose layouts change up to some 300 frames, the encoder.
SHORT_FRAMES = {torch.float32: 128, torch.bfloat16: 512}
SHORT_LAYOUTS = 2  # weights packed for short signals that a convolution holds at a time
TYPICAL_FRAMES = 2048  # frames for which a bfloat16 weight is packed where the signal is not short
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}
FUSED = has_fused_convolutions()


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
            dtype: the type in which convolutions made of these weights compute: float32, bfloat16 or int8.
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
        tensor = tensor.detach().to(self.device, torch.float32)
        if not torch.isfinite(tensor.sum()) and not torch.isfinite(tensor).all():  # the sum is cheap, and may overflow
            raise BadCheckpoint(
                f"the voice's tensor {name} holds NaN or infinity; its training failed, or it is damaged"
            )
        return tensor

    def folded(self, name: str) -> Tensor:
        """The plain weight of a weight-normed layer: v·g/‖v‖, the norm over all axes but the first, in float32."""
        v, g = self[f"{name}.weight_v"], self[f"{name}.weight_g"]
        return torch._weight_norm(v, g, 0)

    def conv(self, name: str, dilation: int = 1, normed: bool = False) -> Conv:
        """The convolution `name` with its bias; the pages of a mapped file are released once it is packed."""
        weight = self.folded(name) if normed else self[f"{name}.weight"]
        conv = Conv(weight, self[f"{name}.bias"], dilation, self.dtype)
        if isinstance(self.tensors, MappedTensors):
            self.tensors.release_pages()
        return conv


class Conv:
    """A convolution in time, stride 1, without padding by default: frames (T, in) → (T − (k − 1)·dilation, out)."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, dilation: int = 1, dtype: torch.dtype = torch.float32
    ) -> None:
        """Pack a weight.

        Args:
            weight: float32 (out, in, k).
            bias: float32 (out,) or None.
            dilation: frames from one tap to the next.
            dtype: the type to compute in: float32, bfloat16 or int8.
        Raises:
            BadInput: this build of torch has no int8.
        """
        self.out_channels, self.in_channels, self.width = weight.shape
        self.dilation = dilation
        self.reach = (self.width - 1) * dilation // 2  # frames lost at each side (odd widths)
        self.bias = bias
        self.packed_short: dict[tuple[int, int], Tensor] = {}  # (T, pad) → the weight as packed for that length
        self._pack(weight[:, :, None, :], dtype)

    def _pack(self, weight: Tensor, dtype: torch.dtype) -> None:
        """Choose the kernel for a weight, float32 (out, in, 1, k), and pack it."""
        self.dtype = dtype
        cpu = weight.device.type == "cpu"
        wide = min(self.out_channels, self.in_channels) >= amx.TILE_SIDE
        on_amx = cpu and dtype in TERMS and wide and amx.available()
        widened = FUSED and cpu and dtype == torch.bfloat16 and not on_amx and not packs_bfloat16()
        self.signal_dtype = torch.float32 if on_amx or widened or dtype == torch.int8 else dtype
        if self.bias is not None:
            self.bias = self.bias.to(self.signal_dtype)
        self.packed = FUSED and cpu and self.dtype != torch.int8 and not on_amx and not widened
        self.bfloat16: Bfloat16Weight | None = None
        self.split_product: amx.SplitProduct | None = None
        self.int8: Int8 | None = None
        if on_amx:
            offsets = tuple(range(0, self.width * self.dilation, self.dilation))
            self.split_product = amx.SplitProduct(weight[:, :, 0].permute(2, 0, 1), offsets, TERMS[dtype])
            self.weight = weight.new_empty(0)  # a slice of the weight would hold all of it
        elif self.dtype == torch.int8:
            if not (cpu and has_integer_convolutions()):
                raise BadInput("int8 needs a CPU build of torch with oneDNN; choose --precision float32 or bfloat16")
            self.int8 = Int8(weight, self.dilation)
            self.weight = weight.new_empty(0)  # a slice of the weight would hold all of it
        elif widened:
            self.bfloat16 = Bfloat16Weight(weight[:, :, 0], self.dilation)
            self.weight = weight.new_empty(0)  # a slice of the weight would hold all of it
        elif self.packed:
            ops: Any = torch.ops
            plain = weight.to(self.dtype).contiguous()
            # Without a length, oneDNN packs bfloat16 in a layout that no convolution of a long signal uses.
            expected = [] if self.dtype == torch.float32 else [[1, self.in_channels, 1, TYPICAL_FRAMES]]
            self.weight = ops.mkldnn._reorder_convolution_weight(
                plain, [0, 0], [1, 1], [1, self.dilation], 1, *expected
            )
            self.packed_short.clear()
        else:
            self.weight = weight.to(self.dtype).contiguous(memory_format=torch.channels_last)

    @property
    def is_float32(self) -> bool:
        """Whether it computes in float32."""
        return self.dtype == torch.float32

    @property
    def prefers_pieces(self) -> bool:
        """Whether a long signal is computed faster in pieces that stay in the cache, each of which has a fixed cost."""
        return self.split_product is not None and self.is_float32

    def plain(self) -> Tensor:
        """The weight as it is computed with, float32 (out, in, 1, k)."""
        if self.int8 is not None:
            return self.int8.plain()
        if self.split_product is not None:
            return self.split_product.plain().permute(1, 2, 0)[:, :, None].contiguous()
        if self.bfloat16 is not None:
            return self.bfloat16.plain()[:, :, None]
        plain: Tensor = self.weight.to_dense() if self.packed else self.weight
        return plain.float()

    def packed_for(self, length: int, pad: int) -> Tensor:
        """The packed weight for a signal (length, in).

        oneDNN uses other layouts for short signals. A weight in the usual layout would be rearranged at every call,
        which takes 20 to 50 times as long as the convolution. So weights for the last few short lengths are held.
        """
        if length > SHORT_FRAMES[self.dtype]:
            usual: Tensor = self.weight
            return usual
        weight: Tensor | None = self.packed_short.get((length, pad))
        if weight is None:
            ops: Any = torch.ops
            weight = ops.mkldnn._reorder_convolution_weight(
                self.plain().to(self.dtype).contiguous(),
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
        if self.split_product is not None:
            before, after = slope_or_one(slope_before), slope_or_one(slope)
            return self.split_product(x, self.bias, pad=pad, slope_before=before, slope_after=after)
        x = x if slope_before is None else F.leaky_relu(x, slope_before)
        if self.packed:
            ops: Any = torch.ops
            attr, scalars = ("none", []) if slope is None else ("leaky_relu", [slope])
            y = ops.mkldnn._convolution_pointwise(
                as_image(x),
                self.packed_for(x.shape[0], pad),
                self.bias,
                [0, pad],
                [1, 1],
                [1, self.dilation],
                1,
                attr,
                scalars,
                "",
            )
            return as_frames(y)
        if self.int8 is not None:
            y = as_frames(self.int8(as_image(x), self.bias, pad))
        elif self.bfloat16 is not None:
            y = self.bfloat16(x, self.bias, pad)
        else:
            y = as_frames(F.conv2d(as_image(x), self.weight, self.bias, 1, (0, pad), (1, self.dilation)))
        return y if slope is None else F.leaky_relu_(y, slope)

    def add_to(self, addend: Tensor, x: Tensor, pad: int = 0, slope_before: float | None = None) -> Tensor:
        """Add this convolution of `x` to `addend` in place.

        Args:
            addend: `signal_dtype` (T + 2·pad − (k − 1)·dilation, out), overwritten.
            x, pad, slope_before: as in `__call__`.
        Returns:
            `addend`.
        """
        if self.split_product is not None:
            before = slope_or_one(slope_before)
            return self.split_product(x, self.bias, pad=pad, slope_before=before, addend=addend, out=addend)
        x = x if slope_before is None else F.leaky_relu(x, slope_before)
        if self.packed:
            ops: Any = torch.ops
            y = ops.mkldnn._convolution_pointwise_.binary(
                as_image(addend),
                as_image(x),
                self.packed_for(x.shape[0], pad),
                self.bias,
                [0, pad],
                [1, 1],
                [1, self.dilation],
                1,
                "add",
                1.0,
                None,
                [],
                None,
            )
            return as_frames(y)
        if self.int8 is not None:
            return as_frames(self.int8(as_image(x), self.bias, pad, as_image(addend)))
        return addend.add_(self(x, pad))

    def sum_with(self, addend: Tensor, x: Tensor, pad: int = 0, slope_before: float | None = None) -> Tensor:
        """The same sum as `add_to`, to the bit, in new memory."""
        if self.split_product is not None:
            return self.split_product(x, self.bias, pad=pad, slope_before=slope_or_one(slope_before), addend=addend)
        if not self.packed:
            return self.add_to(addend.clone(), x, pad, slope_before)
        x = x if slope_before is None else F.leaky_relu(x, slope_before)
        ops: Any = torch.ops
        y = ops.mkldnn._convolution_pointwise.binary(
            as_image(x),
            as_image(addend),
            self.packed_for(x.shape[0], pad),
            self.bias,
            [0, pad],
            [1, 1],
            [1, self.dilation],
            1,
            "add",
            1.0,
            None,
            [],
            None,
        )
        return as_frames(y)

    def same(self, x: Tensor) -> Tensor:
        """Convolve with zeros beyond both ends, so that the result has as many frames as `x`."""
        return self(x, self.reach)


def slope_or_one(slope: float | None) -> float:
    """The slope of a LeakyReLU below zero; 1 where there is none."""
    return 1.0 if slope is None else slope


def as_image(x: Tensor) -> Tensor:
    """Frames (T, C) as a channels-last image (1, C, 1, T); no copy."""
    return x.unsqueeze(0).unsqueeze(0).permute(0, 3, 1, 2)


def as_frames(image: Tensor) -> Tensor:
    """A channels-last image (1, C, 1, T) as frames (T, C); no copy."""
    return image.permute(0, 2, 3, 1)[0, 0]


def to_frames(x: Tensor) -> Tensor:
    """A tensor (1, C, T), the layout of the reference, as contiguous frames (T, C)."""
    return x[0].t().contiguous()


def from_frames(x: Tensor) -> Tensor:
    """Frames (T, C) as a contiguous tensor (1, C, T), the layout of the reference."""
    return x.t().contiguous().unsqueeze(0)
