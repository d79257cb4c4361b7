"""Faults of the realtime stream: rings, pitch caches, heads, formants, loudness, the joint; and the networks', live.

A fault of shared code (HuBERT, retrieval, encoder, flow, source, generator) is planted once more in a stream, under
the name `live-…`.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from parity.mutants import reduced_precision
from parity.mutants.fault import Fault, after, around, put, replaced
from rvc.audio import resampling
from rvc.f0 import postprocessing
from rvc.realtime import block_input, block_output, converter
from rvc.realtime import f0_cache as caches
from rvc.realtime.block_input import BlockInput
from rvc.realtime.block_output import BlockOutput
from rvc.realtime.converter import BlockConverter
from rvc.realtime.dsp import denoise, gate, loudness, sola
from rvc.realtime.dsp.formant import FormantShift

AGAIN = (  # faults of shared code that are tried in a stream as well
    "hubert-gelu-tanh",
    "hubert-half-layer",
    "hubert-tf32-out",
    "hubert-short-norms",
    "hubert-late",
    "search-half-distances",
    "search-exchanged",
    "weights-1/d",
    "weights-sum-1e-9",
    "weights-16-bit",
    "mean-fp24",
    "blend-16-bit-rate",
    "speaker-fixed-14",
    "speaker-fixed-12",
    "speaker-text",
    "enc-eps-1e-6",
    "enc-short-pitch",
    "enc-m-half",
    "enc-logs-half",
    "enc-gelu",
    "prior-two-thirds",
    "prior-0.6667",
    "prior-half-noise",
    "prior-0.66667",
    "prior-fp24",
    "flow-fp24",
    "flow-short-bias",
    "flow-short-speaker",
    "flow-flip-after",
    "source-noise-0.00301",
    "source-half",
    "source-short-linear",
    "source-phase-early",
    "gen-half-latent",
    "gen-half-source",
    "gen-gain",
    "gen-last-slope",
)
LIVE_STAGE = {
    "retrieval.search": "rt.retrieval",
    "retrieval.weights": "rt.retrieval",
    "retrieval.mean": "rt.retrieval",
    "retrieval.blended": "rt.retrieval",
}
FILE_ONLY = ("long lists", "two seconds")


def again(fault: Fault) -> Fault:
    """The same fault, to be blamed in a stream."""
    stage = LIVE_STAGE.get(fault.stage, f"rt.{fault.stage}")
    needs = tuple("voiced live" if need == "voiced" else need for need in fault.needs if need not in FILE_ONLY)
    return replace(fault, name=f"live-{fault.name}", stage=stage, needs=needs, also=())


def _half_kernel(original: Any, samples: Any, source: int, target: int) -> Any:
    right = resampling.kernel

    def kernel(source: int, target: int) -> Any:
        columns, width = right(source, target)
        return reduced_precision.half(columns), width

    with replaced(resampling, "kernel", kernel):
        return original(samples, source, target)


def _shifted(by: int) -> Any:
    def take(original: Any, self: Any, block: Any, controls: Any) -> Any:
        at16k = original(self, block, controls)
        return np.roll(at16k, by)

    return around(BlockInput, "push", take)


def _taken(change: Any) -> Any:
    return around(BlockInput, "push", lambda f, self, block, controls: f(self, change(block), controls))


def _stale(original: Any, ring: Any, by: int) -> None:
    """A ring that moves one sample too little."""
    original(ring, by - 1)


def _head(change: Any) -> Any:
    """Another `skip_head` for the retrieval."""

    def content(original: Any, self: Any, heard: Any, context: Any) -> Any:
        right = self.sizes
        self.sizes = _Other(right, change(right.skip_head))
        try:
            return original(self, heard, context)
        finally:
            self.sizes = right

    return around(BlockConverter, "content", content)


class _Other:
    """Block sizes with another `skip_head`."""

    def __init__(self, sizes: Any, skip_head: int) -> None:
        self._sizes, self.skip_head = sizes, skip_head

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sizes, name)


def _heads(flow_by: int, dec_by: int) -> Any:
    def heads(original: Any, skip_head: int) -> Any:
        flow_head, dec_head = original(skip_head)
        return flow_head + flow_by, dec_head + dec_by

    return around(converter, "heads", heads)


def _pushed(change: Any) -> Any:
    return around(caches.F0Cache, "push", lambda f, self, coarse, hz, by: f(self, *change(coarse, hz, by)))


def _formant(made: Any = None, played: Any = None) -> Any:
    def of(original: Any, semitones: float, frames: int, rate: int) -> Any:
        right, factor = original(semitones, frames, rate), 2 ** (semitones / 12)
        other = replace(right, synthesized=made(frames * factor)) if made else right
        return replace(other, played_hop=played(factor * right.hop)) if played else other

    return around(FormantShift, "of", of)


def _scaled(original: Any, self: Any, hz: Any) -> Any:
    """By the exact factor, not by the whole frames that are made."""
    return hz * np.float32(self.played_hop / self.hop)


def _late(original: Any, self: Any, voice: Any) -> Any:
    fit, offset = original(self, voice)
    return fit, min(offset + 1, len(fit) - 1)


def _other_fit(change: Any) -> Any:
    def fit(original: Any, self: Any, voice: Any) -> Any:
        found, offset = original(self, voice)
        return change(found), offset

    return around(BlockOutput, "best_offset", fit)


def _joined(change: Any) -> Any:
    return after(BlockOutput, "join", change)


def _held_early(original: Any, self: Any, voice: Any, offset: int, how: str) -> Any:
    """What is held back begins one sample early."""
    out = original(self, voice, offset, how)
    block = self.sizes.block
    self.held = voice[offset + block - 1 : offset + block - 1 + self.sizes.held].clone()
    return out


def _open(original: Any, held: int) -> Any:
    return torch.sin(math.pi / 2 * torch.arange(held) / held) ** 2


def _finished(change: Any) -> Any:
    """The output as it comes to the joint, the tap included."""

    def finish(original: Any, self: Any, voice: Any, heard: Any, controls: Any, tap: Any) -> Any:
        def other(name: str, value: Any) -> Any:
            return tap(name, change(value) if name == "infer_wav" else value)

        return change(original(self, voice, heard, controls, other))

    return around(BlockOutput, "mix", finish)


def _two_deviations(original: Any, *given: Any) -> Any:
    with replaced(denoise, "THRESHOLD_DEVIATIONS", 2.0):
        return original(*given)


def _kept(original: Any, *given: Any) -> Any:
    with replaced(denoise, "REDUCED_GAIN", 0.101):
        return original(*given)


def _gain(change: Any) -> Any:
    return around(
        block_output, "gain", lambda f, before, behind, rate, length: f(*change(before, behind, rate), length)
    )


INPUT = ("rt.input_wav", "rt.infer_wav")
FAULTS = [
    Fault(
        "live-kernel-half",
        "rt.input16k",
        "the resampler's kernel in half precision",
        around(block_input, "resample", _half_kernel),
        ("resampled input", "heard live"),
    ),
    Fault(
        "live-in-16-bit",
        "rt.input16k",
        "the sound comes in 16 bits",
        _taken(reduced_precision.pcm16),
        ("heard live",),
        (),
        INPUT,
    ),
    Fault(
        "live-in-32767",
        "rt.input16k",
        "over 32767",
        _taken(reduced_precision.over_32767),
        ("heard live",),
        ("gain",),
        INPUT,
    ),
    Fault(
        "live-in-half",
        "rt.input16k",
        "the ring in half precision",
        after(BlockInput, "push", reduced_precision.half),
        ("heard live",),
        ("half precision",),
    ),
    Fault(
        "live-in-late",
        "rt.input16k",
        "the ring at 16 kHz one sample late",
        _shifted(1),
        ("heard live",),
        ("shift by 1 sample",),
    ),
    Fault(
        "live-ring-stale",
        "rt.input16k",
        "a ring moves one sample too little",
        around(block_input, "shift", _stale),
        ("heard live",),
        (),
        INPUT,
    ),
    Fault("live-gate-off", "rt.input16k", "the gate does nothing", put(gate, "OFF", 0.0), ("gate",), (), INPUT),
    Fault(
        "live-gate-later",
        "rt.input16k",
        "the gate closes 10 ms later",
        around(gate, "loudness", lambda f, x, zc: np.roll(f(x, zc), 1)),
        ("gate",),
        (),
        INPUT,
    ),
    Fault(
        "live-gate-power",
        "rt.input16k",
        "10 log10 for 20 log10",
        after(gate, "decibels", lambda x: x / 2),
        ("gate",),
        (),
        INPUT,
    ),
    Fault(
        "live-denoise-spread",
        "rt.input16k",
        "two deviations, not one and a half",
        around(block_input, "reduce_noise", _two_deviations),
        ("input denoise",),
        (),
        INPUT,
    ),
    Fault(
        "live-skip-head-late",
        "rt.retrieval",
        "retrieval begins one frame late",
        _head(lambda head: head + 2),
        ("index",),
        ("another length",),
    ),
    Fault(
        "live-skip-head-early",
        "rt.retrieval",
        "retrieval begins one frame early",
        _head(lambda head: head - 2),
        ("index",),
        ("another length",),
    ),
    Fault(
        "live-skip-head-whole",
        "rt.retrieval",
        "skip_head is not halved",
        _head(lambda head: 2 * head),
        ("index",),
        ("another length",),
    ),
    Fault(
        "live-content-late",
        "rt.content",
        "one frame late",
        after(BlockConverter, "content", lambda x: x.roll(1, 1)),
        (),
        ("shift by 1 frame",),
    ),
    Fault(
        "live-content-half",
        "rt.content",
        "half precision",
        after(BlockConverter, "content", reduced_precision.half),
        (),
        ("half precision",),
    ),
    Fault(
        "live-content-fixed-12",
        "rt.content",
        "20.12 fixed point",
        after(BlockConverter, "content", reduced_precision.fixed(12)),
        (),
        ("fixed point",),
    ),
    Fault(
        "live-content-fixed-14",
        "rt.content",
        "18.14 fixed point",
        after(BlockConverter, "content", reduced_precision.fixed(14)),
        (),
        ("fixed point",),
    ),
    Fault(
        "live-content-fixed-16",
        "rt.content",
        "16.16 fixed point",
        after(BlockConverter, "content", reduced_precision.fixed(16)),
        (),
        ("fixed point",),
    ),
    Fault(
        "live-content-fp24",
        "rt.content",
        "24-bit floats, cut off",
        after(BlockConverter, "content", reduced_precision.fp24_cut),
        (),
        ("fewer bits",),
    ),
    Fault(
        "live-content-fixed-10",
        "rt.content",
        "22.10 fixed point",
        after(BlockConverter, "content", reduced_precision.fixed(10)),
        (),
        ("fixed point",),
    ),
    Fault(
        "live-cache-unshifted",
        "rt.f0",
        "the pitch cache does not move",
        _pushed(lambda coarse, hz, by: (coarse, hz, 1)),
        ("f0",),
    ),
    Fault(
        "live-cache-late",
        "rt.f0",
        "the pitch cache moves one frame too far",
        _pushed(lambda coarse, hz, by: (coarse, hz, by + 1)),
        ("f0", "voiced live"),
    ),
    Fault(
        "live-first-4", "rt.f0", "four fresh frames are dropped", put(caches, "DROPPED_FIRST", 4), ("f0", "voiced live")
    ),
    Fault(
        "live-last-2", "rt.f0", "the last two frames are dropped", put(caches, "DROPPED_LAST", 2), ("f0", "voiced live")
    ),
    Fault(
        "live-hz-2-decimals",
        "rt.f0",
        "rounded to 0.01 Hz",
        after(postprocessing, "transpose", reduced_precision.text(2)),
        ("f0", "voiced live"),
    ),
    Fault(
        "live-hz-half",
        "rt.f0",
        "half precision",
        after(postprocessing, "transpose", reduced_precision.half),
        ("f0", "voiced live"),
        ("half precision",),
    ),
    Fault(
        "live-hz-1.05946",
        "rt.f0",
        "1.05946 to the power of semitones",
        around(postprocessing, "transpose", lambda f, x, by: x * 1.05946**by),
        ("f0", "transposed live"),
        ("gain",),
    ),
    Fault(
        "live-hz-3-decimals",
        "rt.f0",
        "rounded to 0.005 Hz",
        after(postprocessing, "transpose", lambda x: np.round(x * 200) / 200),
        ("f0", "voiced live"),
    ),
    Fault(
        "live-coarse-cut",
        "rt.f0",
        "bins are cut off",
        around(postprocessing, "quantize_realtime", lambda f, f0: f(f0 * np.float32(0.997))),
        ("f0", "voiced live"),
    ),
    Fault(
        "live-flow-head",
        "rt.enc_p",
        "one frame too many is cut before the flow",
        _heads(1, -1),
        ("f0",),
        ("another length",),
    ),
    Fault("live-dec-head", "rt.generator", "the heard frames begin one early", _heads(0, -1), ("f0",)),
    Fault(
        "live-source-head",
        "rt.nsf",
        "the source begins one frame early",
        around(BlockConverter, "source", lambda f, self, hz, *rest: f(self, hz.roll(1, 1), *rest)),
        ("f0", "voiced live"),
    ),
    Fault(
        "live-formant-longer", "rt.formant", "samples in 10 ms are rounded up", _formant(played=math.ceil), ("formant",)
    ),
    Fault(
        "live-formant-pitch",
        "rt.f0",
        "pitch follows the exact factor",
        around(FormantShift, "scale_f0", _scaled),
        ("formant", "f0", "voiced live"),
    ),
    Fault(
        "live-formant-half",
        "rt.formant",
        "half precision",
        after(FormantShift, "restore_duration", reduced_precision.half),
        ("heard live",),
        ("half precision",),
    ),
    Fault(
        "live-formant-16-bit",
        "rt.formant",
        "16 bits",
        after(FormantShift, "restore_duration", reduced_precision.pcm16),
        ("heard live",),
        ("fixed point",),
    ),
    Fault(
        "live-formant-gain",
        "rt.formant",
        "a ten-thousandth louder",
        after(FormantShift, "restore_duration", lambda x: x * 1.0001),
        ("heard live",),
        ("gain",),
    ),
    Fault(
        "live-formant-unplayed",
        "rt.formant",
        "the waveform is not resampled",
        around(FormantShift, "restore_duration", lambda f, self, x: x[: self.frames * self.hop]),
        ("formant",),
        ("another length",),
    ),
    Fault("live-mix-floor", "rt.infer_wav", "a floor of 0.05", put(loudness, "QUIETEST", 0.05), ("mix", "heard live")),
    Fault(
        "live-mix-exchanged",
        "rt.infer_wav",
        "1 - rate for rate",
        _gain(lambda before, behind, rate: (before, behind, 1 - rate)),
        ("mix", "unevenly mixed"),
    ),
    Fault(
        "live-mix-root",
        "rt.infer_wav",
        "1e-6 under the root",
        _gain(lambda a, b, rate: (np.sqrt(a * a + np.float32(1e-6)), np.sqrt(b * b + np.float32(1e-6)), rate)),
        ("mix", "heard live"),
    ),
    Fault(
        "live-infer-half",
        "rt.infer_wav",
        "half precision",
        _finished(reduced_precision.half),
        ("mix", "heard live"),
        ("half precision",),
    ),
    Fault(
        "live-infer-gain",
        "rt.infer_wav",
        "two ten-thousandths louder",
        _finished(lambda x: x * 1.0002),
        ("mix", "heard live"),
        ("gain",),
    ),
    Fault(
        "live-infer-16-bit",
        "rt.infer_wav",
        "16 bits",
        _finished(reduced_precision.pcm16),
        ("mix", "heard live"),
        ("fixed point",),
    ),
    Fault(
        "live-sola-late",
        "rt.sola",
        "the joint is one sample late",
        around(BlockOutput, "best_offset", _late),
        ("heard live",),
        ("offset",),
    ),
    Fault(
        "live-sola-half",
        "rt.sola",
        "the correlation in half precision",
        _other_fit(reduced_precision.half),
        ("heard live",),
        ("half precision",),
    ),
    Fault(
        "live-sola-fixed-16",
        "rt.sola",
        "the correlation in 16 bits",
        _other_fit(reduced_precision.fixed(16)),
        ("heard live",),
        ("fixed point",),
    ),
    Fault("live-sola-quiet", "rt.sola", "1e-3 for 1e-8 under the root", put(sola, "QUIET", 1e-3), ("heard live",)),
    Fault(
        "live-sola-unrooted",
        "rt.sola",
        "divided by the energy, not by its root",
        around(
            block_output,
            "correlation",
            lambda f, new, held: (
                f(new, held) / torch.sqrt((new * new).unfold(0, held.shape[0], 1).sum(dim=1) + sola.QUIET)
            ),
        ),
        ("heard live",),
    ),
    Fault(
        "live-sola-gain",
        "rt.sola",
        "the correlation is a thousandth too large",
        _other_fit(lambda x: x * 1.001),
        ("heard live",),
        ("gain",),
    ),
    Fault("live-ramp-open", "rt.out", "the ramp's end is left out", around(block_output, "ramp", _open), ("fade",)),
    Fault(
        "live-ramp-linear",
        "rt.out",
        "a straight ramp",
        around(block_output, "ramp", lambda f, held: torch.linspace(0, 1, held)),
        ("fade",),
    ),
    Fault(
        "live-ramp-half",
        "rt.out",
        "the ramp in half precision",
        after(block_output, "ramp", reduced_precision.half),
        ("heard live",),
    ),
    Fault(
        "live-denoise-out",
        "rt.infer_wav",
        "a hundredth more is kept of what is turned down",
        around(block_output, "reduce_noise", _kept),
        ("output denoise",),
    ),
    Fault(
        "live-out-half",
        "rt.out",
        "half precision",
        _joined(reduced_precision.half),
        ("heard live",),
        ("half precision",),
    ),
    Fault("live-out-16-bit", "rt.out", "16 bits", _joined(reduced_precision.pcm16), ("heard live",), ("fixed point",)),
    Fault(
        "live-out-gain",
        "rt.out",
        "two ten-thousandths louder",
        _joined(lambda x: x * np.float32(1.0002)),
        ("heard live",),
        ("gain",),
    ),
    Fault(
        "live-held-early",
        "rt.out",
        "what is held back begins one sample early",
        around(BlockOutput, "join", _held_early),
        ("heard live",),
        ("shift by 1 sample",),
    ),
    Fault(
        "live-vocoder-off",
        "rt.out",
        "a plain crossfade for the phase vocoder",
        around(block_output, "phase_vocoder", lambda f, *given: sola.crossfade(*given)),
        ("vocoder",),
    ),
    Fault(
        "live-noise-late",
        "rt.z_p",
        "the noise comes one frame late",
        around(
            BlockConverter,
            "synthesize",
            lambda f, self, content, pitch, formant_, context: f(self, content, pitch, formant_, _LateNoise(context)),
        ),
    ),
]


class _LateNoise:
    """A block context whose noise for the latent comes one frame late."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def draw(self, name: str, shape: tuple[int, ...], *rest: Any) -> Any:
        drawn = self._context.draw(name, shape, *rest)
        return np.roll(drawn, 1, -1) if name == "noise.z" else drawn


def faults(offline: list[Fault]) -> list[Fault]:
    """All of them: those of streams alone, and those of shared code that `offline` has."""
    known = {fault.name: fault for fault in offline}
    return [*FAULTS, *(again(known[name]) for name in AGAIN)]
