"""Faults that show only in a long input, and in silence."""

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from parity.mutants.catalog.behavior.hooks import INDEXED
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, after, around
from parity.mutants.repeated_calls import from_place, of_each
from rvc.audio import output, preparation
from rvc.content import alignment, features
from rvc.nn.synthesizer import Synthesizer
from rvc.retrieval import search

LONG = (Need.OVER_TWO_SECONDS, Need.AUDIBLE)


def _held(value: Array) -> Array:
    """One part of a long tensor repeats its first element along the longest axis."""
    axis = int(np.argmax(value.shape))
    return np.repeat(value.take([0], axis), value.shape[axis], axis)


def _from(first: int, change: Callable[[Array], Array] = _held) -> Callable[[Any], Any]:
    return of_each(from_place(first, change))


def _filter_in_two_parts(original: Original, x: Array) -> Array:
    return np.concatenate([original(x[:16384]), original(x[16384:])])


def _normalize_silence(original: Original, raw: Array) -> Array:
    """Scale to a peak of 0.95, which divides silence by 0."""
    with np.errstate(all="ignore"):
        return np.asarray(raw / (np.abs(raw).max() / np.float32(0.95)), np.float32)


FAULTS = [
    Fault(
        "long-highpass",
        "highpassed",
        "the filter starts again at sample 16384",
        around(preparation, "highpass", _filter_in_two_parts),
        needs=LONG,
    ),
    Fault(
        "long-hubert",
        "hubert.features",
        "frames from 64 on are computed with another context: they repeat the features of frame 64",
        after(features, "extract", from_place(64, _held, axis=1)),
        needs=LONG,
    ),
    Fault(
        "long-weights",
        "retrieval.weights",
        "the weights of rows from 64 on are those of row 64",
        after(search, "weights", from_place(64, _held, axis=0)),
        needs=(*INDEXED, *LONG),
    ),
    Fault(
        "long-mean",
        "retrieval.mean",
        "the mean of rows from 64 on is that of row 64",
        after(search, "mean", from_place(64, _held, axis=0)),
        needs=(*INDEXED, *LONG),
    ),
    Fault(
        "long-protect",
        "content.protected",
        "frames from 128 on are not protected",
        around(
            alignment,
            "protect",
            lambda f, blended, *rest: np.concatenate([f(blended, *rest)[:, :128], blended[:, 128:]], axis=1),
        ),
        needs=(Need.PROTECTED, *LONG),
        also=(),
    ),
    Fault(
        "long-encoder",
        "enc_p",
        "frames from 192 on repeat frame 192",
        after(Synthesizer, "encode", of_each(from_place(192, _held, axis=2))),
        needs=LONG,
    ),
    Fault(
        "long-flow",
        "flow",
        "frames from 192 on repeat frame 192",
        after(Synthesizer, "flow", from_place(192, _held, axis=2)),
        needs=LONG,
    ),
    Fault(
        "long-generator",
        "generator",
        "samples from 65536 on are silent",
        after(Synthesizer, "generate", from_place(65536, np.zeros_like)),
        needs=LONG,
    ),
    Fault(
        "long-integers",
        "final",
        "samples from 32768 on are rounded, those before are truncated",
        around(
            output,
            "to_int16",
            lambda f, x: np.concatenate([f(x)[:32768], f(x + np.float32(0.5 / 32768) * np.sign(x))[32768:]]),
        ),
        needs=LONG,
    ),
    Fault(
        "silent-guard",
        "audio16k",
        "the peak guard divides by the peak of silence",
        around(preparation, "guard_peak", _normalize_silence),
        needs=(Need.SILENT,),
    ),
    Fault(
        "silent-dither",
        "highpassed",
        "silence gets dither of one 16-bit step",
        after(preparation, "highpass", lambda x: x + np.random.default_rng(3).uniform(-1, 1, len(x)) / 32768),
        needs=(Need.SILENT,),
    ),
]
