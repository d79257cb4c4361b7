"""Convolutions whose numbers are integers of 23 and 16 bits, in digits of eight: the processor's fastest products.

A signal is 65536·h + 256·m + l steps of its own, a weight 256·h + l steps of its output channel's, each digit a signed
byte. oneDNN sums products of bytes exactly, on tiles at twice bfloat16's pace, and adds them in float32. Of the six
products only l·l is left out. Next to float32 this leaves 80 dB, also where a loud word stands next to a breath.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rvc.nn.dense import windows

BASE = 256
PAIRS = (0, 0), (1, 0), (0, 1), (2, 0), (1, 1)  # digits of the signal and of the weight that are multiplied
SIGNAL, WEIGHT = 63 * BASE**2, 127 * BASE + 127  # steps to either side; SHIFT and the signal stay below 2²⁴
SOME = 32  # of a weight's channels that are laid out at once: they stay in the cache
SIGN = -128  # turns a byte from 0 to 255 into one from −128 to 127, bit by bit
SHIFT = 1.5 * 2**23 + 128 * BASE + 128  # a float32 moved here has the nearest integer's digits in its low bytes …
TOP = 64  # … each 128 too large, the highest 64


def available() -> bool:
    """Whether this processor has matrix tiles (AMX) and this build of torch products of bytes on them."""
    ops: Any = torch.ops.onednn
    asked = getattr(torch.cpu, "_is_amx_tile_supported", None)
    there = asked is not None and asked()
    return there and all(hasattr(ops, name) for name in ("qlinear_prepack", "qlinear_pointwise"))


def split(x: Tensor) -> tuple[float, list[Tensor]]:
    """A float32 signal's step and its digits, int8 of its shape, the highest first; x is overwritten."""
    low, high = torch.aminmax(x)
    step = max(float(high), -float(low), 1e-30) / SIGNAL
    steps = torch.add(torch.tensor(SHIFT), x, alpha=1 / step, out=x).view(torch.int32)
    low_digit = steps.to(torch.int8).bitwise_xor_(SIGN)
    middle = steps.bitwise_right_shift_(8).to(torch.int8).bitwise_xor_(SIGN)
    return step, [steps.bitwise_right_shift_(8).to(torch.int8).sub_(TOP), middle, low_digit]


class Digits(nn.Module):
    """A convolution over rows, with the GELU behind it; its weight is laid out for oneDNN."""

    def __init__(self, weight: Tensor) -> None:
        """weight : float (b, a), of windows of rows."""
        super().__init__()
        scale, digits = torch.empty(len(weight)), torch.empty(2, *weight.shape, dtype=torch.int8)
        for start in range(0, len(weight), SOME):
            some = slice(start, start + SOME)
            given = weight[some].float()
            torch.div(given.abs().amax(1).clamp_(min=1e-30), WEIGHT, out=scale[some])
            steps = (given / scale[some, None]).round_().to(torch.int16)
            digits[0, some], digits[1, some] = steps + BASE // 2 >> 8, steps  # a byte takes the low bits
        ops: Any = torch.ops.onednn
        self.parts = [ops.qlinear_prepack(digit, None) for digit in digits]
        self.scales = [scale * BASE, scale]
        self.zero = torch.zeros(len(weight), dtype=torch.int32)

    def forward(self, rows: Tensor, width: int, stride: int) -> Tensor:
        """The GELU of the product of `width` rows side by side, every `stride` rows: float32 (n, a) → (n', b).

        rows : overwritten
        """
        ops: Any = torch.ops.onednn
        step, digits = split(rows)
        given = [windows(digit, width, stride).contiguous() for digit in digits]
        sizes = [step * BASE**place for place in (2, 1, 0)]
        first, *others = [(given[i], sizes[i], 0, self.parts[j], self.scales[j], self.zero) for i, j in PAIRS]
        made: Tensor = ops.qlinear_pointwise(*first, None, 1.0, 0, torch.float32, "none", [], "")
        for pair in others:
            ops.qlinear_pointwise.binary(
                *pair, made, None, 1.0, 0, torch.float32, 1.0, 0, "sum", 1.0, "none", [], ""
            )  # fmt: skip
        heard: Tensor = torch.ops.aten.gelu_(made)
        return heard
