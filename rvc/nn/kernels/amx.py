"""Products of rows on the processor's matrix tiles (AMX): float32's accuracy at two to three times its pace.

Tiles multiply bfloat16 sixteen times as fast as the vector units do float32. A float32 number is the sum of three
bfloat16 ones, its limbs, and six of the nine products of two numbers' limbs carry all that float32 can hold: next to
exact sums, these products are no further off than float32's own. rvc/nn/kernels/amx.c computes them; pip compiles it
where there is a C compiler. Without it, or on a processor without tiles, torch computes everything.
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

FLOAT32, HALFWAY, BFLOAT16 = 3, 2, 1  # limbs: errors of 1.5e-7, 3e-6 and 1.7e-3 of a product of random rows
LIMBS = {torch.float32: FLOAT32, torch.bfloat16: BFLOAT16}
OFF = "RVC_TILES"  # set to 0, nothing is computed on tiles
DEPTH, SIDE = 32, 16  # inputs and outputs of a tile
LIBRARY = Path(__file__).with_name("_amx" + (sysconfig.get_config_var("EXT_SUFFIX") or ".so"))


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels, or None where they were not compiled or the processor has no tiles."""
    if os.environ.get(OFF) == "0":
        return None
    try:
        found = ctypes.CDLL(str(LIBRARY))  # its threads are torch's: OpenMP's runtime came with the import above
    except OSError:
        return None
    if not found.rvc_tiles():
        return None
    found.rvc_packed.argtypes, found.rvc_packed.restype = (c_long, c_long, c_long, c_int), c_long
    found.rvc_pack.argtypes, found.rvc_pack.restype = (c_void_p, c_long, c_long, c_long, c_int, c_void_p), None
    found.rvc_rows.argtypes = (
        c_void_p,
        c_long,
        c_long,
        c_long,
        c_long,
        c_void_p,
        c_long,
        c_long,  # the signal, the taps
        c_void_p,
        c_int,
        c_long,
        c_long,
        c_void_p,  # the weight, sizes, bias
        c_void_p,
        c_long,
        c_float,
        c_float,
        c_int,
        c_void_p,
        c_long,  # what is added, slopes, GELU, what comes out
    )
    found.rvc_attend.argtypes = (
        c_void_p,
        c_long,
        c_void_p,
        c_long,
        c_void_p,
        c_long,  # queries, keys, values
        c_long,
        c_long,
        c_long,
        c_float,
        c_int,
        c_void_p,
        c_long,  # sizes, scale, limbs, what comes out
    )
    return found


def available() -> bool:
    """Whether products can be computed on tiles here."""
    return library() is not None


def state() -> str:
    """In words for a user: whether products are computed on tiles here, or what to do about it."""
    if os.environ.get(OFF) == "0":
        return f"switched off by {OFF}=0"
    if available():
        return "used"
    there = getattr(torch.cpu, "_is_amx_tile_supported", None)
    if there is None or not there():
        return "none in this processor"
    return "not used: install a C compiler (gcc 11 or later), then this package again"


def attend(q: Tensor, k: Tensor, v: Tensor, limbs: int = FLOAT32) -> Tensor:
    """Attention of every row to every row, scores over the root of the width: float32 (n, heads, width) → the same."""
    q, k, v = (part if part.stride()[1:] == (part.shape[2], 1) else part.contiguous() for part in (q, k, v))
    y = torch.empty(q.shape)
    found = library()
    assert found is not None  # the caller asked
    given = [number for part in (q, k, v) for number in (part.data_ptr(), part.stride(0))]
    if found.rvc_attend(*given, *q.shape, q.shape[2] ** -0.5, limbs, y.data_ptr(), y.stride(0)):
        raise MemoryError("no memory for attention's limbs")
    return y


class Product:
    """y[t] = bias + Σ over taps j of x[t·stride + at[j] − pad] · w[j]ᵀ; rows beyond the signal's ends are zero."""

    def __init__(self, weight: Tensor, at: tuple[int, ...] = (0,), limbs: int = FLOAT32) -> None:
        """weight : float32 (taps, out, in);  at : each tap's row, rising from 0."""
        self.taps, self.out, self.into = weight.shape
        self.limbs, self.reach = limbs, at[-1]
        self._at = (c_long * self.taps)(*at)
        found = library()
        assert found is not None  # the caller asked
        size = found.rvc_packed(self.taps, self.out, self.into, limbs)
        self.packed = torch.empty(size, dtype=torch.bfloat16)
        given = weight.float().contiguous()
        found.rvc_pack(given.data_ptr(), self.taps, self.out, self.into, limbs, self.packed.data_ptr())

    def plain(self) -> Tensor:
        """The weight, float32 (taps, out, in): the sum of its limbs, which with three of them is the very number."""
        panels, steps = -(-self.out // DEPTH), -(-self.into // DEPTH)
        tiles = self.packed.view(panels, self.taps, steps, self.limbs, 2, SIDE, SIDE, 2).float()
        whole = sum(tiles[:, :, :, limb] for limb in reversed(range(self.limbs)))
        assert isinstance(whole, Tensor)  # (panel, tap, step, half, pair in, out, of the pair)
        weight = whole.permute(1, 0, 3, 5, 2, 4, 6).reshape(self.taps, panels * DEPTH, steps * DEPTH)
        return weight[:, : self.out, : self.into].contiguous()

    def __call__(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        *,
        stride: int = 1,
        pad: int = 0,
        other: Tensor | None = None,
        before: float = 1.0,
        after: float = 1.0,
        gelu: bool = False,
        into: Tensor | None = None,
    ) -> Tensor:
        """Rows (n, in) → rows ((n + 2·pad − at[−1] − 1) // stride + 1, out), float32.

        x, other, into : float32, whose rows may lie apart and whose channels lie side by side
        other          : rows that are added
        before, after  : slopes from 0 to 1 of a LeakyReLU that x goes through, and of one that the sums go through
        gelu           : the sums go through the exact GELU
        into           : where the rows go, `other` itself if it is to be added to in place; new memory by default
        raises         : ValueError for rows of another kind or size, MemoryError
        """
        count = max((len(x) + 2 * pad - self.reach - 1) // stride + 1, 0)
        x = x if x.stride(1) == 1 else x.contiguous()
        y = torch.empty(count, self.out) if into is None else into
        check("the signal", x, len(x), self.into)
        check("what it goes into", y, count, self.out)
        if other is not None:
            check("what is added", other, count, self.out)
        if bias is not None and (bias.dtype != torch.float32 or bias.shape != (self.out,) or bias.stride(0) != 1):
            raise ValueError(f"the bias must be float32 ({self.out},), not {bias.dtype} {tuple(bias.shape)}")
        if count == 0:
            return y
        found = library()
        assert found is not None
        failed = found.rvc_rows(
            x.data_ptr(),
            x.stride(0),
            len(x),
            self.into,
            self.taps,
            self._at,
            stride,
            pad,
            self.packed.data_ptr(),
            self.limbs,
            self.out,
            count,
            bias.data_ptr() if bias is not None else None,
            other.data_ptr() if other is not None else None,
            other.stride(0) if other is not None else 0,
            before,
            after,
            gelu,
            y.data_ptr(),
            y.stride(0),
        )
        if failed:
            raise MemoryError("no memory for a product's limbs")
        return y


def check(name: str, rows: Tensor, count: int, channels: int) -> None:
    """Raise ValueError unless the kernels can read these rows: what lies at an address has no type."""
    if rows.dtype != torch.float32 or rows.shape != (count, channels) or rows.stride(1) != 1 or not rows.is_cpu:
        raise ValueError(
            f"{name} must be float32 ({count}, {channels}) with its channels side by side, not {rows.dtype} "
            f"{tuple(rows.shape)} with strides {rows.stride()} on {rows.device}"
        )
