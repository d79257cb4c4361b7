"""Small faults of pitch, retrieval and protection: epsilons, sliders in bytes, vectors kept in fewer bits."""

from typing import Any

import numpy as np

from parity.mutants import reduced_precision
from parity.mutants.catalog.networks import in_pitch
from parity.mutants.fault import Fault, after, around, put
from rvc.content import alignment
from rvc.f0 import crepe, fcpe, mel, pm, postprocessing, rmvpe, world
from rvc.pipeline import offline
from rvc.retrieval import search as retrieval

Index = retrieval.Index


def _filled(make: Any) -> Any:
    def fill(original: Any, f0: Any) -> Any:
        voiced = np.flatnonzero(f0 > 0)
        return make(original(f0), f0, voiced).astype(f0.dtype) if len(voiced) else f0.copy()

    return around(postprocessing, "fill_unvoiced", fill)


def _seconds(filled: Any, f0: Any, voiced: Any) -> Any:
    """Frames counted in float32 seconds."""
    time = np.arange(len(f0), dtype=np.float32) * np.float32(0.01)
    return np.where(f0 > 0, f0, np.interp(time, time[voiced], f0[voiced]))


def _hz(change: Any) -> Any:
    def finish(original: Any, raw: Any, frames: int, config: Any) -> Any:
        filled, hz, coarse = original(raw, frames, config)
        return filled, change(hz).astype(np.float32), coarse

    return around(postprocessing, "finish", finish)


def _note(hz: Any) -> Any:
    """By way of a note number with four decimals."""
    number = np.round(69 + 12 * np.log2(np.maximum(hz, 1e-9).astype(np.float64) / 440), 4)
    return np.where(hz > 0, 440 * np.exp2((number - 69) / 12), 0)


def _bins(change: Any) -> Any:
    return around(postprocessing, "quantize", lambda f, f0: f(change(np.asarray(f0, np.float64))))


def _one_late(original: Any, f0: Any) -> Any:
    bins = original(f0)
    return np.concatenate([bins[:1], bins[:-1]])


def _search(query: Any = None, distances: Any = None) -> Any:
    def search(original: Any, self: Any, features: Any) -> Any:
        found, ids = original(self, query(features) if query else features)
        return (distances(found) if distances else found), ids

    return around(Index, "search", search)


def _expanded(original: Any, self: Any, features: Any) -> Any:
    """|x|² − 2 x·y + |y|² in float32, as a matrix product gives it."""
    _, ids = original(self, features)
    there = self.vectors(ids)
    cross = np.einsum("nc,nkc->nk", features, there)
    made = np.square(features).sum(1)[:, None] - 2 * cross + np.square(there).sum(2)
    return np.maximum(made, 0).astype(np.float32), ids


def _weights(raw: Any, more: float = 0.0) -> Any:
    def weights(original: Any, distances: Any, *rest: Any) -> Any:
        made = raw(distances.astype(np.float64))
        return (made / (made.sum(axis=1, keepdims=True) + more)).astype(np.float32)

    return around(retrieval, "weights", weights)


def _given(change: Any) -> Any:
    return around(retrieval, "mean", lambda f, shares, *rest: f(change(shares), *rest))


def _mixed(rate: Any = None, change: Any = None) -> Any:
    def blend(original: Any, features: Any, mean: Any, given: float, *rest: Any) -> Any:
        made = original(features, mean, rate(given) if rate else given, *rest)
        return change(made) if change else made

    return around(retrieval, "blend", blend)


def _protect(amount: Any = None, change: Any = None) -> Any:
    def protect(original: Any, blended: Any, unblended: Any, hz: Any, given: float) -> Any:
        made = original(blended, unblended, hz, amount(given) if amount else given)
        return change(made) if change else made

    return around(alignment, "protect", protect)


def _tail(made: Any) -> Any:
    made = made.copy()
    made[:, -1] = reduced_precision.fp24(made[:, -1])
    return made


def _scaled_input(by: float) -> Any:
    return in_pitch("rmvpe", lambda net: iter([(net, "input_scale", net.input_scale * by)]))


def _short_recurrence(net: Any) -> Any:
    for unit in net.gru.values():
        yield unit, "again_soft", reduced_precision.bfloat16(unit.again_soft)
        yield unit, "again_new", reduced_precision.bfloat16(unit.again_new)


def _half_cents(net: Any) -> Any:
    yield net, "cents", reduced_precision.half(net.cents)


RMVPE, FCPE, PM = ("rmvpe", "voiced"), ("fcpe", "voiced"), ("pm", "voiced")
FILL, FULL, BLEND, PROTECT = ("fill", "gap"), ("index", "long lists"), ("index",), ("protected", "partly protected")
VARIANT = ("mel or window variant",)
FAULTS = [
    Fault(
        "rmvpe-window-half",
        "f0.raw",
        "the Hann window in half precision",
        after(mel, "hann", reduced_precision.half),
        RMVPE,
        VARIANT,
    ),
    Fault(
        "rmvpe-bank-bfloat16",
        "f0.raw",
        "the mel filters in bfloat16",
        after(rmvpe, "filterbank", reduced_precision.bfloat16),
        RMVPE,
        VARIANT,
    ),
    Fault(
        "rmvpe-log-added",
        "f0.raw",
        "ln(x + 1e-5), not clamped at 1e-5",
        after(rmvpe, "log_mel", lambda x: (x.exp() + 1e-5).log()),
        RMVPE,
        VARIANT,
    ),
    Fault("rmvpe-norm-epsilon", "f0.raw", "the input's batch norm with 1e-3", _scaled_input(0.9995), RMVPE),
    Fault(
        "rmvpe-gru-bfloat16", "f0.raw", "the recurrent weights in bfloat16", in_pitch("rmvpe", _short_recurrence), RMVPE
    ),
    Fault(
        "rmvpe-cents-20-to-12",
        "f0.raw",
        "2^(1/60) a bin, in six digits",
        after(
            rmvpe,
            "track",
            lambda hz: np.where(hz > 0, 32.70319 * 1.011619 ** (np.log2(np.maximum(hz, 1e-3) / 32.70319566) * 60), 0),
        ),
        RMVPE,
    ),
    Fault(
        "rmvpe-fixed-6",
        "f0.raw",
        "6 bits behind the point",
        after(rmvpe, "track", reduced_precision.fixed(6)),
        RMVPE,
        ("fixed point",),
    ),
    Fault("fcpe-epsilon", "f0.raw", "1e-5 in the squared magnitude, not 1e-9", put(fcpe, "EPSILON", 1e-5), FCPE),
    Fault("fcpe-cents-half", "f0.raw", "the table of cents in half precision", in_pitch("fcpe", _half_cents), FCPE),
    Fault("fcpe-reach", "f0.raw", "seven bins averaged", put(fcpe, "REACH", 3), FCPE),
    Fault(
        "fcpe-threshold",
        "f0.raw",
        "ten times a threshold of 0.03",
        put(fcpe, "THRESHOLD", 0.3),
        (*FCPE, "pause"),
        ("voicing threshold",),
    ),
    Fault(
        "crepe-undithered",
        "f0.raw",
        "no dither",
        around(crepe, "track", lambda f, x, net, d: f(x, net, 0 * d)),
        ("crepe",),
        ("missing dither",),
    ),
    Fault(
        "crepe-median",
        "f0.raw",
        "a median for the mean of three",
        put(crepe, "mean_of_three", lambda x: crepe.median_of_three(x)),
        ("crepe",),
    ),
    Fault(
        "harvest-unrefined",
        "f0.raw",
        "no StoneMask",
        around(world, "harvest", lambda f, x, radius=3: world.harvest_realtime(x)),
        ("harvest",),
    ),
    Fault("pm-half", "f0.raw", "Praat's result in half precision", after(pm, "track", reduced_precision.half), PM),
    Fault(
        "track-later",
        "f0.raw",
        "the pipeline tracks its sound one frame late, the method is right",
        around(offline, "track_f0", lambda f, padded, *rest: f(np.roll(padded, -160), *rest)),
        PM,
        ("shift by 1 frame",),
    ),
    Fault(
        "fill-float32",
        "f0.filled",
        "float32",
        _filled(lambda filled, *rest: reduced_precision.single(filled)),
        (*FILL, "rmvpe"),
        ("single precision", "fewer bits"),
    ),
    Fault("fill-seconds", "f0.filled", "times in float32 seconds", _filled(_seconds), FILL),
    Fault(
        "fill-text",
        "f0.filled",
        "written with five decimals",
        _filled(lambda x, *rest: reduced_precision.text(5)(x)),
        FILL,
        ("rounded decimals", "rounded pitch"),
    ),
    Fault(
        "fill-gaps-float32",
        "f0.filled",
        "what is filled in goes through float32",
        _filled(lambda x, f0, voiced: np.where(f0 > 0, x, x.astype(np.float32))),
        (*FILL, "rmvpe"),
    ),
    Fault(
        "hz-2-decimals", "f0.hz", "rounded to 0.01 Hz", _hz(reduced_precision.text(2)), ("voiced",), ("rounded pitch",)
    ),
    Fault(
        "hz-3-decimals",
        "f0.hz",
        "rounded to 0.001 Hz",
        _hz(reduced_precision.text(3)),
        ("voiced",),
        ("rounded pitch", "rounded decimals"),
    ),
    Fault("hz-notes", "f0.hz", "by way of note numbers with four decimals", _hz(_note), ("voiced",)),
    Fault("hz-half", "f0.hz", "half precision", _hz(reduced_precision.half), ("voiced",), ("half precision",)),
    Fault(
        "coarse-of-whole", "f0.coarse", "of pitch in whole hertz", _bins(np.rint), ("voiced",), ("bins of whole hertz",)
    ),
    Fault(
        "coarse-late",
        "f0.coarse",
        "one frame late",
        around(postprocessing, "quantize", _one_late),
        ("voiced",),
        ("shift by 1 frame",),
    ),
    Fault(
        "search-half-distances",
        "retrieval.search",
        "distances in half precision",
        _search(distances=reduced_precision.half),
        FULL,
        ("half precision",),
    ),
    Fault(
        "search-half-query", "retrieval.search", "the query in half precision", _search(reduced_precision.half), FULL
    ),
    Fault("search-quiet", "retrieval.search", "the query over 32767", _search(reduced_precision.over_32767), FULL),
    Fault(
        "search-fixed",
        "retrieval.search",
        "distances in sixteenths",
        _search(distances=reduced_precision.fixed(4)),
        FULL,
        ("fixed point",),
    ),
    Fault(
        "search-expanded",
        "retrieval.search",
        "distances of TF32 products",
        around(Index, "search", lambda f, self, x: _expanded(f, self, reduced_precision.tf32(x))),
        FULL,
    ),
    Fault(
        "weights-1e-2",
        "retrieval.weights",
        "0.01 is added to distances",
        _weights(lambda d: 1 / (d + 1e-2) ** 2),
        FULL,
        ("epsilon",),
    ),
    Fault(
        "weights-sum-1e-9",
        "retrieval.weights",
        "1e-9 is added to the sum",
        _weights(lambda d: 1 / d**2, 1e-9),
        FULL,
        ("gain", "epsilon of the sum"),
    ),
    Fault(
        "weights-16-bit",
        "retrieval.weights",
        "kept in 16 bits",
        after(retrieval, "weights", reduced_precision.fixed(16)),
        FULL,
        ("fixed point",),
    ),
    Fault(
        "weights-half",
        "retrieval.weights",
        "half precision",
        after(retrieval, "weights", reduced_precision.half),
        FULL,
        ("half precision",),
    ),
    Fault("mean-half-weights", "retrieval.mean", "weights in half precision", _given(reduced_precision.half), FULL),
    Fault("mean-16-bit-weights", "retrieval.mean", "weights in 16 bits", _given(reduced_precision.fixed(16)), FULL),
    Fault(
        "upsample-tail-fp24",
        "content.upsampled",
        "a loop's tail, the last frame, in 24-bit floats",
        after(alignment, "upsample", _tail),
        (),
        (),
        ("content.protected",),
    ),
    Fault(
        "mean-fixed-16",
        "retrieval.mean",
        "16.16 fixed point",
        after(retrieval, "mean", reduced_precision.fixed(16)),
        FULL,
        ("fixed point",),
    ),
    Fault(
        "mean-fp24",
        "retrieval.mean",
        "24-bit floats, cut off",
        after(retrieval, "mean", reduced_precision.fp24_cut),
        FULL,
        ("fewer bits",),
    ),
    Fault(
        "blend-16-bit-rate",
        "retrieval.blended",
        "the rate in 16 bits",
        _mixed(reduced_precision.slider(16)),
        BLEND,
        ("another index rate",),
    ),
    Fault(
        "blend-slider",
        "retrieval.blended",
        "a slider's step too much",
        _mixed(lambda rate: rate + 1e-5),
        BLEND,
        ("another index rate",),
    ),
    Fault(
        "blend-fp24",
        "retrieval.blended",
        "24-bit floats",
        _mixed(change=reduced_precision.fp24),
        BLEND,
        ("fewer bits",),
    ),
    Fault(
        "blend-fixed-16",
        "retrieval.blended",
        "16.16 fixed point",
        _mixed(change=reduced_precision.fixed(16)),
        BLEND,
        ("fixed point",),
    ),
    Fault(
        "protect-half-amount",
        "content.protected",
        "the amount in half precision",
        _protect(lambda amount: float(np.float16(amount))),
        PROTECT,
        ("another protect",),
    ),
    Fault(
        "protect-12-bit",
        "content.protected",
        "the amount in 12 bits",
        _protect(reduced_precision.slider(12)),
        PROTECT,
        ("another protect",),
    ),
    Fault(
        "protect-fp24",
        "content.protected",
        "24-bit floats",
        _protect(change=reduced_precision.fp24),
        PROTECT,
        ("fewer bits",),
    ),
    Fault(
        "protect-fixed-16",
        "content.protected",
        "16.16 fixed point",
        _protect(change=reduced_precision.fixed(16)),
        PROTECT,
        ("fixed point",),
    ),
]
