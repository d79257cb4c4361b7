"""The NSF source: F0 in Hz to a sine with noise, in the two generations that the originals have, docs/spec/05 §5.5.

With a single harmonic the random start phase has no effect, so the noise is the only random input. The float32
operations are in the reference's order, because the running sum of phases is sensitive to rounding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.conv import Weights
from rvc.nn.synthesizer_config import Sizes

AMPLITUDE = 0.1  # amplitude of the sine (docs/spec/05 §5.5)
NOISE_VOICED = 0.003  # standard deviation of the noise in voiced frames (docs/spec/05 §5.5)
GENERATIONS = ("A", "B")  # A: 2023 and 2026; B: the classic generation


class Source:
    """F0 (1, p) in Hz and noise (1, p·upp, 1) to the sine and the source that the generator reads."""

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        self.rate, self.upp = sizes.rate, sizes.upp
        self.weight, self.bias = weights["dec.m_source.l_linear.weight"], weights["dec.m_source.l_linear.bias"]

    def __call__(self, f0: Tensor, noise: Tensor, generation: str) -> tuple[Tensor, Tensor]:
        """The source of one segment, whose phase starts at 0.

        Args:
            f0: float32 (1, p) in Hz, 0 where unvoiced.
            noise: float32 (1, p·upp, 1), standard normal.
            generation: "A" or "B".
        Returns:
            The sine with noise, float32 (1, p·upp, 1), and the source, float32 (1, 1, p·upp).
        """
        make = {"A": sine_a, "B": sine_b}[generation]
        sine = make(f0[0], self.rate, self.upp)
        voiced = (f0[0] > 0).to(f0.dtype)
        # The amplitude is constant within a frame, so it has one number per frame.
        deviation = voiced * NOISE_VOICED + (1 - voiced) * AMPLITUDE / 3
        frames = sine.view(-1, self.upp)
        frames.mul_(voiced[:, None])
        frames.add_(deviation[:, None] * noise.view(-1, self.upp))
        sine = sine.view(1, -1, 1)
        source = F.linear(sine, self.weight, self.bias).tanh_()
        return sine, source.transpose(1, 2)


def sine_a(f0: Tensor, rate: int, upp: int) -> Tensor:
    """The sine of 2023 and 2026: a running sum of phases over samples, reduced by one wherever a coarser sum wraps.

    Args:
        f0: float32 (p,) in Hz, 0 where unvoiced.
        rate: samples per second.
        upp: samples per frame.
    Returns:
        float32 (p·upp,), amplitude 0.1.
    """
    step = (f0 / rate) % 1
    coarse = running_sum(step).mul_(upp)
    coarse = F.interpolate(coarse[None, None], size=f0.numel() * upp, mode="linear", align_corners=True)[0, 0]
    coarse %= 1
    phase_wraps = coarse[1:] < coarse[:-1]
    phase = step.repeat_interleave(upp)
    phase[1:] -= phase_wraps.to(phase.dtype)
    phase = running_sum(phase)
    return phase.mul_(2).mul_(math.pi).sin_().mul_(AMPLITUDE)


def sine_b(f0: Tensor, rate: int, upp: int) -> Tensor:
    """The sine of the classic generation: a ramp of phase in each frame, offset by the wrapped sum of advances.

    Args:
        f0: float32 (p,) in Hz, 0 where unvoiced.
        rate: samples per second.
        upp: samples per frame.
    Returns:
        float32 (p·upp,), amplitude 0.1.
    """
    ramp = (f0 / rate)[:, None] * torch.arange(1, upp + 1, dtype=f0.dtype, device=f0.device)
    advance = torch.fmod(ramp[:-1, -1] + 0.5, 1.0) - 0.5
    ramp[1:] += torch.fmod(running_sum(advance), 1.0)[:, None]
    return ramp.view(-1).mul_(2 * math.pi).sin_().mul_(AMPLITUDE)


def running_sum(x: Tensor) -> Tensor:
    """The running sum of float32 (n,), accumulated in float64 and rounded once per element.

    torch does so on a CPU; on a GPU it adds float32 numbers, in an order that differs from run to run.
    """
    if x.device.type == "cpu":
        return torch.cumsum(x, 0)
    return torch.cumsum(x, 0, dtype=torch.float64).to(x.dtype)
