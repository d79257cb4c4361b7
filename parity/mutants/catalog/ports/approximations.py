"""Functions and constants that ports approximate: tables, short series, reciprocals of few bits, fewer digits.

Each error is small: between the limit of its stage and a thousand times that. The tables and series are those of
libraries for phones and microcontrollers, of older graphics processors, and of inference programs in C.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.catalog.behavior.hooks import INDEXED
from parity.mutants.catalog.offline.content_alignment import change_protection
from parity.mutants.catalog.offline.content_encoder import in_place_of_gelu
from parity.mutants.catalog.offline.generator import mean_over
from parity.mutants.catalog.offline.output import change_mix_rate
from parity.mutants.catalog.offline.retrieval import weights_with
from parity.mutants.catalog.offline.source import in_place_of_sine
from parity.mutants.catalog.ports.content_and_pitch import weigh
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around, namespace, put
from rvc.f0 import postprocessing
from rvc.f0.methods import rmvpe
from rvc.nn import encoder, flow, generator, hubert, source
from rvc.nn import synthesizer as network
from rvc.nn.synthesizer import Synthesizer

Tensor = torch.Tensor
TENTH_IN_HALF = float(np.float16(0.1))  # 0.0999756
ENTRIES = 64  # of a table of one period of the sine


def exp_by_power(steps: int) -> Callable[[Tensor], Tensor]:
    """(1 + x/n) to the power of n, where n is 2 to the power of `steps`, by so many squarings."""

    def exp(x: Tensor) -> Tensor:
        power = 1 + x.double() / 2**steps
        for _ in range(steps):
            power = power * power
        rounded: Tensor = power.to(x.dtype)
        return rounded

    return exp


def softmax_with(exp: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """A softmax over the last axis with another exponential."""

    def softmax(scores: Tensor, dim: int = -1) -> Tensor:
        raised = exp(scores - scores.amax(dim, keepdim=True))
        return raised / raised.sum(dim, keepdim=True)

    return softmax


def softmax_in_half(scores: Tensor, dim: int = -1) -> Tensor:
    """A softmax whose result is kept in half precision."""
    return torch.softmax(scores, dim).half().float()


def tanh_by_fraction(x: Tensor) -> Tensor:
    """The continued fraction of tanh up to its fourth term."""
    s = x.square()
    return (x * (105 + 10 * s) / (105 + 45 * s + s * s)).clamp(-1, 1)


def sigmoid_from_table(x: Tensor) -> Tensor:
    """The sigmoid, interpolated between 257 values from -8 to 8 and held beyond."""
    place = (x.double().clamp(-8, 8) + 8) * 16
    low = place.floor().clamp(max=255)
    left, right = (torch.sigmoid((at / 16) - 8) for at in (low, low + 1))
    return (left + (right - left) * (place - low)).to(x.dtype)


def gelu_from_table(x: Tensor) -> Tensor:
    """GELU by a table of all numbers in half precision, as GGML computes it."""
    return F.gelu(x.half().float()).half().float()


def reciprocal_of_12_bits(values: Array) -> Array:
    """A reciprocal of 12 bits, as processors' fast instructions give it."""
    return np.asarray(np.ldexp(np.rint(np.ldexp(np.frexp(1 / values)[0], 12)), np.frexp(1 / values)[1] - 12))


def _over_half_sum(distances: Array) -> Array:
    """Inverse squares over their sum, which is kept in half precision."""
    squares = 1 / (distances / distances.min()) ** 2
    return np.asarray(squares / reduced_precision.half(squares.sum(axis=1, keepdims=True)))


def _attention_of_hubert(softmax: Callable[..., Tensor]) -> Patch:
    """HuBERT's attention with another softmax: q, k, v (frames, heads, width)."""

    def attend(original: Original, q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> Tensor:
        query, key, value = (x.transpose(0, 1) for x in (q, k, v))
        scores = query @ key.transpose(1, 2) / q.shape[-1] ** 0.5
        return (softmax(scores) @ value).transpose(0, 1).contiguous()

    return around(hubert, "attend", attend)


def _prior_by_power(original: Original, self: Synthesizer, m: Tensor, logs: Tensor, noise: Tensor) -> Tensor:
    return m + exp_by_power(16)(logs) * noise * network.TEMPERATURE


def sine_from_table(phase: Tensor) -> Tensor:
    """The sine of a phase in periods, interpolated between 64 values."""
    place = phase * ENTRIES
    low = place.floor()
    left, right = (torch.sin(2 * torch.pi * at / ENTRIES) for at in (low, low + 1))
    return left + (right - left) * (place - low)


def _magnitude_with_epsilon(original: Original, framed: Tensor, bank: Tensor, *rest: Any) -> Tensor:
    """1e-6 is added below the root of the magnitude, as in the spectrograms of VITS."""
    mel: Tensor = original(framed, bank, 1e-6)
    return mel


NEURAL = (Need.RMVPE, Need.VOICED)
RUNNING_SUM = (Need.GENERATION_A, Need.VOICED)
PROTECTED = (Need.PROTECTED, Need.PROTECT_ABOVE_0)
MIXED = (Need.LOUDNESS_MIX, Need.MIX_RATE_INSIDE)

FAULTS = [
    Fault(
        "rmvpe-magnitude-1e-6",
        "f0.raw",
        "1e-6 below the root of the magnitude",
        around(rmvpe, "log_mel", _magnitude_with_epsilon),
        needs=NEURAL,
        causes=("mel or window variant",),
    ),
    Fault(
        "transpose-5-digits",
        "f0.hz",
        "the factor of the transposition in 5 digits",
        around(postprocessing, "transpose", lambda f, x, by: x * float(f"{2 ** (by / 12):.5g}")),
        needs=(Need.TRANSPOSED,),
        causes=("gain",),
        also=("f0.coarse",),
    ),
    Fault(
        "hubert-gelu-table",
        "hubert.features",
        "GELU by a table in half precision",
        in_place_of_gelu(gelu_from_table),
        causes=("another GELU",),
    ),
    Fault(
        "hubert-softmax-half",
        "hubert.features",
        "attention's weights in half precision",
        _attention_of_hubert(softmax_in_half),
    ),
    Fault(
        "hubert-exp-power",
        "hubert.features",
        "attention's exponential by repeated squaring",
        _attention_of_hubert(softmax_with(exp_by_power(10))),
    ),
    Fault(
        "weights-1e-3",
        "retrieval.weights",
        "0.001 is added to distances",
        weights_with(lambda d: 1 / (d + 1e-3) ** 2),
        needs=INDEXED,
        causes=("epsilon",),
    ),
    Fault(
        "weights-fast-reciprocal",
        "retrieval.weights",
        "reciprocals of 12 bits",
        weights_with(lambda d: reciprocal_of_12_bits(d) ** 2),
        needs=INDEXED,
    ),
    Fault(
        "weights-total-half",
        "retrieval.weights",
        "their sum in half precision",
        weigh(_over_half_sum),
        needs=INDEXED,
    ),
    Fault(
        "protect-8-bit",
        "content.protected",
        "the amount in 8 bits",
        change_protection(reduced_precision.slider(8)),
        needs=PROTECTED,
        causes=("another protect",),
    ),
    Fault(
        "enc-softmax-half",
        "enc_p",
        "attention's weights in half precision",
        put(encoder, "torch", namespace(torch, softmax=softmax_in_half)),
    ),
    Fault(
        "enc-exp-power",
        "enc_p",
        "attention's exponential by repeated squaring",
        put(encoder, "torch", namespace(torch, softmax=softmax_with(exp_by_power(16)))),
    ),
    Fault(
        "prior-exp-power", "z_p", "the exponential by repeated squaring", around(Synthesizer, "prior", _prior_by_power)
    ),
    Fault(
        "flow-tanh-fraction",
        "flow",
        "tanh by a continued fraction",
        put(flow, "torch", namespace(torch, tanh=tanh_by_fraction)),
    ),
    Fault(
        "flow-sigmoid-table",
        "flow",
        "the sigmoid by a table",
        put(flow, "torch", namespace(torch, sigmoid=sigmoid_from_table)),
    ),
    Fault(
        "source-sine-table",
        "nsf",
        "the sine by a table of 64 values",
        in_place_of_sine(sine_from_table),
        needs=RUNNING_SUM,
    ),
    Fault(
        "source-pi-3.14",
        "nsf",
        "3.14 for pi",
        in_place_of_sine(lambda phase: torch.sin(2 * 3.14 * phase)),
        needs=RUNNING_SUM,
    ),
    Fault(
        "source-amplitude-half",
        "nsf",
        "a sine amplitude of 0.1 in half precision",
        after(source, "sine_a", lambda x: x * (TENTH_IN_HALF / 0.1)),
        needs=RUNNING_SUM,
        causes=("gain", "another amplitude"),
    ),
    Fault(
        "gen-slope-half",
        "generator",
        "LeakyReLU 0.1 in half precision",
        put(generator, "SLOPE", TENTH_IN_HALF),
        causes=("another slope",),
    ),
    Fault(
        "gen-mean-0.3333",
        "generator",
        "0.3333 for a third",
        mean_over(1 / 0.3333),
    ),
    Fault(
        "mix-rate-fine",
        "rmsmixed",
        "the rate a thousandth too large",
        change_mix_rate(lambda mix: mix + 1e-3),
        needs=MIXED,
        causes=("another mix rate",),
    ),
]
