"""Faults of the generator."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Change, Original, Patch, after, around, in_voice, put
from rvc.nn import generator
from rvc.nn.generator import Generator, Stage
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.upsample import NoiseConv

Tensor = torch.Tensor


def mean_over(count: float) -> Patch:
    """Divide the sum of a stage's three residual blocks by another number."""
    return around(Stage, "__call__", lambda original, self, *args: original(self, *args) * (3 / count))


def _pad_last_upsampler(voice: Synthesizer) -> Iterator[Change]:
    for stage in voice.generator.stages[-1:]:
        yield stage.up, "pad", stage.up.pad + 1


def _pad_first_source_convolution(voice: Synthesizer) -> Iterator[Change]:
    for stage in voice.generator.stages[:1]:
        if stage.noise is not None:
            yield stage.noise, "pad", stage.noise.pad + 1


def _drop_upsampler_bias(voice: Synthesizer) -> Iterator[Change]:
    product = voice.generator.stages[0].up.product
    assert product.bias is not None  # every upsampler has one
    yield product, "bias", torch.zeros_like(product.bias)


def _repeat_second_block(voice: Synthesizer) -> Iterator[Change]:
    """Run the residual block of kernel size 7 instead of that of kernel size 11."""
    for stage in voice.generator.stages:
        yield stage, "blocks", [stage.blocks[0], stage.blocks[1], stage.blocks[1]]


def _invert_tanh(samples: Tensor) -> Tensor:
    return torch.atanh(samples.double().clamp(-1 + 1e-9, 1 - 1e-9)).float()


def _block_biases_in_12_bits(voice: Synthesizer) -> Iterator[Change]:
    for stage in voice.generator.stages:
        for conv in stage.convs():
            yield conv, "bias", reduced_precision.in_12_bits(conv.bias)


def _change_generator_input(place: int, change: Callable[[Tensor], Tensor]) -> Patch:
    """Change one input: the latent (place 0), the speaker (1) or the source (2)."""

    def generate(original: Original, self: Generator, *args: Any, **kwargs: Any) -> Tensor:
        changed = [change(value) if at == place and value is not None else value for at, value in enumerate(args)]
        samples: Tensor = original(self, *changed, **kwargs)
        return samples

    return around(Generator, "__call__", generate)


FAULTS = [
    Fault(
        "gen-slope",
        "generator",
        "LeakyReLU 0.2 instead of 0.1",
        put(generator, "SLOPE", 0.2),
        causes=("another slope",),
    ),
    Fault(
        "gen-slope-subtle", "generator", "LeakyReLU 0.1001", put(generator, "SLOPE", 0.1001), causes=("another slope",)
    ),
    Fault(
        "gen-last-slope",
        "generator",
        "0.1 for the last LeakyReLU as well",
        put(generator, "LAST_SLOPE", 0.1),
        causes=("another last slope",),
    ),
    Fault(
        "gen-no-tanh",
        "generator",
        "no tanh at the end",
        after(Generator, "piece", _invert_tanh),
        causes=("missing tanh",),
    ),
    Fault(
        "gen-clipped",
        "generator",
        "clipped to -1 … 1 instead of tanh",
        after(Generator, "piece", lambda x: _invert_tanh(x).clamp(-1, 1)),
        causes=("missing tanh", "clipped"),
    ),
    Fault(
        "gen-polarity", "generator", "inverted polarity", after(Generator, "piece", lambda x: -x), causes=("polarity",)
    ),
    Fault(
        "gen-gain",
        "generator",
        "a ten-thousandth louder",
        after(Generator, "piece", lambda x: x * 1.0001),
        causes=("gain",),
    ),
    Fault(
        "gen-late",
        "generator",
        "one sample late",
        after(Generator, "__call__", lambda x: x.roll(1)),
        causes=("shift by 1 sample",),
    ),
    Fault(
        "gen-no-source",
        "generator",
        "the source is not added",
        around(NoiseConv, "add_to", lambda f, self, *a: None),
        needs=(Need.F0,),
        causes=("missing source",),
    ),
    Fault(
        "gen-unconditioned",
        "generator",
        "no speaker",
        around(Generator, "__call__", lambda f, self, z, g, *a: f(self, z, torch.zeros_like(g), *a)),
        causes=("missing speaker",),
    ),
    Fault(
        "gen-summed",
        "generator",
        "the blocks' mean is a thousandth too large",
        mean_over(3 / 1.001),
    ),
    Fault("gen-up-shifted", "generator", "the last upsampler pads one more", in_voice(_pad_last_upsampler)),
    Fault(
        "gen-noise-shifted",
        "generator",
        "the first source convolution pads one more",
        in_voice(_pad_first_source_convolution),
        needs=(Need.F0,),
    ),
    Fault("gen-up-unbiased", "generator", "the first upsampler has no bias", in_voice(_drop_upsampler_bias)),
    Fault("gen-two-blocks", "generator", "kernel size 7 instead of 11", in_voice(_repeat_second_block)),
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
        causes=("half precision",),
    ),
    Fault(
        "gen-up-late",
        "generator",
        "latents come one frame late",
        around(Generator, "__call__", lambda f, self, z, *a: f(self, z.roll(1, 2), *a)),
    ),
    Fault(
        "gen-half-latent",
        "generator",
        "its latent in half precision",
        _change_generator_input(0, reduced_precision.half),
    ),
    Fault(
        "gen-short-speaker",
        "generator",
        "the speaker in 12 bits",
        _change_generator_input(1, reduced_precision.in_12_bits),
        needs=(Need.VOICE_OF_LATENTS,),
    ),
    Fault(
        "gen-half-source",
        "generator",
        "the source in half precision",
        _change_generator_input(2, reduced_precision.half),
        needs=(Need.F0,),
    ),
    Fault("gen-short-biases", "generator", "its blocks' biases in 12 bits", in_voice(_block_biases_in_12_bits)),
    Fault(
        "gen-last-slope-0.011",
        "generator",
        "0.011 for the last LeakyReLU",
        put(generator, "LAST_SLOPE", 0.011),
        causes=("another last slope",),
    ),
    Fault(
        "gen-16-bit",
        "generator",
        "its samples in 16 bits",
        after(Generator, "__call__", reduced_precision.pcm16),
        causes=("fixed point",),
    ),
]
