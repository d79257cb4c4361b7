"""What this build of torch and this processor offer of oneDNN, the library behind torch's CPU convolutions.

Every question about oneDNN's capabilities is answered here, once per process. ONEDNN_MAX_CPU_ISA, which limits the
instructions that oneDNN uses, is respected.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

import torch

ZERO_POINT = 128  # the unsigned byte that stands for 0 (int8.ZERO_POINT, which this module cannot import)


@cache
def _operators(namespace: str, *names: str) -> bool:
    """Whether torch was built with oneDNN and registers these operators."""
    ops: Any = getattr(torch.ops, namespace)
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and all(hasattr(ops, name) for name in names)


def has_fused_convolutions() -> bool:
    """Whether convolutions over packed weights can be fused with an activation or a sum."""
    return _operators("mkldnn", "_convolution_pointwise", "_convolution_pointwise_", "_reorder_convolution_weight")


def has_packed_products() -> bool:
    """Whether matrix products over packed weights are there; torch registers them on x86-64 only."""
    return _operators("mkldnn", "_linear_pointwise", "_reorder_linear_weight") and platform.machine() in (
        "x86_64",
        "AMD64",
    )


def has_integer_convolutions() -> bool:
    """Whether 8-bit integer convolutions are there."""
    return _operators("onednn", "qconv_prepack", "qconv_pointwise", "qconv2d_pointwise")


@cache
def packs_bfloat16() -> bool:
    """Whether oneDNN computes in bfloat16 on this processor.

    It needs AVX-512 (BW, VL and DQ) or AVX-NE-CONVERT on x86; elsewhere packing a bfloat16 weight raises RuntimeError.
    """
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return bool(supported is not None and supported())


@cache
def adds_bytes_exactly() -> bool:
    """Whether integer convolutions of any unsigned and any signed bytes are exact.

    Without VNNI instructions oneDNN multiplies with VPMADDUBSW, which adds two products in 16 bits with saturation:
    2 · 255 · 127 exceeds 32767. The largest product is computed and compared, because neither the list of the
    processor's instructions nor torch's version decides which kernel oneDNN chooses.
    """
    if not has_integer_convolutions():
        return False
    channels, frames = 64, 64
    ops: Any = torch.ops
    scale, zero_points = torch.ones(channels), torch.zeros(channels, dtype=torch.int32)
    weight = torch.full((channels, channels, 1, 1), 127, dtype=torch.int8)
    image = torch.full((1, channels, 1, frames), 255, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    packed = ops.onednn.qconv_prepack(weight, scale, 1.0, ZERO_POINT, [1, 1], [0, 0], [1, 1], 1, None)
    inputs = (image, 1.0, ZERO_POINT, packed, scale, zero_points, None)
    sums = ops.onednn.qconv_pointwise(*inputs, [1, 1], [0, 0], [1, 1], 1, 1.0, 0, torch.float32, "none", [], "")
    return bool((sums == channels * 127 * (255 - ZERO_POINT)).all())
