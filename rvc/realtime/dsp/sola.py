"""SOLA: the offset at which two blocks fit best, and the crossfades that join them (docs/spec/07 §7.6 and §7.7)."""

from __future__ import annotations

import math

import torch

QUIET = 1e-8  # added to the energy under the root, so that silence has the correlation 0 (docs/spec/07 §7.6)


def ramp(length: int) -> torch.Tensor:
    """The fade-in of a block: sin² from 0 to 1, both ends included; float32 (length,)."""
    return torch.sin(math.pi / 2 * torch.linspace(0.0, 1.0, length)) ** 2


def correlation(new: torch.Tensor, held: torch.Tensor) -> torch.Tensor:
    """Correlate the held samples with the start of a block, divided by the root of the block's energy at each lag.

    Args:
        new: float32 (Y + S,), the samples to search; S is the largest lag.
        held: float32 (Y,), the end of the block before.
    Returns:
        float32 (S + 1,), one value for each lag.
    """
    windows = new.unfold(0, held.shape[0], 1)
    energy = (new * new).unfold(0, held.shape[0], 1).sum(dim=1)
    scores: torch.Tensor = (windows @ held) / torch.sqrt(energy + QUIET)
    return scores


def crossfade(held: torch.Tensor, new: torch.Tensor, fade_in: torch.Tensor) -> torch.Tensor:
    """Crossfade `held` into `new`, each float32 (Y,), with the weights 1 − fade_in and fade_in; float32 (Y,)."""
    return new * fade_in + held * (1 - fade_in)


def phase_vocoder(held: torch.Tensor, new: torch.Tensor, fade_in: torch.Tensor) -> torch.Tensor:
    """Crossfade with each partial's phase interpolated from `held` to `new`, an option of the classic WebUI.

    Args:
        held: float32 (Y,), the end of the block before.
        new: float32 (Y,), the start of the block.
        fade_in: float32 (Y,), from 0 to 1.
    Returns:
        float32 (Y,).
    """
    length = held.shape[0]
    fade_out = 1 - fade_in
    window = torch.sqrt(fade_out * fade_in)
    before, after = torch.fft.rfft(held * window), torch.fft.rfft(new * window)
    amplitude = before.abs() + after.abs()
    # Every bin except DC, and except Nyquist for an even length, also stands for its mirror image.
    amplitude[1 : -1 if length % 2 == 0 else None] *= 2
    phase = before.angle()
    change = after.angle() - phase
    change = change - 2 * math.pi * torch.floor(change / 2 / math.pi + 0.5)  # wrapped to -π … π
    advance = 2 * math.pi * torch.arange(length // 2 + 1) + change  # radians over all Y samples, for each partial
    time = torch.arange(length)[:, None] / length
    # The angles grow to π·Y, so that float32 limits the accuracy to 1e-4, as in the original.
    partials: torch.Tensor = (amplitude * torch.cos(advance * time + phase)).sum(dim=1) * window / length
    faded: torch.Tensor = held * fade_out**2 + new * fade_in**2
    return faded + partials
