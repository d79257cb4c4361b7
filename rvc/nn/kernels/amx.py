"""Convolutions of frames on the processor's matrix tiles (Intel AMX), at two to three times float32's usual speed.

AMX multiplies bfloat16 sixteen times as fast as the vector units multiply float32. A float32 number is the exact sum of
three bfloat16 terms. Six of the nine products of two numbers' terms carry all that float32 can hold; these bf16×3 split
products are as close to the exact sum as float32 arithmetic is. rvc/nn/kernels/amx.c computes them. pip compiles it
where there is a C compiler; without it, or on a processor without AMX, torch computes everything.
"""

from __future__ import annotations

import ctypes
import os
import sysconfig
from ctypes import c_float, c_int, c_long, c_void_p
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

# Terms per number. The relative error of a product of random numbers is 1.5e-7, 3e-6 and 1.7e-3 respectively.
FLOAT32, INTERMEDIATE, BFLOAT16 = 3, 2, 1
TERMS = {torch.float32: FLOAT32, torch.bfloat16: BFLOAT16}
SWITCH = "RVC_TILES"  # the environment variable that switches AMX off with the value 0
TILE_DEPTH, TILE_SIDE = 32, 16  # input channels and output channels of one tile
LIBRARY = Path(__file__).with_name("_amx" + (sysconfig.get_config_var("EXT_SUFFIX") or ".so"))


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels, or None where they were not compiled, are of another version, or there is no AMX."""
    if os.environ.get(SWITCH) == "0":
        return None
    try:
        kernels = ctypes.CDLL(str(LIBRARY))  # it uses the OpenMP runtime that torch, imported above, has loaded
    except OSError:
        return None
    if not hasattr(kernels, "rvc_amx_available") or not kernels.rvc_amx_available():
        return None
    tensor = (c_void_p, c_long)  # address, and numbers from one frame to the next
    kernels.rvc_packed_size.argtypes, kernels.rvc_packed_size.restype = (c_long, c_long, c_long, c_int), c_long
    kernels.rvc_pack.argtypes, kernels.rvc_pack.restype = (c_void_p, c_long, c_long, c_long, c_int, c_void_p), None
    signal = (*tensor, c_long, c_long)  # frames, channels
    taps = (c_long, c_void_p, c_long, c_long)  # number, offsets, stride, padding
    weight = (c_void_p, c_int, c_long)  # address, terms, output channels
    activations = (c_float, c_float, c_int)  # slopes before and after, GELU
    frames, bias = (c_long,), (c_void_p,)
    kernels.rvc_convolve.argtypes = (*signal, *taps, *weight, *frames, *bias, *tensor, *activations, *tensor)
    sizes = (c_long, c_long, c_long, c_float, c_int)  # frames, heads, width, scale, terms
    kernels.rvc_attend.argtypes = (*tensor, *tensor, *tensor, *sizes, *tensor)
    return kernels


def available() -> bool:
    """Whether convolutions can be computed on AMX here."""
    return library() is not None


def state() -> str:
    """A phrase for the user: whether AMX is used here, and what to do where it could be."""
    if os.environ.get(SWITCH) == "0":
        return f"switched off by {SWITCH}=0"
    if available():
        return "used"
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    if supported is None or not supported():
        return "none in this processor"
    return "not used: install a C compiler (gcc 11 or later), then this package again"


def required_library() -> ctypes.CDLL:
    """The compiled kernels; callers have made sure with `available` that they exist."""
    kernels = library()
    assert kernels is not None
    return kernels


def attend(q: Tensor, k: Tensor, v: Tensor, terms: int = FLOAT32) -> Tensor:
    """Attention of every frame to every frame, with scores divided by the square root of the width.

    Args:
        q, k, v: float32 (n, heads, width).
        terms: bfloat16 terms per number.
    Returns:
        float32 (n, heads, width).
    Raises:
        MemoryError: the terms cannot be allocated.
    """
    q, k, v = (part if part.stride()[1:] == (part.shape[2], 1) else part.contiguous() for part in (q, k, v))
    y = torch.empty(q.shape)
    operands = [number for part in (q, k, v) for number in (part.data_ptr(), part.stride(0))]
    scale = q.shape[2] ** -0.5
    if required_library().rvc_attend(*operands, *q.shape, scale, terms, y.data_ptr(), y.stride(0)):
        raise MemoryError("no memory for the split terms of attention")
    return y


class SplitProduct:
    """A convolution on AMX: y[t] = bias + Σ over taps j of x[t·stride + offsets[j] − pad] · w[j]ᵀ.

    Frames beyond the ends of the signal are zeros.
    """

    def __init__(self, weight: Tensor, offsets: tuple[int, ...] = (0,), terms: int = FLOAT32) -> None:
        """Split and pack a weight.

        Args:
            weight: float32 (taps, out, in).
            offsets: the frame that each tap reads, ascending from 0.
            terms: bfloat16 terms per number, of the weight and of the signal.
        """
        self.taps, self.out_channels, self.in_channels = weight.shape
        self.terms, self.reach = terms, offsets[-1]
        self._offsets = (c_long * self.taps)(*offsets)
        kernels = required_library()
        sizes = self.taps, self.out_channels, self.in_channels, terms
        self.packed = torch.empty(kernels.rvc_packed_size(*sizes), dtype=torch.bfloat16)
        plain = weight.float().contiguous()
        kernels.rvc_pack(plain.data_ptr(), *sizes, self.packed.data_ptr())

    def plain(self) -> Tensor:
        """The weight, float32 (taps, out, in): the sum of its terms, which is exact with three of them."""
        panels, steps = -(-self.out_channels // TILE_DEPTH), -(-self.in_channels // TILE_DEPTH)
        tiles = self.packed.view(panels, self.taps, steps, self.terms, 2, TILE_SIDE, TILE_SIDE, 2).float()
        total = sum(tiles[:, :, :, term] for term in reversed(range(self.terms)))
        assert isinstance(total, Tensor)  # (panel, tap, step, half of the panel, input pair, output, input of pair)
        weight = total.permute(1, 0, 3, 5, 2, 4, 6).reshape(self.taps, panels * TILE_DEPTH, steps * TILE_DEPTH)
        return weight[:, : self.out_channels, : self.in_channels].contiguous()

    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        *,
        stride: int = 1,
        pad: int = 0,
        addend: Tensor | None = None,
        slope_before: float = 1.0,
        slope_after: float = 1.0,
        gelu: bool = False,
        out: Tensor | None = None,
    ) -> Tensor:
        """Convolve frames. The frames of every tensor may lie apart in memory, its channels are adjacent.

        Args:
            x: float32 (n, in).
            bias: float32 (out,), contiguous, or None.
            stride: frames of the signal from one result to the next.
            pad: zero frames added at either end.
            addend: float32 (m, out), added to the result.
            slope_before, slope_after: slopes from 0 to 1 of a LeakyReLU on the signal and on the result.
            gelu: whether the exact GELU is applied to the result.
            out: the tensor that takes the result, which may be `addend`; new memory by default.
        Returns:
            float32 (m, out), m = (n + 2·pad − offsets[−1] − 1) // stride + 1.
        Raises:
            ValueError: a tensor has another type, size or layout.
            MemoryError: the terms cannot be allocated.
        """
        count = max((len(x) + 2 * pad - self.reach - 1) // stride + 1, 0)
        x = x if x.stride(1) == 1 else x.contiguous()
        y = torch.empty(count, self.out_channels) if out is None else out
        require_frames("the signal", x, len(x), self.in_channels)
        require_frames("the result", y, count, self.out_channels)
        if addend is not None:
            require_frames("the addend", addend, count, self.out_channels)
        if bias is not None and (
            bias.dtype != torch.float32 or bias.shape != (self.out_channels,) or bias.stride(0) != 1
        ):
            raise ValueError(f"the bias must be float32 ({self.out_channels},), not {bias.dtype} {tuple(bias.shape)}")
        if count == 0:
            return y
        failed = required_library().rvc_convolve(
            x.data_ptr(),
            x.stride(0),
            len(x),
            self.in_channels,
            self.taps,
            self._offsets,
            stride,
            pad,
            self.packed.data_ptr(),
            self.terms,
            self.out_channels,
            count,
            bias.data_ptr() if bias is not None else None,
            addend.data_ptr() if addend is not None else None,
            addend.stride(0) if addend is not None else 0,
            slope_before,
            slope_after,
            gelu,
            y.data_ptr(),
            y.stride(0),
        )
        if failed:
            raise MemoryError("no memory for the split terms of a product")
        return y


def require_frames(name: str, x: Tensor, count: int, channels: int) -> None:
    """Check a tensor before its address is passed to the kernels, which check nothing.

    Raises:
        ValueError: the tensor is not float32 (count, channels) in main memory with adjacent channels.
    """
    if x.dtype != torch.float32 or x.shape != (count, channels) or x.stride(1) != 1 or not x.is_cpu:
        raise ValueError(
            f"{name} must be float32 ({count}, {channels}) with adjacent channels, not {x.dtype} "
            f"{tuple(x.shape)} with strides {x.stride()} on {x.device}"
        )
