"""Faults of ports in the voice's networks and in HuBERT."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional as F

from parity.mutants.catalog.offline.content_encoder import in_place_of_gelu
from parity.mutants.catalog.offline.source import in_place_of_sine
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Change, Original, after, around, in_hubert, in_voice
from rvc.nn import encoder, hubert, source
from rvc.nn.encoder import Attention, Block
from rvc.nn.flow import Coupling
from rvc.nn.generator import Stage
from rvc.nn.hubert import Embedding, Hubert
from rvc.nn.synthesizer import Synthesizer

Tensor = torch.Tensor


def _attend_to_the_past(original: Original, q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> Tensor:
    """Causal attention: q, k, v (frames, heads, width)."""
    query, key, value = (x.transpose(0, 1)[None] for x in (q, k, v))
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)[0].transpose(0, 1).contiguous()


def _without_value_bias(net: Hubert) -> Iterator[Change]:
    for layer in net.layers:
        qkv: Any = layer.qkv
        bias = qkv.bias.clone()
        bias[2 * len(bias) // 3 :] = 0
        yield qkv, "bias", bias


def _embed_unnormed(original: Original, self: Embedding, frames: Tensor) -> Tensor:
    frames = self.projection(self.norm(frames))
    return frames + self.place(frames)[: len(frames)]


def _relative_window_of_4(voice: Synthesizer) -> Iterator[Change]:
    """Relative positions within 4 frames alone."""
    for block in voice.encoder.blocks:
        for name in ("relative_k", "relative_v"):
            table = getattr(block.attention, name).clone()
            middle = len(table) // 2
            table[: middle - 4] = 0
            table[middle + 5 :] = 0
            yield block.attention, name, table


def _mask_last_frame(original: Original, self: Attention, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
    """The last frame is masked, as by a mask of the length less one."""
    masked: Tensor = original(self, q, k[:, :-1], v[:, :-1], start)
    return masked


def _convolve_the_past(original: Original, self: Block, x: Tensor, first: int = 0) -> Tensor:
    """Causal convolutions: all padding stands before the first frame."""
    width = x.shape[1:]
    x = F.layer_norm(x + self.attention(x, 0), width, *self.norm_1, encoder.EPS)

    def causal(conv: Any, frames: Tensor) -> Tensor:
        padded = F.pad(frames.to(conv.signal_dtype), (0, 0, 2 * conv.reach, 0))
        result: Tensor = conv(padded)
        return result

    h = causal(self.conv_2, F.relu(causal(self.conv_1, x))).float()
    return F.layer_norm(h + x, width, *self.norm_2, encoder.EPS)[first:]


def _read_noise_by_frames(original: Original, self: Synthesizer, m: Tensor, logs: Tensor, noise: Tensor) -> Tensor:
    """The noise is read as (frames, channels), in the order of memory."""
    z_p: Tensor = original(self, m, logs, noise.reshape(1, noise.shape[2], noise.shape[1]).transpose(1, 2))
    return z_p


def _reverse_conditions(original: Original, self: Coupling, h: Tensor, g: Tensor) -> Tensor:
    """The speaker's parts of the three layers in reverse order."""
    gated: Tensor = original(self, h, g.view(3, -1).flip(0).reshape(-1))
    return gated


def _drop_first_skip(voice: Synthesizer) -> Iterator[Change]:
    """The first layer of each coupling adds nothing to the output."""
    for coupling in voice._flow.couplings:
        yield coupling, "res_skip", [_WithoutSkip(coupling.res_skip[0], coupling.hidden), *coupling.res_skip[1:]]


class _WithoutSkip:
    """A convolution whose second half of channels is 0."""

    def __init__(self, conv: Any, hidden: int) -> None:
        self._conv, self._hidden = conv, hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conv, name)

    def __call__(self, x: Tensor) -> Tensor:
        step: Tensor = self._conv(x).clone()
        step[:, self._hidden :] = 0
        return step


def _louder_unvoiced_noise(original: Original, self: Any, f0: Tensor, noise: Tensor, *rest: Any) -> Any:
    """Unvoiced noise of 0.1 instead of a third of it."""
    frames = noise.view(-1, noise.numel() // f0.shape[1]) * torch.where(f0[0] > 0, 1.0, 3.0)[:, None]
    return original(self, f0, frames.view(noise.shape), *rest)


FAULTS = [
    Fault(
        "hubert-causal",
        "hubert.features",
        "attention reads earlier frames only",
        around(hubert, "attend", _attend_to_the_past),
        needs=(Need.AUDIBLE,),
        causes=("causal attention",),
    ),
    Fault(
        "hubert-relu",
        "hubert.features",
        "ReLU instead of GELU",
        in_place_of_gelu(F.relu),
        needs=(Need.AUDIBLE,),
        causes=("another activation",),
    ),
    Fault(
        "hubert-value-unbiased",
        "hubert.features",
        "the values of attention have no bias",
        in_hubert(_without_value_bias),
        needs=(Need.AUDIBLE,),
    ),
    Fault(
        "hubert-embed-unnormed",
        "hubert.features",
        "no layer norm behind the positional convolution",
        around(Embedding, "forward", _embed_unnormed),
        needs=(Need.AUDIBLE,),
    ),
    Fault("enc-rel-window-4", "enc_p", "relative positions within 4 frames only", in_voice(_relative_window_of_4)),
    Fault("enc-mask-last", "enc_p", "the last frame is masked", around(Attention, "attend", _mask_last_frame)),
    Fault("enc-causal", "enc_p", "causal convolutions", around(Block, "__call__", _convolve_the_past)),
    Fault(
        "prior-noise-order",
        "z_p",
        "the noise is read as (frames, channels)",
        around(Synthesizer, "prior", _read_noise_by_frames),
        causes=("noise in another order",),
    ),
    Fault(
        "flow-conditions-reversed",
        "flow",
        "the speaker's parts of the three layers in reverse order",
        around(Coupling, "gated", _reverse_conditions),
    ),
    Fault("flow-skip-missing", "flow", "the first layer adds nothing to the output", in_voice(_drop_first_skip)),
    Fault(
        "source-start-phase",
        "nsf",
        "the phase starts at 0.3 of a period",
        in_place_of_sine(lambda phase: torch.sin(2 * torch.pi * (phase + 0.3))),
        needs=(Need.GENERATION_A, Need.VOICED),
        causes=("another start phase",),
    ),
    Fault(
        "source-unvoiced-loud",
        "nsf",
        "unvoiced noise is 0.1 instead of 0.1/3",
        around(source.Source, "__call__", _louder_unvoiced_noise),
        needs=(Need.VOICED_AND_UNVOICED,),
        causes=("unvoiced noise three times as loud", "another noise level"),
    ),
    Fault(
        "gen-summed-blocks",
        "generator",
        "the residual blocks of a stage are added, not averaged",
        after(Stage, "__call__", lambda total: total * 3),
        causes=("blocks not averaged",),
    ),
]
