"""Matrix products over frames, rows (n, a) → rows (n, b), with the weight laid out once for this machine.

On a processor with matrix tiles rvc.nn.kernels.amx computes them. Elsewhere oneDNN's product over a packed weight is a
third faster than the default BLAS, at every number of rows. Both apply an activation before their result leaves the
cache. Where there is neither, the same object calls torch's linear.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rvc.nn.kernels import amx
from rvc.nn.kernels.amx import LIMBS
from rvc.nn.kernels.onednn import has_packed_products, packs_bfloat16

ROWS = 1024  # a hint for the layout; any number of rows may come


PACKING = has_packed_products()


def on_tiles(device: torch.device) -> bool:
    """Whether products on this device are computed on tiles."""
    return device.type == "cpu" and amx.available()


def must_widen(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether weights of this type can only be held on this device, and are widened to float32 for each product."""
    return dtype == torch.bfloat16 and device.type == "cpu" and PACKING and not packs_bfloat16()


class Dense(nn.Module):
    """A matrix product with a bias; its weight is no parameter, since a packed one is no ordinary tensor."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        dtype: torch.dtype = torch.float32,
        *,
        width: int = 1,
        stride: int = 1,
        limbs: int | None = None,
    ) -> None:
        """weight : float (b, width·a);  bias : float (b,) or None;  dtype : what is computed in and given out.

        width, stride : of the windows of rows, side by side, that are multiplied
        limbs         : how near tiles come, as rvc.nn.kernels.amx has it; by default as near as `dtype` itself

        On tiles bfloat16 is what numbers are multiplied in; rows come and go in float32. On a CPU without bfloat16
        arithmetic the weight is held in bfloat16 and widened at each call, and everything else is float32.
        """
        super().__init__()
        self.width, self.stride, self.tiles = width, stride, on_tiles(weight.device)
        self.widened = must_widen(dtype, weight.device) and not self.tiles
        self.dtype = torch.float32 if self.tiles or self.widened else dtype
        self.bias = None if bias is None else bias.to(self.dtype, copy=True)
        self.packed = PACKING and weight.device.type == "cpu" and not self.tiles and not self.widened
        ops: Any = torch.ops
        if self.tiles:
            taps = weight.reshape(len(weight), width, -1).transpose(0, 1)
            self.product = amx.Product(taps, tuple(range(width)), limbs or LIMBS[dtype])
            return
        plain = weight.to(dtype).contiguous()
        self.weight = ops.mkldnn._reorder_linear_weight(plain, ROWS) if self.packed else plain.clone()

    def forward(self, rows: Tensor, gelu: bool = False) -> Tensor:
        """rows : float (n, a), of any strides;  gelu : apply the exact GELU to the result;  returns : (n, b).

        Of windows of rows there are (n − width) // stride + 1.
        """
        rows = rows.to(self.dtype)
        if self.tiles:
            return self.product(rows, self.bias, stride=self.stride, gelu=gelu)
        if self.width > 1:
            rows = windows(rows, self.width, self.stride)
        if self.packed:
            ops: Any = torch.ops
            act, variant = ("gelu", "none") if gelu else ("none", "")  # "none": the exact one, not tanh's
            product: Tensor = ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, act, [], variant)
            return product
        product = F.linear(rows, self.weight.to(self.dtype), self.bias)
        return torch.ops.aten.gelu_(product) if gelu else product


def windows(rows: Tensor, width: int, stride: int) -> Tensor:
    """Each `width` rows side by side, every `stride` rows: (T, c) → ((T − width) // stride + 1, width·c), no copy."""
    count, channels = (len(rows) - width) // stride + 1, rows.shape[1]
    return rows.as_strided((count, width * channels), (stride * channels, 1), rows.storage_offset())


def as_image(rows: Tensor) -> Tensor:
    """See rows (n, c) as an image (1, c, 1, n) with the channels last, without a copy."""
    return rows.contiguous().view(1, 1, *rows.shape).permute(0, 3, 1, 2)


def as_rows(image: Tensor) -> Tensor:
    """See an image (1, c, 1, n) with the channels last as rows (n, c)."""
    return image.permute(0, 2, 3, 1).reshape(image.shape[3], image.shape[1])
