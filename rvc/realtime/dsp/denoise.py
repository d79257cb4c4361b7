"""Noise reduction by a spectral gate, torchgate's stationary mode (docs/spec/07 §7.8).

Each frequency bin gets a threshold from a reference signal: its mean level plus 1.5 standard deviations. Bins at or
below the threshold are attenuated to a tenth.
"""

from __future__ import annotations

from functools import lru_cache

import torch

# The constants are the original's (docs/spec/07 §7.8).
REDUCED_GAIN = 0.1  # gain of a bin at or below its threshold
THRESHOLD_DEVIATIONS = 1.5  # standard deviations between the reference's mean level and the threshold
RANGE = 40.0  # dB; levels are raised to at least this far below the loudest frame of their bin
SMOOTH_HZ, SMOOTH_MS = 500, 50  # half widths of the triangle that smooths the gains


@lru_cache(maxsize=4)
def window(zc: int) -> torch.Tensor:
    """Periodic Hann window, float32 (4·zc,); `zc` is the number of samples in 10 ms."""
    return torch.hann_window(4 * zc)


def triangle(half: int) -> torch.Tensor:
    """Triangle with the peak 1 in the middle, float32 (2·half + 1,)."""
    rising = torch.arange(1, half + 2, dtype=torch.float32) / (half + 1)
    return torch.cat([rising, rising[:-1].flip(0)])


@lru_cache(maxsize=4)
def smoothing(zc: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Smoothing kernels over bins and over frames, each float32, one-dimensional and of sum 1."""
    rate = 100 * zc
    bins = triangle(int(SMOOTH_HZ / (rate / (2 * zc))))
    frames = triangle(int(SMOOTH_MS / (zc / rate * 1000)))
    return bins / bins.sum(), frames / frames.sum()


def spectrum(samples: torch.Tensor, zc: int) -> torch.Tensor:
    """Centered STFT of float32 (N,), padded with zeros: complex64 (2·zc + 1, 1 + N//zc)."""
    return torch.stft(samples, 4 * zc, zc, window=window(zc), center=True, pad_mode="constant", return_complex=True)


def level(bins: torch.Tensor) -> torch.Tensor:
    """Level of each bin in dB, raised to at least 40 dB below the loudest frame of its bin.

    Args:
        bins: complex64 (bins, frames).
    Returns:
        float32 (bins, frames).
    """
    decibels = 20 * torch.log10(bins.abs() + torch.finfo(torch.float64).eps)
    return torch.maximum(decibels, decibels.amax(dim=-1, keepdim=True) - RANGE)


def reduce_noise(samples: torch.Tensor, reference: torch.Tensor, zc: int) -> torch.Tensor:
    """Attenuate what is no louder than the noise in a reference.

    Args:
        samples: float32 (N,), N a multiple of `zc` and at least 4·zc.
        reference: float32 (R,), the signal whose level in each bin sets the bin's threshold.
        zc: samples in 10 ms.
    Returns:
        float32 (N,).
    """
    signal = spectrum(samples, zc)
    noise = level(spectrum(reference, zc))
    threshold = noise.mean(dim=-1, keepdim=True) + THRESHOLD_DEVIATIONS * noise.std(dim=-1, keepdim=True)
    mask = torch.where(level(signal) > threshold, 1.0, REDUCED_GAIN)
    bins, frames = smoothing(zc)
    plane = mask[None, None]
    plane = torch.nn.functional.conv2d(plane, bins[None, None, :, None], padding="same")
    plane = torch.nn.functional.conv2d(plane, frames[None, None, None, :], padding="same")
    return torch.istft(signal * plane[0, 0], 4 * zc, zc, window=window(zc), center=True)
