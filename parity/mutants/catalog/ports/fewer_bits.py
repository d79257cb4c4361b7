"""Tensors that ports keep in fewer bits between two operations, in the middle of a stage or at its end.

Each error is small: between the limit of its stage and a thousand times that.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.catalog.behavior.hooks import INDEXED
from parity.mutants.catalog.offline.f0_postprocessing import change_hz
from parity.mutants.catalog.offline.flow import change_flow_input
from parity.mutants.catalog.offline.retrieval import change_mean
from parity.mutants.catalog.offline.text_encoder import change_attention
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around, in_voice
from rvc.audio import output, segments
from rvc.content import alignment, features
from rvc.f0.methods import rmvpe
from rvc.nn.encoder import Attention, Block
from rvc.nn.generator import Stage
from rvc.nn.synthesizer import Synthesizer
from rvc.retrieval import search

Tensor = torch.Tensor


def _blend_of(features: Callable[[Array], Array] | None = None, mean: Callable[[Array], Array] | None = None) -> Patch:
    """The blend of changed features, or of a changed mean."""
    return around(
        search,
        "blend",
        lambda f, own, others, *rest: f(features(own) if features else own, mean(others) if mean else others, *rest),
    )


def _gain_in_half(original: Original, waveform: Array, *rest: Any) -> Array:
    """The gain of the loudness mix in half precision."""
    mixed: Array = original(waveform, *rest)
    with np.errstate(all="ignore"):
        gain = np.where(waveform == 0, 0, mixed / waveform).astype(np.float16)
    return np.asarray(waveform * gain.astype(np.float32))


def _cents(hz: Array) -> Array:
    """F0 in whole cents above 10 Hz; unvoiced frames stay 0."""
    with np.errstate(all="ignore"):
        rounded = 10 * 2 ** (np.rint(1200 * np.log2(hz.astype(np.float64) / 10)) / 1200)
    return np.where(hz > 0, rounded, 0.0)


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
        "rmvpe-mel-half",
        "f0.raw",
        "log-mel in half precision",
        after(rmvpe, "log_mel", reduced_precision.half),
        needs=NEURAL,
    ),
    Fault(
        "rmvpe-mel-fixed-8",
        "f0.raw",
        "log-mel with 8 bits behind the binary point",
        after(rmvpe, "log_mel", reduced_precision.fixed(8)),
        needs=NEURAL,
    ),
    Fault("hz-cents", "f0.hz", "rounded to whole cents", change_hz(_cents), needs=(Need.VOICED,)),
    Fault(
        "hz-fp24",
        "f0.hz",
        "24-bit floats",
        change_hz(reduced_precision.fp24),
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
        change_mean(reduced_precision.in_integers(16)),
        needs=INDEXED,
    ),
    Fault(
        "mean-12-bit-vectors",
        "retrieval.mean",
        "vectors stored in 12 bits",
        change_mean(reduced_precision.in_integers(12)),
        needs=INDEXED,
    ),
    Fault(
        "mean-products-fp24",
        "retrieval.mean",
        "products in 24-bit floats",
        change_mean(products=reduced_precision.fp24),
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
    Fault(
        "enc-values-10-bit",
        "enc_p",
        "the relative values in 10 bits",
        in_voice(change_attention("relative_v", reduced_precision.fixed(10))),
    ),
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
        around(Synthesizer, "prior", lambda f, self, m, logs, noise: f(self, m, reduced_precision.half(logs), noise)),
    ),
    Fault(
        "flow-latent-half",
        "flow",
        "its input in half precision",
        change_flow_input(reduced_precision.half),
    ),
    Fault(
        "gen-stages-half",
        "generator",
        "what enters each stage in half precision",
        around(Stage, "__call__", lambda f, self, x, *rest: f(self, reduced_precision.half(x), *rest)),
    ),
    Fault(
        "mix-gain-half",
        "rmsmixed",
        "the gain in half precision",
        around(output, "mix_loudness", _gain_in_half),
        needs=MIXED,
    ),
]
