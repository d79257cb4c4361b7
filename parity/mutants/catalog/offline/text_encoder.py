"""Faults of the text encoder."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import functional as F

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Change, Changes, Original, Patch, after, around, in_voice, namespace, put
from rvc.nn import encoder
from rvc.nn.encoder import Attention, Block, Encoder
from rvc.nn.kernels.conv import Conv
from rvc.nn.synthesizer import Synthesizer

Outputs = tuple[torch.Tensor, torch.Tensor]  # m and logs, float32 (1, C, frames)


def _exchange_gamma_and_beta(voice: Synthesizer) -> Iterator[Change]:
    for block in voice.encoder.blocks:
        yield block, "norm_1", block.norm_1[::-1]
        yield block, "norm_2", block.norm_2[::-1]


def change_attention(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Changes:
    """Change one tensor of every attention."""

    def changes(voice: Synthesizer) -> Iterator[Change]:
        for block in voice.encoder.blocks:
            yield block.attention, name, change(getattr(block.attention, name))

    return changes


def _interleave_heads(original: Original, self: Attention, x: torch.Tensor, *rest: Any) -> Any:
    """Take every `heads`-th channel as one head instead of `width` channels in a row."""
    count, width = x.shape[0], self.heads * self.width
    moved = self.qkv(x).view(count, 3, self.width, self.heads).transpose(2, 3).reshape(count, 3 * width)
    return original(_AttentionWithProjection(self, moved), x, *rest)


class _AttentionWithProjection:
    """An attention whose queries, keys and values are computed already."""

    def __init__(self, attention: Attention, qkv: torch.Tensor) -> None:
        self._attention, self.qkv = attention, _KnownProduct(qkv, attention.qkv)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._attention, name)


class _KnownProduct:
    """A layer whose result is computed already."""

    def __init__(self, product: torch.Tensor, layer: Conv) -> None:
        self.product, self.signal_dtype = product, layer.signal_dtype

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.product


def _exchange_m_and_logs(original: Original, self: Encoder, *args: Any, **kwargs: Any) -> Outputs:
    m, logs = original(self, *args, **kwargs)
    return logs, m


def _next_pitch_row(
    original: Original, self: Encoder, content: torch.Tensor, coarse: torch.Tensor | None, keep: int = 0
) -> Outputs:
    outputs: Outputs = original(self, content, None if coarse is None else (coarse + 1).clamp(max=255), keep)
    return outputs


def _same_pitch_everywhere(
    original: Original, self: Encoder, content: torch.Tensor, coarse: torch.Tensor | None, keep: int = 0
) -> Outputs:
    outputs: Outputs = original(self, content, None if coarse is None else torch.ones_like(coarse), keep)
    return outputs


def _pitch_table_in_12_bits(voice: Synthesizer) -> Iterator[Change]:
    yield voice.encoder, "pitch", reduced_precision.in_12_bits(voice.encoder.pitch)


def _relative_keys_in_12_bits(voice: Synthesizer) -> Iterator[Change]:
    for block in voice.encoder.blocks:
        yield block.attention, "relative_k", reduced_precision.in_12_bits(block.attention.relative_k)


def _norms_in_12_bits(voice: Synthesizer) -> Iterator[Change]:
    for block in voice.encoder.blocks:
        yield block, "norm_2", tuple(map(reduced_precision.in_12_bits, block.norm_2))


def _change_one_output(place: int, change: Callable[[torch.Tensor], torch.Tensor]) -> Patch:
    """Change m (place 0) or logs (place 1)."""

    def encode(original: Original, self: Encoder, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, ...]:
        outputs = list(original(self, *args, **kwargs))
        outputs[place] = change(outputs[place])
        return tuple(outputs)

    return around(Encoder, "__call__", encode)


FAULTS = [
    Fault(
        "enc-unscaled",
        "enc_p",
        "no factor of sqrt(192)",
        put(encoder, "sqrt", lambda x: 1.0 if x == 192 else x**0.5),
        causes=("another scale of the embedding",),
    ),
    Fault(
        "enc-slope",
        "enc_p",
        "LeakyReLU 0.01 instead of 0.1",
        put(encoder, "F", namespace(F, leaky_relu_=lambda x, slope: F.leaky_relu_(x, 0.01))),
        causes=("another slope",),
    ),
    Fault("enc-eps", "enc_p", "layer norm with 1e-4", put(encoder, "EPS", 1e-4), causes=("epsilon",)),
    Fault("enc-eps-subtle", "enc_p", "layer norm with 2e-5", put(encoder, "EPS", 2e-5), causes=("epsilon",)),
    Fault("enc-gamma-beta", "enc_p", "gamma and beta exchanged", in_voice(_exchange_gamma_and_beta)),
    Fault(
        "enc-gelu",
        "enc_p",
        "GELU instead of ReLU",
        put(encoder, "F", namespace(F, relu_=F.gelu)),
        causes=("another activation",),
    ),
    Fault(
        "enc-rel-reversed",
        "enc_p",
        "emb_rel_k is reversed",
        in_voice(change_attention("relative_k", lambda x: x.flip(0))),
    ),
    Fault("enc-rel-missing", "enc_p", "no relative values", in_voice(change_attention("relative_v", torch.zeros_like))),
    Fault(
        "enc-rel-shifted",
        "enc_p",
        "relative positions are one off",
        in_voice(change_attention("relative_k", lambda x: x.roll(1, 0))),
    ),
    Fault(
        "enc-rel-scaled",
        "enc_p",
        "the relative term uses the unscaled query",
        in_voice(change_attention("relative_k", lambda x: x * 96**0.5)),
    ),
    Fault(
        "enc-rel-last",
        "enc_p",
        "the last relative position has no value",
        in_voice(change_attention("relative_v", lambda x: torch.cat([x[:-1], torch.zeros_like(x[:1])]))),
    ),
    Fault("enc-heads", "enc_p", "heads are interleaved", around(Attention, "__call__", _interleave_heads)),
    Fault(
        "enc-residual-twice",
        "enc_p",
        "a thousandth of each block's input is added once more",
        around(Block, "__call__", lambda f, self, x, first=0: f(self, x, first) + 1e-3 * x[first:]),
    ),
    Fault(
        "enc-exchanged",
        "enc_p",
        "m and logs exchanged",
        around(Encoder, "__call__", _exchange_m_and_logs),
        causes=("m and logs exchanged",),
    ),
    Fault(
        "enc-pitch-next",
        "enc_p",
        "rows of the pitch table are counted from 1",
        around(Encoder, "__call__", _next_pitch_row),
        needs=(Need.VOICED,),
        causes=("another pitch row",),
    ),
    Fault(
        "enc-no-pitch",
        "enc_p",
        "coarse pitch has no effect",
        around(Encoder, "__call__", _same_pitch_everywhere),
        needs=(Need.VOICED,),
        causes=("missing pitch",),
    ),
    Fault(
        "enc-late",
        "enc_p",
        "one frame late",
        around(Encoder, "__call__", lambda f, self, *a: tuple(x.roll(1, 2) for x in f(self, *a))),
        causes=("shift by 1 frame",),
    ),
    Fault("enc-eps-1e-6", "enc_p", "layer norm with 1e-6", put(encoder, "EPS", 1e-6), causes=("epsilon",)),
    Fault(
        "enc-sqrt-digits",
        "enc_p",
        "13.86 instead of sqrt(192)",
        put(encoder, "sqrt", lambda x: 13.86 if x == 192 else x**0.5),
        causes=("another scale of the embedding",),
    ),
    Fault(
        "enc-scale-digits",
        "enc_p",
        "9.8 instead of sqrt(96)",
        put(encoder, "sqrt", lambda x: 9.8 if x == 96 else x**0.5),
        causes=("another attention scale",),
    ),
    Fault(
        "enc-short-pitch",
        "enc_p",
        "the pitch table in 12 bits",
        in_voice(_pitch_table_in_12_bits),
        needs=(Need.VOICED,),
    ),
    Fault("enc-short-distance", "enc_p", "the relative keys in 12 bits", in_voice(_relative_keys_in_12_bits)),
    Fault("enc-short-norms", "enc_p", "the norms in 12 bits", in_voice(_norms_in_12_bits)),
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
        causes=("another slope",),
    ),
    Fault(
        "enc-m-half",
        "enc_p",
        "m in half precision",
        _change_one_output(0, reduced_precision.half),
        causes=("half precision",),
    ),
    Fault(
        "enc-logs-half",
        "enc_p",
        "logs in half precision",
        _change_one_output(1, reduced_precision.half),
        causes=("half precision",),
    ),
    Fault(
        "enc-logs-clamped", "enc_p", "logs below -1 is raised to -1", _change_one_output(1, lambda x: x.clamp(min=-1.0))
    ),
]
