"""The excitation: pitch in Hz to a sine with noise, in the two generations the originals have, docs/spec/05 §5.5.

With a single harmonic the random start phase has no effect, so the noise is the only random input. The order of the
float32 operations is the reference's: a running sum of phases is where its last bits are decided.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.conv import Weights
from rvc.nn.synthesizer_config import Sizes

AMPLITUDE = 0.1
NOISE_VOICED = 0.003
GENERATIONS = ("A", "B")


class Source:
    """f0 (1, p) in Hz and noise (1, p·upp, 1) to the sine and the source that the generator listens to."""

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        self.rate, self.upp = sizes.rate, sizes.upp
        self.weight, self.bias = weights["dec.m_source.l_linear.weight"], weights["dec.m_source.l_linear.bias"]

    def __call__(self, f0: Tensor, noise: Tensor, generation: str) -> tuple[Tensor, Tensor]:
        """The excitation of a whole segment; the phase starts at 0 here.

        f0      : float32 (1, p), 0 where unvoiced;  noise : float32 (1, p·upp, 1), standard normal
        returns : sine float32 (1, p·upp, 1), source float32 (1, 1, p·upp)
        """
        make = {"A": sine_a, "B": sine_b}[generation]
        sine = make(f0[0], self.rate, self.upp)
        voiced = (f0[0] > 0).to(f0.dtype)
        # One frame at a time has one amplitude, so nothing of sample length is made for it.
        loudness = voiced * NOISE_VOICED + (1 - voiced) * AMPLITUDE / 3
        frames = sine.view(-1, self.upp)
        frames.mul_(voiced[:, None])
        frames.add_(loudness[:, None] * noise.view(-1, self.upp))
        sine = sine.view(1, -1, 1)
        source = F.linear(sine, self.weight, self.bias).tanh_()
        return sine, source.transpose(1, 2)


def sine_a(f0: Tensor, rate: int, upp: int) -> Tensor:
    """2023 and 2026: a running sum over samples, brought back by one wherever a coarser sum says that it wraps.

    f0 : float32 (p,) in Hz;  returns float32 (p·upp,), amplitude 0.1
    """
    step = (f0 / rate) % 1
    coarse = torch.cumsum(step, 0).mul_(upp)
    coarse = F.interpolate(coarse[None, None], size=f0.numel() * upp, mode="linear", align_corners=True)[0, 0]
    coarse %= 1
    wraps = coarse[1:] < coarse[:-1]
    phase = step.repeat_interleave(upp)
    phase[1:] -= wraps.to(phase.dtype)
    phase = torch.cumsum(phase, 0)
    return phase.mul_(2).mul_(math.pi).sin_().mul_(AMPLITUDE)


def sine_b(f0: Tensor, rate: int, upp: int) -> Tensor:
    """The classic generation: within a frame a ramp, from frame to frame the wrapped sum of their advances.

    f0 : float32 (p,) in Hz;  returns float32 (p·upp,), amplitude 0.1
    """
    ramp = (f0 / rate)[:, None] * torch.arange(1, upp + 1, dtype=f0.dtype, device=f0.device)
    advance = torch.fmod(ramp[:-1, -1] + 0.5, 1.0) - 0.5
    ramp[1:] += torch.fmod(torch.cumsum(advance, 0), 1.0)[:, None]
    return ramp.view(-1).mul_(2 * math.pi).sin_().mul_(AMPLITUDE)
