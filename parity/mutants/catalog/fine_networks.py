"""Small faults of the networks: epsilons, constants in fewer digits, one layer or one constant in half precision."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional as F

from parity.mutants import reduced_precision
from parity.mutants.catalog.networks import in_hubert, in_voice
from parity.mutants.fault import Fault, after, around, namespace, put
from rvc.content import features
from rvc.nn import encoder, flow, generator, hubert, source
from rvc.nn import synthesizer as network
from rvc.nn.encoder import Attention, Encoder
from rvc.nn.flow import Coupling, Flow
from rvc.nn.generator import Generator
from rvc.nn.source import Source
from rvc.nn.synthesizer import Synthesizer

SHORT = reduced_precision.fixed(12)  # the voices' own weights are half floats already
Changes = Iterator[tuple[Any, str, Any]]


def _hubert_eps(value: float) -> Any:
    def change(net: Any) -> Changes:
        for layer in net.layers:
            yield layer.attention_norm, "eps", value
            yield layer.final_norm, "eps", value

    return in_hubert(change)


def _one_layer(net: Any) -> Changes:
    forward = net.layers[5].forward
    yield net.layers[5], "forward", lambda rows: reduced_precision.half(forward(rows))


def _short_norms(net: Any) -> Changes:
    for layer in net.layers:
        yield layer.final_norm, "weight", SHORT(layer.final_norm.weight)
        yield layer.final_norm, "bias", SHORT(layer.final_norm.bias)


def _short_place(net: Any) -> Changes:
    yield net.embed, "position_bias", SHORT(net.embed.position_bias)


def _all_tf32(net: Any) -> Changes:
    for layer in net.layers:
        forward = layer.forward
        yield layer, "forward", lambda rows, forward=forward: forward(reduced_precision.tf32(rows))


def _sharper(by: float) -> Any:
    return around(hubert, "attend", lambda original, q, *rest: original(q * by, *rest))


def _short_pitch(voice: Any) -> Changes:
    yield voice.encoder, "pitch", SHORT(voice.encoder.pitch)


def _short_distance(voice: Any) -> Changes:
    for block in voice.encoder.blocks:
        yield block.attention, "near_k", SHORT(block.attention.near_k)


def _short_affine(voice: Any) -> Changes:
    for block in voice.encoder.blocks:
        yield block, "norm_2", tuple(map(SHORT, block.norm_2))


def _only(place: int, change: Any) -> Any:
    """A fault in one of m and logs."""

    def encode(original: Any, self: Any, *given: Any, **named: Any) -> Any:
        made = list(original(self, *given, **named))
        made[place] = change(made[place])
        return tuple(made)

    return around(Encoder, "__call__", encode)


def _prior(make: Any) -> Any:
    return around(Synthesizer, "prior", lambda f, self, m, logs, noise: make(f, self, m, logs, noise))


def _flow_in(z: Any = None, g: Any = None) -> Any:
    return around(Flow, "__call__", lambda f, self, z_p, voice: f(self, z(z_p) if z else z_p, g(voice) if g else voice))


def _short_bias(voice: Any) -> Changes:
    for coupling in voice._flow.couplings:
        yield coupling.post, "bias", SHORT(coupling.post.bias)


def _short_linear(voice: Any) -> Changes:
    yield voice._source, "weight", SHORT(voice._source.weight)
    yield voice._source, "bias", SHORT(voice._source.bias)


def _short_biases(voice: Any) -> Changes:
    for stage in voice.generator.stages:
        for conv in stage.convs():
            yield conv, "bias", SHORT(conv.bias)


def _generator_in(place: int, change: Any) -> Any:
    def generate(original: Any, self: Any, *given: Any, **named: Any) -> Any:
        changed = [change(value) if at == place and value is not None else value for at, value in enumerate(given)]
        return original(self, *changed, **named)

    return around(Generator, "__call__", generate)


def _sourced(change: Any) -> Any:
    """A fault in nsf.source alone."""

    def excite(original: Any, self: Any, *given: Any) -> Any:
        sine, bent = original(self, *given)
        return sine, change(bent)

    return around(Source, "__call__", excite)


SOURCE = ("voiced",)
FAULTS = [
    Fault("hubert-half-layer", "hubert.features", "one layer in half precision", in_hubert(_one_layer)),
    Fault("hubert-short-norms", "hubert.features", "norms' weights in 12 bits", in_hubert(_short_norms)),
    Fault("hubert-short-position", "hubert.features", "the positional bias in 12 bits", in_hubert(_short_place)),
    Fault("hubert-tf32", "hubert.features", "what enters each layer in TF32", in_hubert(_all_tf32)),
    Fault("hubert-eps-1e-4", "hubert.features", "layer norm with 1e-4", _hubert_eps(1e-4), (), ("epsilon",)),
    Fault(
        "hubert-attention-fine",
        "hubert.features",
        "attention a thousandth too sharp",
        _sharper(1.001),
        (),
        ("another attention scale",),
    ),
    Fault(
        "hubert-tf32-out",
        "hubert.features",
        "its result in 10 bits",
        after(features, "extract", reduced_precision.tf32),
        (),
        ("half precision",),
    ),
    Fault("enc-eps-1e-6", "enc_p", "layer norm with 1e-6", put(encoder, "EPS", 1e-6), (), ("epsilon",)),
    Fault(
        "enc-sqrt-digits",
        "enc_p",
        "13.86 for sqrt(192)",
        put(encoder, "sqrt", lambda x: 13.86 if x == 192 else x**0.5),
        (),
        ("another scale of the embedding",),
    ),
    Fault(
        "enc-scale-digits",
        "enc_p",
        "9.8 for sqrt(96)",
        put(encoder, "sqrt", lambda x: 9.8 if x == 96 else x**0.5),
        (),
        ("another attention scale",),
    ),
    Fault("enc-short-pitch", "enc_p", "the pitch table in 12 bits", in_voice(_short_pitch), ("voiced",)),
    Fault("enc-short-distance", "enc_p", "the relative keys in 12 bits", in_voice(_short_distance)),
    Fault("enc-short-norms", "enc_p", "the norms in 12 bits", in_voice(_short_affine)),
    Fault(
        "enc-half-attention",
        "enc_p",
        "attention's result in half precision",
        after(Attention, "__call__", reduced_precision.half),
    ),
    Fault(
        "enc-slope-0.101",
        "enc_p",
        "LeakyReLU 0.101",
        put(encoder, "F", namespace(F, leaky_relu_=lambda x, slope: F.leaky_relu_(x, 0.101))),
        (),
        ("another slope",),
    ),
    Fault("enc-m-half", "enc_p", "m in half precision", _only(0, reduced_precision.half), (), ("half precision",)),
    Fault(
        "enc-logs-half", "enc_p", "logs in half precision", _only(1, reduced_precision.half), (), ("half precision",)
    ),
    Fault("enc-logs-clamped", "enc_p", "logs is kept above -3", _only(1, lambda x: x.clamp(min=-1.0))),
    Fault("prior-0.6667", "z_p", "0.6667", put(network, "TEMPERATURE", 0.6667), (), ("another noise scale",)),
    Fault("prior-0.66667", "z_p", "0.66667", put(network, "TEMPERATURE", 0.66667), (), ("another noise scale",)),
    Fault(
        "prior-fp24",
        "z_p",
        "24-bit floats, cut off",
        _prior(lambda f, self, m, logs, noise: reduced_precision.fp24_cut(f(self, m, logs, noise))),
        (),
        ("fewer bits",),
    ),
    Fault(
        "prior-half-scale",
        "z_p",
        "0.66666 in half precision",
        put(network, "TEMPERATURE", 0.66650390625),
        (),
        ("another noise scale",),
    ),
    Fault(
        "prior-half-noise",
        "z_p",
        "the noise in half precision",
        _prior(lambda f, self, m, logs, noise: f(self, m, logs, reduced_precision.half(noise))),
    ),
    Fault(
        "prior-half-m",
        "z_p",
        "m in half precision",
        _prior(lambda f, self, m, logs, noise: f(self, reduced_precision.half(m), logs, noise)),
    ),
    Fault(
        "prior-clamped",
        "z_p",
        "logs is clamped at 0",
        _prior(lambda f, self, m, logs, noise: f(self, m, logs.clamp(max=0.0), noise)),
    ),
    Fault("flow-fp24", "flow", "its input in 24-bit floats", _flow_in(reduced_precision.fp24)),
    Fault("flow-short-speaker", "flow", "the speaker in 12 bits", _flow_in(g=SHORT)),
    Fault("flow-short-bias", "flow", "its last biases in 12 bits", in_voice(_short_bias)),
    Fault(
        "flow-half-gates", "flow", "the gates' sum in half precision", after(Coupling, "gated", reduced_precision.half)
    ),
    Fault(
        "flow-tanh-fine",
        "flow",
        "tanh by its first terms for small arguments",
        put(flow, "torch", namespace(torch, tanh=lambda x: torch.where(x.abs() < 0.3, x - x**3 / 3, torch.tanh(x)))),
    ),
    Fault(
        "source-noise-0.00301",
        "nsf",
        "voiced noise 0.00301",
        put(source, "NOISE_VOICED", 0.00301),
        SOURCE,
        ("another noise level",),
    ),
    Fault(
        "source-short-linear",
        "nsf",
        "the linear layer in 12 bits",
        in_voice(_short_linear),
        SOURCE,
        ("another linear layer",),
    ),
    Fault(
        "source-half",
        "nsf",
        "the source in half precision",
        _sourced(reduced_precision.half),
        SOURCE,
        ("half precision",),
    ),
    Fault(
        "source-short-noise",
        "nsf",
        "the noise in bfloat16",
        around(
            Source, "__call__", lambda f, self, f0, noise, *rest: f(self, f0, reduced_precision.bfloat16(noise), *rest)
        ),
        SOURCE,
    ),
    Fault(
        "source-16-bit", "nsf", "the sine in 16 bits", after(source, "sine_a", reduced_precision.pcm16), ("A", "voiced")
    ),
    Fault("gen-half-latent", "generator", "its latent in half precision", _generator_in(0, reduced_precision.half)),
    Fault("gen-short-speaker", "generator", "the speaker in 12 bits", _generator_in(1, SHORT)),
    Fault(
        "gen-half-source",
        "generator",
        "the source in half precision",
        _generator_in(2, reduced_precision.half),
        ("f0",),
    ),
    Fault("gen-short-biases", "generator", "its blocks' biases in 12 bits", in_voice(_short_biases)),
    Fault(
        "gen-last-slope-0.011",
        "generator",
        "0.011 for the last LeakyReLU",
        put(generator, "LAST_SLOPE", 0.011),
        (),
        ("another last slope",),
    ),
    Fault(
        "gen-16-bit",
        "generator",
        "its samples in 16 bits",
        after(Generator, "__call__", reduced_precision.pcm16),
        (),
        ("fixed point",),
    ),
]
