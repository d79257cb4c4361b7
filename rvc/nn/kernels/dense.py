"""Matrix products over frames, (n, in) → (n, out), with the weight packed once for this machine.

With AMX, rvc.nn.kernels.amx computes them. Elsewhere oneDNN's product over a packed weight is a third faster than the
default BLAS, for every number of frames. Both apply an activation before the result leaves the cache. Where there is
neither, the same object calls torch's linear.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rvc.nn.kernels import amx
from rvc.nn.kernels.amx import TERMS
from rvc.nn.kernels.onednn import has_packed_products, packs_bfloat16

TYPICAL_FRAMES = 1024  # the number of frames that oneDNN's layout is chosen for; any number can be computed
PACKING = has_packed_products()


def on_amx(device: torch.device) -> bool:
    """Whether products on this device are computed on AMX."""
    return device.type == "cpu" and amx.available()


def must_widen(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether weights of this type can only be held on this device, and are widened to float32 for each product."""
    return dtype == torch.bfloat16 and device.type == "cpu" and PACKING and not packs_bfloat16()


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

        On AMX, `dtype` bfloat16 is the type of the products alone: frames are float32 before and after. On a CPU
        without bfloat16 arithmetic the weight is held in bfloat16 and widened for each call, and all else is float32.

        Args:
            weight: float (out, width·in).
            bias: float (out,) or None.
            dtype: the type to compute in, and of the result.
            width: consecutive frames that one product reads.
            stride: frames from one product to the next.
            terms: bfloat16 terms per number on AMX, by default those of `dtype`.
        """
        super().__init__()
        self.width, self.stride, self.on_amx = width, stride, on_amx(weight.device)
        self.widened = must_widen(dtype, weight.device) and not self.on_amx
        self.dtype = torch.float32 if self.on_amx or self.widened else dtype
        self.bias = None if bias is None else bias.to(self.dtype, copy=True)
        self.packed = PACKING and weight.device.type == "cpu" and not self.on_amx and not self.widened
        ops: Any = torch.ops
        if self.on_amx:
            taps = weight.reshape(len(weight), width, -1).transpose(0, 1)
            self.split_product = amx.SplitProduct(taps, tuple(range(width)), terms or TERMS[dtype])
            return
        plain = weight.to(dtype).contiguous()
        self.weight = ops.mkldnn._reorder_linear_weight(plain, TYPICAL_FRAMES) if self.packed else plain.clone()

    def forward(self, frames: Tensor, gelu: bool = False) -> Tensor:
        """Multiply frames.

        Args:
            frames: float (n, in), of any strides.
            gelu: whether the exact GELU is applied to the result.
        Returns:
            `dtype` ((n − width) // stride + 1, out).
        """
        frames = frames.to(self.dtype)
        if self.on_amx:
            return self.split_product(frames, self.bias, stride=self.stride, gelu=gelu)
        if self.width > 1:
            frames = unfold_frames(frames, self.width, self.stride)
        if self.packed:
            ops: Any = torch.ops
            activation, variant = ("gelu", "none") if gelu else ("none", "")  # variant "none" is the exact GELU
            product: Tensor = ops.mkldnn._linear_pointwise(frames, self.weight, self.bias, activation, [], variant)
            return product
        product = F.linear(frames, self.weight.to(self.dtype), self.bias)
        return torch.ops.aten.gelu_(product) if gelu else product


def unfold_frames(frames: Tensor, width: int, stride: int) -> Tensor:
    """Every `stride`, `width` consecutive frames as one: (T, c) → ((T − width) // stride + 1, width·c); no copy."""
    count, channels = (len(frames) - width) // stride + 1, frames.shape[1]
    return frames.as_strided((count, width * channels), (stride * channels, 1), frames.storage_offset())
