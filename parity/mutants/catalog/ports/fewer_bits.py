"""Tensors that ports keep in fewer bits between two operations, in the middle of a stage or at its end.

Each error is small: between the limit of its stage and a thousand times that.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.catalog.behavior.hooks import INDEXED
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Change, Original, Patch, after, around, in_voice
from rvc.audio import output, segments
from rvc.content import alignment, features
from rvc.f0 import postprocessing
from rvc.f0.methods import rmvpe
from rvc.nn.encoder import Attention, Block
from rvc.nn.flow import Flow
from rvc.nn.generator import Stage
from rvc.nn.synthesizer import Synthesizer
from rvc.retrieval import search
from rvc.retrieval.search import Index

Tensor = torch.Tensor


def rounded_to(count: float) -> Callable[[Array], Array]:
    """Round to `count` equal steps of the largest magnitude, as quantized vectors are stored."""

    def change(values: Array) -> Array:
        step = np.abs(values).max() / count
        return np.asarray(np.rint(values / step) * step, values.dtype)

    return change


def _mean_by(vectors: Callable[[Array], Array], products: Callable[[Array], Array] | None = None) -> Patch:
    """The mean of changed vectors, or of changed products with their weights."""

    def mean(original: Original, weights: Array, ids: Array, index: Index) -> Array:
        weighted = vectors(index.vectors(ids)) * weights[..., None]
        return np.asarray((products(weighted) if products else weighted).sum(axis=1), np.float32)

    return around(search, "mean", mean)


def _blend_of(features: Callable[[Array], Array] | None = None, mean: Callable[[Array], Array] | None = None) -> Patch:
    """The blend of changed features, or of a changed mean."""
    return around(
        search,
        "blend",
        lambda f, own, others, *rest: f(features(own) if features else own, mean(others) if mean else others, *rest),
    )


def _change_prior(change: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]) -> Patch:
    """Change m, logs or the noise that the prior is computed from."""
    return around(Synthesizer, "prior", lambda f, self, m, logs, noise: f(self, *change(m, logs, noise)))


def _change_logmel(change: Callable[[Tensor], Tensor]) -> Patch:
    return after(rmvpe, "log_mel", change)


def _gain_in_half(original: Original, waveform: Array, *rest: Any) -> Array:
    """The gain of the loudness mix in half precision."""
    mixed: Array = original(waveform, *rest)
    with np.errstate(all="ignore"):
        gain = np.where(waveform == 0, 0, mixed / waveform).astype(np.float16)
    return np.asarray(waveform * gain.astype(np.float32))


def _relative_values_in_10_bits(voice: Synthesizer) -> Iterator[Change]:
    """The relative values of attention in 10 bits after the binary point."""
    for block in voice.encoder.blocks:
        table = block.attention.relative_v
        yield block.attention, "relative_v", reduced_precision.fixed(10)(table)


def _change_upsampled(change: Callable[[Tensor], Tensor]) -> Patch:
    """Change the input of every stage of the generator."""
    return around(Stage, "__call__", lambda f, self, x, *rest: f(self, change(x), *rest))


def _cents(hz: Array) -> Array:
    """F0 in whole cents above 10 Hz; unvoiced frames stay 0."""
    with np.errstate(all="ignore"):
        rounded = 10 * 2 ** (np.rint(1200 * np.log2(hz.astype(np.float64) / 10)) / 1200)
    return np.where(hz > 0, rounded, 0.0)


def _change_hz(change: Callable[[Array], Array]) -> Patch:
    """Change `f0.hz` alone."""

    def finish(original: Original, *args: Any) -> Any:
        filled, hz, coarse = original(*args)
        return filled, change(hz).astype(hz.dtype), coarse

    return around(postprocessing, "finish", finish)


NEURAL = (Need.RMVPE, Need.VOICED)
PROTECTED = (Need.PROTECTED, Need.PROTECT_ABOVE_0)
MIXED = (Need.LOUDNESS_MIX, Need.MIX_RATE_INSIDE)

FAULTS = [
    Fault(
        "pad-16-bit",
        "padded",
        "the padded audio in 16 bits",
        after(segments, "pad", reduced_precision.pcm16),
        causes=("fixed point",),
    ),
    Fault(
        "pad-fixed-18",
        "padded",
        "18 bits behind the binary point",
        after(segments, "pad", reduced_precision.fixed(18)),
        causes=("fixed point",),
    ),
    Fault(
        "rmvpe-mel-half", "f0.raw", "log-mel in half precision", _change_logmel(reduced_precision.half), needs=NEURAL
    ),
    Fault(
        "rmvpe-mel-fixed-8",
        "f0.raw",
        "log-mel with 8 bits behind the binary point",
        _change_logmel(reduced_precision.fixed(8)),
        needs=NEURAL,
    ),
    Fault("hz-cents", "f0.hz", "rounded to whole cents", _change_hz(_cents), needs=(Need.VOICED,)),
    Fault(
        "hz-fp24",
        "f0.hz",
        "24-bit floats",
        _change_hz(reduced_precision.fp24),
        needs=(Need.VOICED,),
        causes=("fewer bits",),
    ),
    Fault(
        "hubert-audio-half",
        "hubert.features",
        "HuBERT's audio in half precision",
        around(features, "extract", lambda f, audio, *rest: f(reduced_precision.half(audio), *rest)),
        needs=(Need.AUDIBLE,),
    ),
    Fault(
        "mean-16-bit-vectors",
        "retrieval.mean",
        "vectors stored in 16 bits",
        _mean_by(rounded_to(32767)),
        needs=INDEXED,
    ),
    Fault(
        "mean-12-bit-vectors", "retrieval.mean", "vectors stored in 12 bits", _mean_by(rounded_to(2047)), needs=INDEXED
    ),
    Fault(
        "mean-products-fp24",
        "retrieval.mean",
        "products in 24-bit floats",
        _mean_by(lambda vectors: vectors, reduced_precision.fp24),
        needs=INDEXED,
    ),
    Fault(
        "blend-mean-half",
        "retrieval.blended",
        "the neighbors' mean in half precision",
        _blend_of(mean=reduced_precision.half),
        needs=(Need.INDEX,),
    ),
    Fault(
        "blend-features-half",
        "retrieval.blended",
        "the features in half precision",
        _blend_of(features=reduced_precision.half),
        needs=(Need.INDEX,),
    ),
    Fault(
        "blend-features-fp24",
        "retrieval.blended",
        "the features in 24-bit floats",
        _blend_of(features=reduced_precision.fp24),
        needs=(Need.INDEX,),
    ),
    Fault(
        "protect-unblended-half",
        "content.protected",
        "the features before retrieval in half precision",
        around(alignment, "protect", lambda f, a, b, *rest: f(a, reduced_precision.half(b), *rest)),
        needs=PROTECTED,
    ),
    Fault("enc-values-10-bit", "enc_p", "the relative values in 10 bits", in_voice(_relative_values_in_10_bits)),
    Fault(
        "enc-half-blocks",
        "enc_p",
        "each block's result in half precision",
        after(Block, "__call__", reduced_precision.half),
    ),
    Fault(
        "enc-queries-tf32",
        "enc_p",
        "queries in 10 bits of mantissa",
        around(Attention, "attend", lambda f, self, q, *rest: f(self, reduced_precision.tf32(q), *rest)),
    ),
    Fault(
        "prior-logs-half",
        "z_p",
        "logs in half precision",
        _change_prior(lambda m, logs, noise: (m, reduced_precision.half(logs), noise)),
    ),
    Fault(
        "flow-latent-half",
        "flow",
        "its input in half precision",
        around(Flow, "__call__", lambda f, self, z_p, g: f(self, reduced_precision.half(z_p), g)),
    ),
    Fault(
        "gen-stages-half",
        "generator",
        "what enters each stage in half precision",
        _change_upsampled(reduced_precision.half),
    ),
    Fault(
        "mix-gain-half",
        "rmsmixed",
        "the gain in half precision",
        around(output, "mix_loudness", _gain_in_half),
        needs=MIXED,
    ),
]
