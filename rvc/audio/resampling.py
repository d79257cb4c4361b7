"""Windowed-sinc resampling as the realtime original does it: a float32 kernel, strided over the samples."""

from __future__ import annotations

import math
from functools import lru_cache

import torch

ZERO_CROSSINGS = 6
ROLLOFF = 0.99


@lru_cache(maxsize=16)  # a formant slider moves over many ratios; sixteen kernels are at most a few MB
def kernel(source: int, target: int) -> tuple[torch.Tensor, int]:
    """Kernel for two rates without a common divisor.

    returns : float32 (taps, target), one column for each output phase, and the zero padding on the left
    """
    base = min(source, target) * ROLLOFF
    width = math.ceil(ZERO_CROSSINGS * source / base)
    tap = torch.arange(-width, width + source, dtype=torch.float32) / source
    phase = torch.arange(0, -target, -1, dtype=torch.float32) / target
    # The reference's float32, not ours: float64 here would be more exact and 1e-5 away from it.
    time = ((phase[:, None] + tap[None, :]) * base).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = torch.cos(time * math.pi / ZERO_CROSSINGS / 2) ** 2
    angle = time * math.pi
    sinc = torch.where(angle == 0, torch.ones(()), angle.sin() / angle)
    return (sinc * (window * (base / source))).T.contiguous(), width


def resample(samples: torch.Tensor, source: int, target: int) -> torch.Tensor:
    """Move `samples` from `source` Hz to `target` Hz.

    samples : float32 (N,)
    returns : float32 (ceil(N·target/source),); `samples` itself when the rates are equal
    """
    if source == target:
        return samples
    common = math.gcd(source, target)
    source, target = source // common, target // common
    columns, width = kernel(source, target)
    padded = torch.nn.functional.pad(samples, (width, width + source))
    phases = torch.nn.functional.conv1d(padded[None, None], columns.t()[:, None].contiguous(), stride=source)
    length = -(-target * samples.shape[0] // source)
    return phases[0].t().reshape(-1)[:length]
