"""Faults of the prior, the source and the generator."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional as F

from parity.mutants.catalog.networks import in_voice
from parity.mutants.fault import Fault, after, around, put
from rvc.nn import generator, source
from rvc.nn import synthesizer as network
from rvc.nn.generator import Generator, Stage
from rvc.nn.source import Source
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.upsample import NoiseConv


def _prior(make: Any) -> Any:
    return lambda original, self, m, logs, noise: make(m, logs, noise)


def _phase(lag: int) -> Any:
    def sine(original: Any, f0: Any, rate: int, upp: int) -> Any:
        steps = (f0.double() / rate).repeat_interleave(upp)
        phase = torch.cumsum(steps, 0) - lag * steps
        return (torch.sin(2 * torch.pi * (phase % 1)) * 0.1).float()

    return sine


def _linear_pitch(original: Any, f0: Any, rate: int, upp: int) -> Any:
    track = F.interpolate(f0[None, None], scale_factor=upp, mode="linear", align_corners=False)[0, 0]
    return (torch.sin(2 * torch.pi * (torch.cumsum(track.double() / rate, 0) % 1)) * 0.1).float()


def _sequential(original: Any, f0: Any, rate: int, upp: int) -> Any:
    """A plain running sum in float32, never brought back below one."""
    import numpy as np

    steps = (f0 / rate).repeat_interleave(upp).numpy()
    return torch.from_numpy(np.sin(np.float32(2 * np.pi) * np.cumsum(steps, dtype=np.float32)) * np.float32(0.1))


def _cosine(original: Any, f0: Any, rate: int, upp: int) -> Any:
    phase = torch.cumsum((f0.double() / rate).repeat_interleave(upp), 0) % 1
    return (torch.cos(2 * torch.pi * phase) * 0.1).float()


def _unmuted(original: Any, self: Any, f0: Any, noise: Any, generation: str) -> Any:
    held = torch.where(f0 > 0, f0, torch.full_like(f0, 1e-30))
    return original(self, held, noise, generation)


def _bare(original: Any, self: Any, *given: Any) -> Any:
    sine, _ = original(self, *given)
    return sine, sine.transpose(1, 2).contiguous()


def _untanhed(original: Any, self: Any, *given: Any) -> Any:
    sine, bent = original(self, *given)
    return sine, torch.atanh(bent.double().clamp(-1 + 1e-9, 1 - 1e-9)).float()


def _mean_of(count: float) -> Any:
    return lambda original, self, *given: original(self, *given) * (3 / count)


def _ups_shifted(voice: Any) -> Iterator[tuple[Any, str, Any]]:
    for stage in voice.generator.stages[-1:]:
        yield stage.up, "pad", stage.up.pad + 1


def _noise_shifted(voice: Any) -> Iterator[tuple[Any, str, Any]]:
    for stage in voice.generator.stages[:1]:
        if stage.noise is not None:
            yield stage.noise, "pad", stage.noise.pad + 1


def _unbiased(voice: Any) -> Iterator[tuple[Any, str, Any]]:
    product = voice.generator.stages[0].up.product
    yield product, "bias", torch.zeros_like(product.bias)


def _two_blocks(voice: Any) -> Iterator[tuple[Any, str, Any]]:
    for stage in voice.generator.stages:
        yield stage, "blocks", [stage.blocks[0], stage.blocks[1], stage.blocks[1]]


def _untanh(samples: Any) -> Any:
    return torch.atanh(samples.double().clamp(-1 + 1e-9, 1 - 1e-9)).float()


SOURCE = ("voiced",)
FAULTS = [
    Fault(
        "prior-1.5",
        "z_p",
        "no 0.66666, as in the ONNX export",
        put(network, "TEMPERATURE", 1.0),
        (),
        ("missing 0.66666",),
    ),
    Fault("prior-two-thirds", "z_p", "2/3 for 0.66666", put(network, "TEMPERATURE", 2 / 3), (), ("two thirds",)),
    Fault("prior-0.667", "z_p", "rounded to 0.667", put(network, "TEMPERATURE", 0.667), (), ("another noise scale",)),
    Fault("prior-twice", "z_p", "scaled twice", put(network, "TEMPERATURE", 0.66666**2), (), ("0.66666 twice",)),
    Fault("prior-no-noise", "z_p", "no noise", put(network, "TEMPERATURE", 0.0), (), ("missing noise",)),
    Fault(
        "prior-no-exp",
        "z_p",
        "logs without exp",
        around(Synthesizer, "prior", _prior(lambda m, logs, noise: m + logs * noise * 0.66666)),
        (),
        ("missing exponential",),
    ),
    Fault(
        "prior-variance",
        "z_p",
        "exp(logs / 2)",
        around(Synthesizer, "prior", _prior(lambda m, logs, noise: m + (logs / 2).exp() * noise * 0.66666)),
        (),
        ("variance for deviation",),
    ),
    Fault(
        "prior-noise-late",
        "z_p",
        "the noise comes one frame late",
        around(Synthesizer, "prior", _prior(lambda m, logs, noise: m + logs.exp() * noise.roll(1, 2) * 0.66666)),
    ),
    Fault(
        "source-phase-early",
        "nsf",
        "the sum excludes the current sample",
        around(source, "sine_a", _phase(1)),
        ("A", "voiced"),
        ("phase one sample early",),
    ),
    Fault(
        "source-linear",
        "nsf",
        "F0 is interpolated",
        around(source, "sine_a", _linear_pitch),
        ("A", "voiced"),
        ("linear pitch",),
    ),
    Fault(
        "source-float32-phase",
        "nsf",
        "a plain running sum in float32",
        around(source, "sine_a", _sequential),
        ("A", "voiced"),
    ),
    Fault("source-cosine", "nsf", "cosine for sine", around(source, "sine_a", _cosine), ("A", "voiced"), ("cosine",)),
    Fault(
        "source-noise-0.0031",
        "nsf",
        "voiced noise 0.0031",
        put(source, "NOISE_VOICED", 0.0031),
        SOURCE,
        ("another noise level",),
    ),
    Fault(
        "source-noise-missing",
        "nsf",
        "no noise where voiced",
        put(source, "NOISE_VOICED", 0.0),
        SOURCE,
        ("missing noise", "missing noise on voiced frames", "another noise level"),
    ),
    Fault(
        "source-amplitude",
        "nsf",
        "sine amplitude 0.1001",
        after(source, "sine_a", lambda x: x * 1.001),
        ("A", "voiced"),
        ("gain",),
    ),
    Fault(
        "source-unmuted",
        "nsf",
        "unvoiced frames are taken as voiced",
        around(Source, "__call__", _unmuted),
        ("unvoiced",),
        ("voiced noise everywhere", "another noise level"),
    ),
    Fault("source-no-tanh", "nsf", "no tanh", around(Source, "__call__", _untanhed), SOURCE, ("missing tanh",)),
    Fault(
        "source-bare",
        "nsf",
        "neither linear layer nor tanh",
        around(Source, "__call__", _bare),
        SOURCE,
        ("bare sine", "missing linear layer"),
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
        SOURCE,
        ("shift by 1 sample",),
    ),
    Fault("gen-slope", "generator", "LeakyReLU 0.2", put(generator, "SLOPE", 0.2), (), ("another slope",)),
    Fault("gen-slope-subtle", "generator", "LeakyReLU 0.1001", put(generator, "SLOPE", 0.1001), (), ("another slope",)),
    Fault(
        "gen-last-slope",
        "generator",
        "0.1 for the last LeakyReLU as well",
        put(generator, "LAST_SLOPE", 0.1),
        (),
        ("another last slope",),
    ),
    Fault("gen-no-tanh", "generator", "no tanh at the end", after(Generator, "piece", _untanh), (), ("missing tanh",)),
    Fault(
        "gen-clipped",
        "generator",
        "clipped for bent",
        after(Generator, "piece", lambda x: _untanh(x).clamp(-1, 1)),
        (),
        ("missing tanh", "clipped"),
    ),
    Fault("gen-polarity", "generator", "upside down", after(Generator, "piece", lambda x: -x), (), ("polarity",)),
    Fault(
        "gen-gain",
        "generator",
        "a ten-thousandth louder",
        after(Generator, "piece", lambda x: x * 1.0001),
        (),
        ("gain",),
    ),
    Fault(
        "gen-late",
        "generator",
        "one sample late",
        after(Generator, "__call__", lambda x: x.roll(1)),
        (),
        ("shift by 1 sample",),
    ),
    Fault(
        "gen-no-source",
        "generator",
        "the source is not heard",
        around(NoiseConv, "add_to", lambda f, self, *a: None),
        ("f0",),
        ("missing source",),
    ),
    Fault(
        "gen-unconditioned",
        "generator",
        "no speaker",
        around(Generator, "__call__", lambda f, self, z, g, *a: f(self, z, torch.zeros_like(g), *a)),
        (),
        ("missing speaker",),
    ),
    Fault(
        "gen-summed",
        "generator",
        "the blocks' mean is a thousandth too large",
        around(Stage, "__call__", _mean_of(3 / 1.001)),
    ),
    Fault("gen-up-shifted", "generator", "the last upsampler pads one more", in_voice(_ups_shifted)),
    Fault(
        "gen-noise-shifted",
        "generator",
        "the first source convolution pads one more",
        in_voice(_noise_shifted),
        ("f0",),
    ),
    Fault("gen-up-unbiased", "generator", "the first upsampler's bias is lost", in_voice(_unbiased)),
    Fault("gen-two-blocks", "generator", "a kernel of 7 where 11 belongs", in_voice(_two_blocks)),
    Fault(
        "gen-brain",
        "generator",
        "its latent in bfloat16",
        around(Generator, "__call__", lambda f, self, z, *a: f(self, z.bfloat16().float(), *a)),
    ),
    Fault(
        "gen-half-out",
        "generator",
        "its samples in half precision",
        after(Generator, "__call__", lambda x: x.half().float()),
        (),
        ("half precision",),
    ),
    Fault(
        "gen-up-late",
        "generator",
        "latents come one frame late",
        around(Generator, "__call__", lambda f, self, z, *a: f(self, z.roll(1, 2), *a)),
    ),
]
