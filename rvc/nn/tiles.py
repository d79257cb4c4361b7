"""Products on a processor's matrix tiles (AMX): bfloat16 goes in, float32 sums come out.

float32 has no tiles of its own, but a float32 number is the sum of three bfloat16 limbs, 8 bits each. Of their nine
products the six largest sum to what float32 itself would give, to its last bits, and take half to a third of the time
that the vector units take for one. Two limbs and three products err by 4e-6 of the RMS, which is too far for float32
(HuBERT would be 3e-5 off) and far better than bfloat16, which errs by 2e-3.

torch's own operators round what the tiles have summed to bfloat16. The micro-kernel beneath them does not, and is
called here by its exported name; where a build of torch lacks the name or the processor the tiles, `available` is
False and nobody comes here.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SPACE = "_ZN2at6native7cpublas"
MULTIPLY = f"{SPACE}6brgemmEllllllbPKN3c108BFloat16ES5_Pfb"
RELEASE = f"{SPACE}14brgemm_releaseEb"
TRIED = ("2.13.",)  # versions of torch whose micro-kernel was tried; its meaning may change without its name
WIDEST = 128  # columns of one block of a packed weight: wider ones save calls and fall out of the cache
ROWS = COLUMNS = 16  # of one tile
PAIR = 2  # rows of a weight that lie side by side in a packed one
EXACT = 3  # limbs that hold all of a float32
PRODUCTS = {  # limbs → (limb of the signal, limb of the weight), the largest first
    1: ((0, 0),),
    2: ((0, 0), (1, 0), (0, 1)),
    3: ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2)),
}


@cache
def kernels() -> tuple[Any, Any] | None:
    """The micro-kernel and what lets the tiles go, or None where this torch or this processor lacks them."""
    if os.environ.get("RVC_TILES") == "0" or not torch.__version__.startswith(TRIED):
        return None
    asked = ("_is_amx_tile_supported", "_init_amx")
    if not all(hasattr(torch.cpu, name) for name in asked) or not torch.cpu._is_amx_tile_supported():
        return None
    if not torch.cpu._init_amx():  # the system's permission
        return None
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        multiply, release = getattr(library, MULTIPLY), getattr(library, RELEASE)
    except (OSError, AttributeError):
        return None
    whole, flag, pointer = ctypes.c_int64, ctypes.c_bool, ctypes.c_void_p
    multiply.argtypes, multiply.restype = [whole] * 6 + [flag, pointer, pointer, pointer, flag], None
    release.argtypes, release.restype = [flag], None
    return multiply, release


def available() -> bool:
    """Whether products can be made on tiles here; the variable RVC_TILES=0 says no."""
    return kernels() is not None


def fits(columns: int, depth: int) -> bool:
    """Whether a weight (columns, depth) has the shape of tiles."""
    return columns % COLUMNS == 0 and depth % PAIR == 0


def split(x: Tensor, parts: Sequence[Tensor], spare: Sequence[Tensor] = ()) -> None:
    """Write the limbs of float32 x into `parts`, bfloat16 of its shape.

    spare : two more float32 of its shape, overwritten, so that none is made; the first may be x itself
    """
    parts[0].copy_(x)
    if len(parts) == 1:
        return
    rest, limb = spare or (torch.empty_like(x), torch.empty_like(x))
    torch.sub(x, limb.copy_(parts[0]), out=rest)
    for part in parts[1:-1]:
        part.copy_(rest)
        rest.sub_(limb.copy_(part))
    parts[-1].copy_(rest)


class TileProduct:
    """A weight laid out for the tiles; multiplies rows that lie in memory at any stride, even overlapping.

    A row out is the same to the bit whatever rows are computed with it.
    """

    def __init__(self, weight: Tensor, limbs: int = EXACT) -> None:
        """weight : float32 (columns, depth) that `fits`;  limbs : 1 rounds it to bfloat16, 3 keep it whole."""
        self.columns, self.depth = weight.shape
        self.block = next(n for n in range(WIDEST, 0, -COLUMNS) if self.columns % n == 0)
        parts = [torch.empty_like(weight, dtype=torch.bfloat16) for _ in range(limbs)]
        split(weight, parts)
        self.parts = [packed(part, self.block) for part in parts]
        self.products = PRODUCTS[limbs]

    @property
    def blocks(self) -> range:
        """Its blocks of columns."""
        return range(self.columns // self.block)

    def __call__(
        self,
        out: Tensor,
        parts: Sequence[Tensor],
        stride: int,
        add: bool = True,
        blocks: range | None = None,
        slack: bool = False,
    ) -> None:
        """Add the products of `len(out)` rows to `out`, or overwrite it with them.

        out     : float32 (rows, columns), columns side by side, rows at any stride
        parts   : the signal's limbs, bfloat16; row i is the `depth` numbers from i·stride on
        blocks  : the blocks of columns to compute, all by default; several threads may each take some
        slack   : up to ROWS − 1 more rows may be read and overwritten, a fifth faster than an odd number of rows
        """
        multiply, release = kernels()  # type: ignore[misc]
        rows, ahead = len(out) + (-len(out) % ROWS if slack else 0), out.stride(0)
        signals = [part.data_ptr() for part in parts]
        weights = [part.data_ptr() for part in self.parts]
        to, size = out.data_ptr(), 2 * self.depth * self.block
        for block in self.blocks if blocks is None else blocks:
            for i, (signal, weight) in enumerate(self.products):
                multiply(
                    rows, self.block, self.depth, stride, self.block, ahead, add or i > 0,
                    signals[signal], weights[weight] + block * size, to + 4 * block * self.block, True,
                )  # fmt: skip
        release(True)


def packed(weight: Tensor, block: int) -> Tensor:
    """bfloat16 (columns, depth) as (columns/block, depth/2, block, 2): what one step of the tiles reads is together."""
    columns, depth = weight.shape
    return weight.view(columns // block, block, depth // PAIR, PAIR).transpose(1, 2).contiguous()
