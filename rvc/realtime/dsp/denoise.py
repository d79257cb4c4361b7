"""Noise reduction by a spectral gate: bins no louder than the reference's own mean and spread are turned down."""

from __future__ import annotations

from functools import lru_cache

import torch

KEPT = 0.1  # what is left of a bin at or below its threshold
SPREAD = 1.5  # standard deviations above the reference's mean at which a bin counts as sound
RANGE = 40.0  # dB below the loudest frame of a bin at which its scale ends
SMOOTH_HZ, SMOOTH_MS = 500, 50


@lru_cache(maxsize=4)
def window(zc: int) -> torch.Tensor:
    """Periodic Hann, float32 (4·zc,)."""
    return torch.hann_window(4 * zc)


def triangle(half: int) -> torch.Tensor:
    """float32 (2·half + 1,), rising to 1 in the middle."""
    rising = torch.arange(1, half + 2, dtype=torch.float32) / (half + 1)
    return torch.cat([rising, rising[:-1].flip(0)])


@lru_cache(maxsize=4)
def smoothing(zc: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The two factors of the smoothing over bins and over frames, each of sum 1."""
    rate = 100 * zc
    bins = triangle(int(SMOOTH_HZ / (rate / (2 * zc))))
    frames = triangle(int(SMOOTH_MS / (zc / rate * 1000)))
    return bins / bins.sum(), frames / frames.sum()


def spectrum(samples: torch.Tensor, zc: int) -> torch.Tensor:
    """Samples (N,) to complex (2·zc + 1, 1 + N//zc), zeros beyond both ends."""
    return torch.stft(samples, 4 * zc, zc, window=window(zc), center=True, pad_mode="constant", return_complex=True)


def level(bins: torch.Tensor) -> torch.Tensor:
    """dB of each bin, at least 40 dB below the loudest of its row; same shape, float32."""
    decibels = 20 * torch.log10(bins.abs() + torch.finfo(torch.float64).eps)
    return torch.maximum(decibels, decibels.amax(dim=-1, keepdim=True) - RANGE)


def reduce_noise(samples: torch.Tensor, reference: torch.Tensor, zc: int) -> torch.Tensor:
    """Turn down what is no louder than the noise in `reference`.

    samples   : float32 (N,), N a multiple of zc and at least 4·zc
    reference : float32 (R,), the sound whose mean and spread in each bin set its threshold
    returns   : float32 (N,)
    """
    sound = spectrum(samples, zc)
    noise = level(spectrum(reference, zc))
    threshold = noise.mean(dim=-1, keepdim=True) + SPREAD * noise.std(dim=-1, keepdim=True)
    mask = torch.where(level(sound) > threshold, 1.0, KEPT)
    bins, frames = smoothing(zc)
    plane = mask[None, None]
    plane = torch.nn.functional.conv2d(plane, bins[None, None, :, None], padding="same")
    plane = torch.nn.functional.conv2d(plane, frames[None, None, None, :], padding="same")
    return torch.istft(sound * plane[0, 0], 4 * zc, zc, window=window(zc), center=True)
