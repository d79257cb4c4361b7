"""Convolutions over rows: every network here keeps its signal as (T, C), one row per frame or sample.

Rows are the channels-last layout that oneDNN computes fastest, a stretch of time is a slice of rows without a copy,
and a matrix product is a convolution of width 1 (float32 products through the default BLAS reach half that speed).
Where the processor has matrix tiles, float32 and bfloat16 are computed on them (rvc.nn.kernels.amx). On other CPUs with
oneDNN the weights are packed once and activations are fused; elsewhere the same object calls torch.conv2d.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.errors import BadCheckpoint, BadInput
from rvc.nn.kernels import amx
from rvc.nn.kernels.amx import LIMBS
from rvc.nn.kernels.bfloat16_weight import Bfloat16Weight
from rvc.nn.kernels.int8 import Int8
from rvc.nn.kernels.onednn import has_fused_convolutions, has_integer_convolutions, packs_bfloat16
from rvc.weights.mapped_file import Tensors

SHORT = {torch.float32: 128, torch.bfloat16: 512}  # rows up to which a signal is short
KEPT = 2  # packed weights kept for such lengths
LONG = 2048  # rows of a signal that is not
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.int8}


FUSED = has_fused_convolutions()


class Weights:
    """A voice's tensors by name, handed out as float32 on the device where they will work.

    tensors : name → tensor of any float type, as in the file; weight norm as `weight_g`, `weight_v`
    dtype   : what the convolutions made of them compute in: float32, bfloat16 or int8
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.tensors = tensors
        self.device = torch.device(device)
        self.dtype = dtype

    @property
    def signal(self) -> torch.dtype:
        """What the signal between the convolutions is: float32 also where they compute in int8."""
        return torch.float32 if self.dtype == torch.int8 else self.dtype

    def to(self, dtype: torch.dtype) -> Weights:
        """The same tensors for convolutions that compute in `dtype`."""
        return Weights(self.tensors, self.device, dtype)

    def __getitem__(self, name: str) -> Tensor:
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
        """The convolution `name` with its bias; a mapped file's pages are given back once it is laid out."""
        weight = self.folded(name) if normed else self[f"{name}.weight"]
        made = Conv(weight, self[f"{name}.bias"], dilation, self.dtype)
        if isinstance(self.tensors, Tensors):
            self.tensors.forget()
        return made


class Conv:
    """A convolution in time, stride 1, without padding unless asked: rows (T, I) → rows (T − (k−1)·dilation, O)."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, dilation: int = 1, dtype: torch.dtype = torch.float32
    ) -> None:
        """weight : float32 (O, I, k);  bias : float32 (O,) or None;  dtype : what it computes in."""
        self.out, self.into, self.width = weight.shape
        self.dilation = dilation
        self.reach = (self.width - 1) * dilation // 2  # rows lost at each side (odd widths)
        self.bias = bias
        self.short: dict[tuple[int, int], Tensor] = {}  # (T, pad) → the weight as packed for that length
        self._hold(weight[:, :, None, :], dtype)

    def _hold(self, weight: Tensor, dtype: torch.dtype) -> None:
        self.dtype = dtype
        cpu = weight.device.type == "cpu"
        on_tiles = cpu and dtype in LIMBS and min(self.out, self.into) >= amx.SIDE and amx.available()
        widened = FUSED and cpu and dtype == torch.bfloat16 and not on_tiles and not packs_bfloat16()
        self.signal = torch.float32 if on_tiles or widened or dtype == torch.int8 else dtype
        if self.bias is not None:
            self.bias = self.bias.to(self.signal)
        self.packed = FUSED and cpu and self.dtype != torch.int8 and not on_tiles and not widened
        self.bfloat16: Bfloat16Weight | None = None
        self.tiles: amx.Product | None = None
        self.int8: Int8 | None = None
        if on_tiles:
            at = tuple(range(0, self.width * self.dilation, self.dilation))
            self.tiles = amx.Product(weight[:, :, 0].permute(2, 0, 1), at, LIMBS[dtype])
            self.weight = weight.new_empty(0)  # not a part of it, which would hold all of it
        elif self.dtype == torch.int8:
            if not (cpu and has_integer_convolutions()):
                raise BadInput("int8 needs a CPU build of torch with oneDNN; choose --precision float32 or bfloat16")
            self.int8 = Int8(weight, self.dilation)
            self.weight = weight.new_empty(0)  # not a part of it, which would hold all of it
        elif widened:
            self.bfloat16 = Bfloat16Weight(weight[:, :, 0], self.dilation)
            self.weight = weight.new_empty(0)  # not a part of it, which would hold all of it
        elif self.packed:
            ops: Any = torch.ops
            dense = weight.to(self.dtype).contiguous()
            # bfloat16's layout for no length in particular is none that a long signal's convolution wants
            expected = [] if self.dtype == torch.float32 else [[1, self.into, 1, LONG]]
            self.weight = ops.mkldnn._reorder_convolution_weight(
                dense, [0, 0], [1, 1], [1, self.dilation], 1, *expected
            )
            self.short.clear()
        else:
            self.weight = weight.to(self.dtype).contiguous(memory_format=torch.channels_last)

    @property
    def is_float32(self) -> bool:
        """Whether it computes in float32."""
        return self.dtype == torch.float32

    @property
    def in_parts(self) -> bool:
        """Whether a long signal is computed sooner in stretches that stay in the cache, each of which has its price."""
        return self.tiles is not None and self.is_float32

    def dense(self) -> Tensor:
        """The plain weight, float32 (O, I, 1, k)."""
        if self.int8 is not None:
            return self.int8.dense()
        if self.tiles is not None:
            return self.tiles.plain().permute(1, 2, 0)[:, :, None].contiguous()
        if self.bfloat16 is not None:
            return self.bfloat16.plain()[:, :, None]
        plain: Tensor = self.weight.to_dense() if self.packed else self.weight
        return plain.float()

    def packed_for(self, length: int, pad: int) -> Tensor:
        """The packed weight for rows (length, I).

        oneDNN wants another layout for short signals and, given the usual one, re-orders it at every call, which takes
        20 to 50 times as long as the convolution: live streams run their flow over 55 frames, so theirs are kept, and
        in bfloat16, whose layouts change up to some 300 rows, those of their encoder too.
        """
        if length > SHORT[self.dtype]:
            usual: Tensor = self.weight
            return usual
        weight: Tensor | None = self.short.get((length, pad))
        if weight is None:
            ops: Any = torch.ops
            weight = ops.mkldnn._reorder_convolution_weight(
                self.dense().to(self.dtype).contiguous(),
                [0, pad],
                [1, 1],
                [1, self.dilation],
                1,
                [1, self.into, 1, length],
            )
            for old in list(self.short)[: -KEPT + 1]:  # safe with several threads: each uses the weight it holds
                self.short.pop(old, None)
            self.short[length, pad] = weight
        return weight

    def to_precision(self, dtype: torch.dtype) -> None:
        """Compute in `dtype` from now on; what bfloat16 or int8 rounds away does not come back."""
        if dtype == self.dtype:
            return
        self._hold(self.dense(), dtype)

    def __call__(self, x: Tensor, pad: int = 0, slope: float | None = None, before: float | None = None) -> Tensor:
        """Rows (T, I) → rows (T + 2·pad − (k−1)·dilation, O), through LeakyReLU(slope) when one is given.

        before : the slope of a LeakyReLU that the rows go through first
        """
        if self.tiles is not None:
            return self.tiles(x, self.bias, pad=pad, before=steep(before), after=steep(slope))
        x = x if before is None else F.leaky_relu(x, before)
        if self.packed:
            ops: Any = torch.ops
            attr, scalars = ("none", []) if slope is None else ("leaky_relu", [slope])
            y = ops.mkldnn._convolution_pointwise(
                image(x),
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
            return rows(y)
        if self.int8 is not None:
            y = rows(self.int8(image(x), self.bias, pad))
            return y if slope is None else F.leaky_relu_(y, slope)
        if self.bfloat16 is not None:
            y = self.bfloat16(x, self.bias, pad)
            return y if slope is None else F.leaky_relu_(y, slope)
        y = rows(F.conv2d(image(x), self.weight, self.bias, 1, (0, pad), (1, self.dilation)))
        return y if slope is None else F.leaky_relu_(y, slope)

    def add_to(self, other: Tensor, x: Tensor, pad: int = 0, before: float | None = None) -> Tensor:
        """`other`, rows (T', O), with this convolution of `x` added in place."""
        if self.tiles is not None:
            return self.tiles(x, self.bias, pad=pad, before=steep(before), other=other, into=other)
        x = x if before is None else F.leaky_relu(x, before)
        if self.packed:
            ops: Any = torch.ops
            y = ops.mkldnn._convolution_pointwise_.binary(
                image(other),
                image(x),
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
            return rows(y)
        if self.int8 is not None:
            return rows(self.int8(image(x), self.bias, pad, image(other)))
        return other.add_(self(x, pad))

    def added(self, other: Tensor, x: Tensor, pad: int = 0, before: float | None = None) -> Tensor:
        """What `add_to` gives, to the bit, with `other` left as it is."""
        if self.tiles is not None:
            return self.tiles(x, self.bias, pad=pad, before=steep(before), other=other)
        if not self.packed:
            return self.add_to(other.clone(), x, pad, before)
        x = x if before is None else F.leaky_relu(x, before)
        ops: Any = torch.ops
        y = ops.mkldnn._convolution_pointwise.binary(
            image(x),
            image(other),
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
        return rows(y)

    def same(self, x: Tensor) -> Tensor:
        """As many rows out as in, zeros beyond both ends."""
        return self(x, self.reach)


def steep(slope: float | None) -> float:
    """The slope below zero, 1 where there is no LeakyReLU."""
    return 1.0 if slope is None else slope


def image(x: Tensor) -> Tensor:
    """Rows (T, C) seen as a channels-last picture (1, C, 1, T); no copy."""
    return x.unsqueeze(0).unsqueeze(0).permute(0, 3, 1, 2)


def rows(y: Tensor) -> Tensor:
    """A channels-last picture (1, C, 1, T) seen as rows (T, C)."""
    return y.permute(0, 2, 3, 1)[0, 0]


def to_rows(x: Tensor) -> Tensor:
    """(1, C, T), as the reference's tensors lie, to rows (T, C)."""
    return x[0].t().contiguous()


def from_rows(x: Tensor) -> Tensor:
    """Rows (T, C) to (1, C, T), contiguous."""
    return x.t().contiguous().unsqueeze(0)
