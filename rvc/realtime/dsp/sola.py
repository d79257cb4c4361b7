"""The joint between two blocks: where they fit best, and how one becomes the other."""

from __future__ import annotations

import math

import torch

QUIET = 1e-8  # added to the energy so that silence has a correlation of 0


def ramp(held: int) -> torch.Tensor:
    """The window that fades a new block in over Y = `held` samples: sin² from 0 to 1, both ends included; float32."""
    return torch.sin(math.pi / 2 * torch.linspace(0.0, 1.0, held)) ** 2


def correlation(new: torch.Tensor, held: torch.Tensor) -> torch.Tensor:
    """How well `held` fits at each lag into the beginning of `new`, relative to the energy found there.

    new  : float32 (at least Y + S,), its first Y + S samples are searched;  held : float32 (Y,)
    returns : float32 (S + 1,), where S is 10 ms: len(new) - Y when called with exactly the searched samples
    """
    frames = new.unfold(0, held.shape[0], 1)
    energy = (new * new).unfold(0, held.shape[0], 1).sum(dim=1)
    fit: torch.Tensor = (frames @ held) / torch.sqrt(energy + QUIET)
    return fit


def crossfade(held: torch.Tensor, new: torch.Tensor, fade_in: torch.Tensor) -> torch.Tensor:
    """`held` becomes `new`: each float32 (Y,), amplitudes weighted with sin² and cos²."""
    return new * fade_in + held * (1 - fade_in)


def phase_vocoder(held: torch.Tensor, new: torch.Tensor, fade_in: torch.Tensor) -> torch.Tensor:
    """`held` becomes `new` with each partial's phase led from the one to the other (classic WebUI's option).

    held, new, fade_in : float32 (Y,);  returns : float32 (Y,)
    """
    length = held.shape[0]
    fade_out = 1 - fade_in
    window = torch.sqrt(fade_out * fade_in)
    before, after = torch.fft.rfft(held * window), torch.fft.rfft(new * window)
    amplitude = before.abs() + after.abs()
    # Every bin but DC, and but Nyquist where there is one, stands for its mirror image too.
    amplitude[1 : -1 if length % 2 == 0 else None] *= 2
    start = before.angle()
    turn = after.angle() - start
    turn = turn - 2 * math.pi * torch.floor(turn / 2 / math.pi + 0.5)
    speed = 2 * math.pi * torch.arange(length // 2 + 1) + turn
    time = torch.arange(length)[:, None] / length
    # float32 angles up to π·Y: the reference's, and its accuracy of 1e-4.
    partials: torch.Tensor = (amplitude * torch.cos(speed * time + start)).sum(dim=1) * window / length
    faded: torch.Tensor = held * fade_out**2 + new * fade_in**2
    return faded + partials
