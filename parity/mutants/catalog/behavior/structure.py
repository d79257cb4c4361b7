"""Faults of the structure of networks and of steps: a layer repeated, left out or wired otherwise."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from parity.goldens.arrays import Array
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Change, Original, around, in_hubert, in_voice, replaced
from rvc.audio import segments
from rvc.audio.segments import Window
from rvc.content import alignment
from rvc.f0 import postprocessing
from rvc.nn.encoder import EPS, Block
from rvc.nn.flow import Coupling
from rvc.nn.hubert import Embedding, Hubert
from rvc.nn.rmvpe import UNetStream
from rvc.nn.synthesizer import Synthesizer

Tensor = torch.Tensor


def _repeat_hubert_layer(net: Hubert) -> Iterator[Change]:
    yield net.layers[5], "forward", net.layers[4].forward


def _exchange_hubert_norms(net: Hubert) -> Iterator[Change]:
    for layer in net.layers:
        attention: Any = layer.attention_norm
        final: Any = layer.final_norm
        for name in ("weight", "bias"):
            first, last = getattr(attention, name), getattr(final, name)
            yield attention, name, last
            yield final, name, first


def _random_place(original: Original, self: Embedding, frames: Tensor) -> Tensor:
    """The positional convolution with the weights that transformers draws for it: 128 frames, 16 groups, no bias."""
    draw = torch.Generator().manual_seed(5)
    channels, width, groups = frames.shape[1], 128, 16
    weight = torch.randn(channels, channels // groups, width, generator=draw) * 2 * (width * channels) ** -0.5
    place = F.gelu(F.conv1d(frames.t()[None], weight, padding=width // 2, groups=groups))
    return place[0].t().contiguous()


def _encoder_without_last_block(voice: Synthesizer) -> Iterator[Change]:
    yield voice.encoder, "blocks", voice.encoder.blocks[1:]


def _exchange_encoder_norms(voice: Synthesizer) -> Iterator[Change]:
    for block in voice.encoder.blocks:
        yield block, "norm_1", block.norm_2
        yield block, "norm_2", block.norm_1


def _normalize_before(original: Original, self: Block, x: Tensor, first: int = 0) -> Tensor:
    """Pre-norm: normalize what each part reads, not the sum."""
    width = x.shape[1:]
    x = x + self.attention(F.layer_norm(x, width, *self.norm_1, EPS), 0)
    h = F.relu_(self.conv_1.same(F.layer_norm(x, width, *self.norm_2, EPS).to(self.conv_1.signal_dtype)))
    return (self.conv_2.same(h).float() + x)[first:]


def _same_weights_for_all_couplings(voice: Synthesizer) -> Iterator[Change]:
    couplings = voice._flow.couplings
    yield voice._flow, "couplings", [couplings[0]] * len(couplings)


def _exchange_coupled_halves(original: Original, self: Coupling, x: Tensor, g: Tensor) -> Tensor:
    """Read the second half and move the first."""
    exchanged: Tensor = original(self, x.roll(self.half, 1), g).roll(self.half, 1)
    return exchanged


def _reverse_dilations(voice: Synthesizer) -> Iterator[Change]:
    for stage in voice.generator.stages:
        for block in stage.blocks:
            yield block, "pairs", block.pairs[::-1]


def _repeat_first_block(voice: Synthesizer) -> Iterator[Change]:
    for stage in voice.generator.stages:
        yield stage, "blocks", [stage.blocks[0], stage.blocks[1], stage.blocks[0]]


def _rise_without_output_padding(
    original: Original, self: UNetStream, image: Tensor, levels: range, last: bool
) -> Tensor:
    """Transposed convolutions that give one row and one column less, filled up by zeros."""

    def cut(rise: Any) -> Any:
        def risen(image: Tensor, last: bool) -> Tensor:
            full = rise(image, last)
            return F.pad(full[:, :, : full.shape[2] - int(last), :-1], (0, 1, 0, int(last)))

        return risen

    with replaced(self, "rise", [cut(rise) for rise in self.rise]):
        risen: Tensor = original(self, image, levels, last)
        return risen


def _keep_signed_sums(original: Original, x: Array, window: Window) -> tuple[Array | None, Array]:
    """Signed sums over 10 ms are kept; the magnitude is taken where the quietest place is searched."""
    profile, cuts = original(x, window)
    if profile is None:
        return profile, cuts
    total = np.concatenate([[0.0], np.cumsum(np.pad(x, 80, mode="reflect"))])
    signed = (total[160:] - total[:-160])[: len(profile)]
    reach, center = window.samples("query"), window.samples("center")
    chosen = [c - reach + int(np.argmin(np.abs(signed[c - reach : c + reach]))) for c in range(center, len(x), center)]
    return signed, np.array(chosen, np.int64)


def _fill_by_loop(original: Original, f0: Array) -> Array:
    """The loop of the ONNX helpers: from frame i, where a gap begins, to j, where it ends, a step of Δ / (j - i)."""
    filled, last, i = f0.copy(), 0.0, 0
    while i < len(f0):
        if f0[i] > 0:
            last = f0[i]
            i += 1
            continue
        j = next((k for k in range(i + 1, len(f0)) if f0[k] > 0), len(f0))
        for k in range(i, j):
            if j >= len(f0) - 1:
                filled[k] = last
            elif last > 0:
                filled[k] = last + (f0[j] - last) / (j - i) * (k - i + 1)
            else:
                filled[k] = f0[j]
        i = j
    return filled


def _multiply_unvoiced(original: Original, blended: Array, unblended: Array, hz: Array, amount: float) -> Array:
    return np.where((hz < 1)[..., None], blended * np.float32(amount), blended)


def _decide_at_20_ms(original: Original, blended: Array, unblended: Array, hz: Array, amount: float) -> Array:
    voicing = np.repeat(hz[:, ::2], 2, 1)[:, : hz.shape[1]]
    return np.asarray(original(blended, unblended, voicing, amount))


FAULTS = [
    Fault(
        "hubert-layer-twice", "hubert.features", "the fifth layer stands for the sixth", in_hubert(_repeat_hubert_layer)
    ),
    Fault(
        "hubert-norms-exchanged",
        "hubert.features",
        "the two norms of each layer are exchanged",
        in_hubert(_exchange_hubert_norms),
    ),
    Fault(
        "hubert-no-position",
        "hubert.features",
        "no positional convolution, as where its weights are not found",
        around(Embedding, "place", lambda f, self, frames: torch.zeros_like(frames)),
        causes=("missing positional convolution",),
    ),
    Fault(
        "hubert-random-position",
        "hubert.features",
        "a random positional convolution, as transformers makes where weight norm's names are not found",
        around(Embedding, "place", _random_place),
        causes=("another positional convolution",),
    ),
    Fault(
        "rmvpe-no-output-padding",
        "f0.raw",
        "transposed convolutions without output_padding",
        around(UNetStream, "ascend", _rise_without_output_padding),
        needs=(Need.RMVPE, Need.VOICED),
        causes=("no output_padding",),
    ),
    Fault(
        "cut-signed-kept",
        "segment.cuts",
        "signed sums are kept, and their magnitude is searched",
        around(segments, "cut_points", _keep_signed_sums),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("sum without magnitude",),
    ),
    Fault(
        "fill-loop",
        "f0.filled",
        "the filling loop of the ONNX helpers",
        around(postprocessing, "fill_unvoiced", _fill_by_loop),
        needs=(Need.UNVOICED_FILLED, Need.UNVOICED_GAP),
        causes=("filled by the ONNX helper's loop",),
        also=("f0.hz", "f0.coarse"),
    ),
    Fault(
        "file-ignored",
        "f0.hz",
        "the F0 file has no effect",
        around(postprocessing, "overlay_curve", lambda f, track, *rest: track),
        needs=(Need.F0_FILE,),
        causes=("F0 file ignored",),
        also=("f0.coarse",),
    ),
    Fault(
        "file-from-frame-0",
        "f0.hz",
        "the curve of the F0 file begins in the padding",
        around(postprocessing, "overlay_curve", lambda f, track, curve, start: f(track, curve, 0)),
        needs=(Need.F0_FILE,),
        causes=("F0 file from frame 0",),
        also=("f0.coarse",),
    ),
    Fault(
        "protect-multiplied",
        "content.protected",
        "unvoiced frames are multiplied by protect",
        around(alignment, "protect", _multiply_unvoiced),
        needs=(Need.PROTECTED, Need.PROTECT_ABOVE_0),
        causes=("protect as multiplication",),
    ),
    Fault(
        "protect-20-ms",
        "content.protected",
        "voicing is decided at 20 ms",
        around(alignment, "protect", _decide_at_20_ms),
        needs=(Need.PROTECTED, Need.PROTECT_ABOVE_0),
        causes=("protect decided at 20 ms", "protect one frame off"),
    ),
    Fault(
        "enc-pre-norm",
        "enc_p",
        "what each part of a block reads is normalized, not the sum",
        around(Block, "__call__", _normalize_before),
    ),
    Fault("enc-five-blocks", "enc_p", "the first block is left out", in_voice(_encoder_without_last_block)),
    Fault(
        "enc-norms-exchanged", "enc_p", "the two norms of each block are exchanged", in_voice(_exchange_encoder_norms)
    ),
    Fault(
        "flow-shared", "flow", "all couplings have the weights of the first", in_voice(_same_weights_for_all_couplings)
    ),
    Fault(
        "flow-halves",
        "flow",
        "the second half is read, the first is moved",
        around(Coupling, "__call__", _exchange_coupled_halves),
    ),
    Fault("gen-dilations", "generator", "dilations 5, 3, 1", in_voice(_reverse_dilations)),
    Fault("gen-first-block", "generator", "kernel size 3 instead of 11", in_voice(_repeat_first_block)),
]
