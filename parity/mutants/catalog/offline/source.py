"""Faults of the NSF source."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional as F

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Change, Original, Patch, after, around, in_voice, put
from rvc.nn import source
from rvc.nn.source import Source
from rvc.nn.synthesizer import Synthesizer

Tensor = torch.Tensor
Excitation = tuple[Tensor, Tensor]  # nsf.sine and nsf.source


def _sine_with_phase_lag(lag: int) -> Patch:
    """The sine of a phase that is `lag` samples behind."""

    def sine(original: Original, f0: Tensor, rate: int, upp: int) -> Tensor:
        steps = (f0.double() / rate).repeat_interleave(upp)
        phase = torch.cumsum(steps, 0) - lag * steps
        return (torch.sin(2 * torch.pi * (phase % 1)) * 0.1).float()

    return around(source, "sine_a", sine)


def _sine_of_interpolated_f0(original: Original, f0: Tensor, rate: int, upp: int) -> Tensor:
    track = F.interpolate(f0[None, None], scale_factor=upp, mode="linear", align_corners=False)[0, 0]
    return (torch.sin(2 * torch.pi * (torch.cumsum(track.double() / rate, 0) % 1)) * 0.1).float()


def _sine_by_float32_sum(original: Original, f0: Tensor, rate: int, upp: int) -> Tensor:
    """The sine of a running sum in float32 that is never brought back below one."""
    steps = (f0 / rate).repeat_interleave(upp).numpy()
    return torch.from_numpy(np.sin(np.float32(2 * np.pi) * np.cumsum(steps, dtype=np.float32)) * np.float32(0.1))


def in_place_of_sine(wave: Callable[[Tensor], Tensor]) -> Patch:
    """Another function of the phase, float64 in periods from 0 to 1, in place of the sine."""

    def sine(original: Original, f0: Tensor, rate: int, upp: int) -> Tensor:
        phase = torch.cumsum((f0.double() / rate).repeat_interleave(upp), 0) % 1
        return (wave(phase) * source.AMPLITUDE).float()

    return around(source, "sine_a", sine)


def _treat_all_as_voiced(original: Original, self: Source, f0: Tensor, noise: Tensor, generation: str) -> Excitation:
    """Give unvoiced frames an F0 of 1e-30 Hz: the noise level of voiced frames, and hardly a sine."""
    held = torch.where(f0 > 0, f0, torch.full_like(f0, 1e-30))
    excitation: Excitation = original(self, held, noise, generation)
    return excitation


def _sine_as_source(original: Original, self: Source, *args: object) -> Excitation:
    sine, _ = original(self, *args)
    return sine, sine.transpose(1, 2).contiguous()


def _source_without_tanh(original: Original, self: Source, *args: object) -> Excitation:
    sine, bent = original(self, *args)
    return sine, torch.atanh(bent.double().clamp(-1 + 1e-9, 1 - 1e-9)).float()


def _linear_layer_in_12_bits(voice: Synthesizer) -> Iterator[Change]:
    linear = voice._source
    assert linear is not None  # the fault needs voiced frames, hence a voice with F0
    yield linear, "weight", reduced_precision.in_12_bits(linear.weight)
    yield linear, "bias", reduced_precision.in_12_bits(linear.bias)


def _change_source(change: Callable[[Tensor], Tensor]) -> Patch:
    """Change nsf.source alone."""

    def excite(original: Original, self: Source, *args: object) -> Excitation:
        sine, bent = original(self, *args)
        return sine, change(bent)

    return around(Source, "__call__", excite)


FAULTS = [
    Fault(
        "source-phase-early",
        "nsf",
        "the sum excludes the current sample",
        _sine_with_phase_lag(1),
        needs=(Need.GENERATION_A, Need.VOICED),
        causes=("phase one sample early",),
    ),
    Fault(
        "source-linear",
        "nsf",
        "F0 is interpolated",
        around(source, "sine_a", _sine_of_interpolated_f0),
        needs=(Need.GENERATION_A, Need.VOICED),
        causes=("linear pitch",),
    ),
    Fault(
        "source-float32-phase",
        "nsf",
        "a plain running sum in float32",
        around(source, "sine_a", _sine_by_float32_sum),
        needs=(Need.GENERATION_A, Need.VOICED),
    ),
    Fault(
        "source-cosine",
        "nsf",
        "cosine instead of sine",
        in_place_of_sine(lambda phase: torch.cos(2 * torch.pi * phase)),
        needs=(Need.GENERATION_A, Need.VOICED),
        causes=("cosine",),
    ),
    Fault(
        "source-noise-0.0031",
        "nsf",
        "voiced noise 0.0031",
        put(source, "NOISE_VOICED", 0.0031),
        needs=(Need.VOICED,),
        causes=("another noise level",),
    ),
    Fault(
        "source-noise-missing",
        "nsf",
        "no noise where voiced",
        put(source, "NOISE_VOICED", 0.0),
        needs=(Need.VOICED,),
        causes=("missing noise", "missing noise on voiced frames", "another noise level"),
    ),
    Fault(
        "source-amplitude",
        "nsf",
        "a sine amplitude of 0.1001",
        after(source, "sine_a", lambda x: x * 1.001),
        needs=(Need.GENERATION_A, Need.VOICED),
        causes=("gain", "another amplitude"),
    ),
    Fault(
        "source-unmuted",
        "nsf",
        "unvoiced frames are treated as voiced",
        around(Source, "__call__", _treat_all_as_voiced),
        needs=(Need.VOICED_AND_UNVOICED,),
        causes=("voiced noise everywhere", "another noise level"),
    ),
    Fault(
        "source-no-tanh",
        "nsf",
        "no tanh",
        around(Source, "__call__", _source_without_tanh),
        needs=(Need.VOICED,),
        causes=("missing tanh",),
    ),
    Fault(
        "source-bare",
        "nsf",
        "neither the linear layer nor tanh",
        around(Source, "__call__", _sine_as_source),
        needs=(Need.VOICED,),
        causes=("bare sine", "missing linear layer"),
    ),
    Fault(
        "source-late",
        "nsf",
        "one sample late",
        around(
            Source,
            "__call__",
            lambda f, self, *a: tuple(x.roll(1, axis) for x, axis in zip(f(self, *a), (1, 2), strict=True)),
        ),
        needs=(Need.VOICED,),
        causes=("shift by 1 sample",),
    ),
    Fault(
        "source-noise-0.00301",
        "nsf",
        "voiced noise 0.00301",
        put(source, "NOISE_VOICED", 0.00301),
        needs=(Need.VOICED,),
        causes=("another noise level",),
    ),
    Fault(
        "source-short-linear",
        "nsf",
        "the linear layer in 12 bits",
        in_voice(_linear_layer_in_12_bits),
        needs=(Need.VOICED,),
        causes=("another linear layer",),
    ),
    Fault(
        "source-half",
        "nsf",
        "the source in half precision",
        _change_source(reduced_precision.half),
        needs=(Need.VOICED,),
        causes=("half precision",),
    ),
    Fault(
        "source-short-noise",
        "nsf",
        "the noise in bfloat16",
        around(
            Source, "__call__", lambda f, self, f0, noise, *rest: f(self, f0, reduced_precision.bfloat16(noise), *rest)
        ),
        needs=(Need.VOICED,),
    ),
    Fault(
        "source-16-bit",
        "nsf",
        "the sine in 16 bits",
        after(source, "sine_a", reduced_precision.pcm16),
        needs=(Need.GENERATION_A, Need.VOICED),
    ),
]
