"""Faults of HuBERT and of what is given to it."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import functional as F

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Change, Original, Patch, after, around, in_hubert
from rvc.content import features
from rvc.nn import hubert
from rvc.nn.hubert import Embedding, Hubert
from rvc.nn.kernels.dense import Dense


def _from_layer(number: int) -> Patch:
    """The features of another layer."""

    def forward(
        original: Original, self: Hubert, samples: torch.Tensor, layer: int, project: bool = False
    ) -> torch.Tensor:
        features: torch.Tensor = original(self, samples, layer=number, project=project)
        return features

    return around(Hubert, "forward", forward)


def _normalize_audio(original: Original, audio: torch.Tensor, *rest: Any) -> Any:
    return original((audio - audio.mean()) / torch.sqrt(audio.var(unbiased=False) + 1e-5), *rest)


def _drop_first_positional_frame(original: Original, self: Embedding, features: torch.Tensor) -> Any:
    features = self.projection(self.norm(features))
    return self.final_norm(features + self.place(features)[1:])


def in_place_of_gelu(activation: Callable[[torch.Tensor], torch.Tensor]) -> Patch:
    """Another function in place of every GELU."""

    def forward(original: Original, self: Dense, x: torch.Tensor, gelu: bool = False) -> torch.Tensor:
        product: torch.Tensor = original(self, x)
        return activation(product) if gelu else product

    return around(Dense, "forward", forward)


def _scale_queries(by: float) -> Patch:
    """Multiply the queries of every attention, which scales its scores."""
    return around(hubert, "attend", lambda original, q, *rest: original(q * by, *rest))


def _layer_norm_epsilon(value: float) -> Patch:
    """Another epsilon in every layer norm of the transformer."""

    def changes(net: Hubert) -> Iterator[Change]:
        for layer in net.layers:
            yield layer.attention_norm, "eps", value
            yield layer.final_norm, "eps", value

    return in_hubert(changes)


def _one_layer_in_bfloat16(net: Hubert) -> Iterator[Change]:
    forward = net.layers[5].forward
    yield net.layers[5], "forward", lambda x: reduced_precision.bfloat16(forward(x))


def _norms_in_8_bits(net: Hubert) -> Iterator[Change]:
    for layer in net.layers:
        norm: Any = layer.final_norm
        yield norm, "weight", reduced_precision.fixed(8)(norm.weight)
        yield norm, "bias", reduced_precision.fixed(8)(norm.bias)


def _position_bias_in_12_bits(net: Hubert) -> Iterator[Change]:
    yield net.embed, "position_bias", reduced_precision.in_12_bits(net.embed.position_bias)


def _layer_inputs_in_tf32(net: Hubert) -> Iterator[Change]:
    for layer in net.layers:
        forward = layer.forward
        yield layer, "forward", lambda x, forward=forward: forward(reduced_precision.tf32(x))


FAULTS = [
    Fault(
        "hubert-layer-11",
        "hubert.features",
        "layer 11 instead of 12",
        _from_layer(11),
        needs=(Need.VOICE_V2,),
        causes=("wrong layer",),
    ),
    Fault(
        "hubert-layer-9",
        "hubert.features",
        "layer 9, that of v1, instead of 12",
        _from_layer(9),
        needs=(Need.VOICE_V2,),
        causes=("wrong layer",),
    ),
    Fault(
        "hubert-v1-layer-12",
        "hubert.features",
        "v1 from layer 12",
        _from_layer(12),
        needs=(Need.VOICE_V1,),
        causes=("wrong layer",),
    ),
    Fault(
        "hubert-v1-unprojected",
        "hubert.features",
        "256 of 768 channels, no projection",
        around(features, "extract", lambda f, audio, network, version: network(audio, layer=9)[..., :256].contiguous()),
        needs=(Need.VOICE_V1,),
        causes=("missing projection",),
    ),
    Fault(
        "hubert-normalised",
        "hubert.features",
        "the audio is normalized first",
        around(features, "extract", _normalize_audio),
        causes=("normalised input",),
    ),
    Fault(
        "hubert-gelu-tanh",
        "hubert.features",
        "the tanh form of GELU",
        in_place_of_gelu(lambda x: F.gelu(x, approximate="tanh")),
        causes=("another GELU",),
    ),
    Fault(
        "hubert-eps",
        "hubert.features",
        "layer norm with 1e-3",
        _layer_norm_epsilon(1e-3),
        causes=("epsilon",),
    ),
    Fault(
        "hubert-position-early",
        "hubert.features",
        "the first positional frame is dropped, not the last",
        around(Embedding, "forward", _drop_first_positional_frame),
        causes=("positional convolution one frame off",),
    ),
    Fault(
        "hubert-attention-scale",
        "hubert.features",
        "attention scores one percent too large",
        _scale_queries(1.01),
        causes=("another attention scale",),
    ),
    Fault(
        "hubert-late",
        "hubert.features",
        "one frame late",
        after(features, "extract", lambda x: torch.roll(x, 1, 1)),
        causes=("shift by 1 frame",),
    ),
    Fault(
        "hubert-half",
        "hubert.features",
        "the features are kept in half precision",
        after(features, "extract", lambda x: x.half().float()),
        causes=("half precision",),
    ),
    Fault(
        "hubert-short",
        "hubert.features",
        "the last frame is trimmed",
        after(features, "extract", lambda x: x[:, :-1].contiguous()),
        causes=("another length",),
    ),
    Fault("hubert-bfloat16-layer", "hubert.features", "one layer in bfloat16", in_hubert(_one_layer_in_bfloat16)),
    Fault("hubert-short-norms", "hubert.features", "norms' weights in 8 bits", in_hubert(_norms_in_8_bits)),
    Fault(
        "hubert-short-position",
        "hubert.features",
        "the positional bias in 12 bits",
        in_hubert(_position_bias_in_12_bits),
    ),
    Fault("hubert-tf32", "hubert.features", "what enters each layer in TF32", in_hubert(_layer_inputs_in_tf32)),
    Fault("hubert-eps-1e-4", "hubert.features", "layer norm with 1e-4", _layer_norm_epsilon(1e-4), causes=("epsilon",)),
    Fault(
        "hubert-attention-width",
        "hubert.features",
        "attention is scaled by the width of all heads",
        _scale_queries((64 / 768) ** 0.5),
        causes=("another attention scale",),
    ),
    Fault(
        "hubert-attention-fine",
        "hubert.features",
        "attention scores a thousandth too large",
        _scale_queries(1.001),
        causes=("another attention scale",),
    ),
    Fault(
        "hubert-tf32-out",
        "hubert.features",
        "its result in 10 bits",
        after(features, "extract", reduced_precision.tf32),
        causes=("half precision",),
    ),
]
