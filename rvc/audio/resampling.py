"""Windowed-sinc resampling as the realtime originals do it, with a float32 kernel (docs/spec/07 §7.4)."""

from __future__ import annotations

import math
from functools import lru_cache

import torch

ZERO_CROSSINGS = 6  # zero crossings of the sinc on either side of its center; torchaudio's lowpass_filter_width
ROLLOFF = 0.99  # cutoff as a share of the lower Nyquist frequency; torchaudio's default


@lru_cache(maxsize=16)  # moving the formant slider takes many ratios; sixteen kernels take at most a few MB
def kernel(source: int, target: int) -> tuple[torch.Tensor, int]:
    """The resampling kernel for two rates without a common divisor.

    Args:
        source, target: rates divided by their greatest common divisor.
    Returns:
        float32 (taps, target), one column for each output phase, and the number of zeros to pad on the left.
    """
    base = min(source, target) * ROLLOFF
    width = math.ceil(ZERO_CROSSINGS * source / base)
    tap = torch.arange(-width, width + source, dtype=torch.float32) / source
    phase = torch.arange(0, -target, -1, dtype=torch.float32) / target
    # The originals compute this in float32; float64 would be more exact, but would differ from them by 1e-5.
    time = ((phase[:, None] + tap[None, :]) * base).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = torch.cos(time * math.pi / ZERO_CROSSINGS / 2) ** 2
    angle = time * math.pi
    sinc = torch.where(angle == 0, torch.ones(()), angle.sin() / angle)
    return (sinc * (window * (base / source))).T.contiguous(), width


def resample(samples: torch.Tensor, source: int, target: int) -> torch.Tensor:
    """Resample with a windowed sinc.

    Args:
        samples: float32 (N,).
        source, target: Hz.
    Returns:
        float32 (⌈N·target/source⌉,); `samples` itself where the rates are equal.
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
