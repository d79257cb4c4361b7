"""Faults of cutting a long input: cut points, padding, segments."""

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from parity.mutants import reduced_precision
from parity.mutants.fault import Fault
from parity.mutants.needs import Need
from parity.mutants.patches import Original, Patch, after, around
from rvc.audio import segments
from rvc.audio.segments import Span, Window
from rvc.pipeline import offline

Cuts = tuple[Array | None, Array]  # the loudness profile, None without a cut, and the cut points


def _window_sum(x: Array) -> Array:
    """The sum over every window of 160 samples."""
    return np.convolve(x, np.ones(160), "valid")


def _loudness_profile(change: Callable[[Array], Array], delay: int = 0) -> Patch:
    """Compute the loudness profile with `change`, from the padded input; its windows lie `delay` samples late."""

    def loudness(original: Original, x: Array) -> Array:
        padded = np.pad(x, 80, mode="reflect")
        return np.roll(change(padded), -delay)[: len(x)]

    return around(segments, "loudness", loudness)


def _choose_cuts(choose: Callable[[Array, int, int], int]) -> Patch:
    """Choose each cut point from (loudness profile, center, reach in samples)."""

    def cut_points(original: Original, x: Array, window: Window) -> Cuts:
        profile, cuts = original(x, window)
        if profile is None:
            return profile, cuts
        reach, center = window.samples("query"), window.samples("center")
        chosen = [choose(profile, c, reach) for c in range(center, len(x), center)]
        return profile, np.array(chosen, np.int64)

    return around(segments, "cut_points", cut_points)


def _move_cuts(by: int) -> Patch:
    """Move every cut point by `by` samples."""

    def cut_points(original: Original, x: Array, window: Window) -> Cuts:
        profile, cuts = original(x, window)
        return profile, cuts + by

    return around(segments, "cut_points", cut_points)


def _floor_cuts(original: Original, x: Array, window: Window) -> Cuts:
    """Round cut points down to frames of 10 ms, 160 samples."""
    profile, cuts = original(x, window)
    return profile, cuts // 160 * 160


def _pad_with(**options: Any) -> Patch:
    """Pad with these options of numpy.pad; without options it pads with zeros."""
    return around(segments, "pad", lambda original, x, window: np.pad(x, window.samples("pad"), **options))


def _pad_reflection_only(change: Callable[[Array], Array]) -> Patch:
    """Change only the samples that the padding adds."""

    def pad(original: Original, x: Array, window: Window) -> Array:
        padded, width = original(x, window), window.samples("pad")
        padded[:width], padded[-width:] = change(padded[:width]), change(padded[-width:])
        return np.asarray(padded)

    return around(segments, "pad", pad)


def _segments_one_frame_early(original: Original, length: int, cuts: Array, window: Window) -> list[Span]:
    spans = original(length, cuts, window)
    return [spans[0], *(Span(span.first - 160, span.last - 160, span.frames) for span in spans[1:])]


def _f0_slice_one_frame_early(original: Original, length: int, cuts: Array, window: Window) -> list[Span]:
    spans = original(length, cuts, window)
    return [
        spans[0],
        *(Span(span.first, span.last, slice(span.frames.start - 1, span.frames.stop - 1)) for span in spans[1:]),
    ]


def _change_segment(change: Callable[[Array], Array]) -> Patch:
    """Change the samples that segments are cut from."""
    return around(offline, "extract_content", lambda original, padded, *rest: original(change(padded), *rest))


FAULTS = [
    Fault(
        "cut-signed-sum",
        "segment.cuts",
        "|Σ x| instead of Σ |x|",
        _loudness_profile(lambda padded: np.abs(_window_sum(padded))),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("sum without magnitude",),
    ),
    Fault(
        "cut-energy",
        "segment.cuts",
        "Σ x² instead of Σ |x|",
        _loudness_profile(lambda padded: _window_sum(padded**2)),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("energy",),
    ),
    Fault(
        "cut-profile-late",
        "segment.cuts",
        "the window lies one sample late",
        _loudness_profile(lambda padded: _window_sum(np.abs(padded)), 1),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("profile one sample late", "shift by 1 sample"),
    ),
    Fault(
        "cut-at-centre",
        "segment.cuts",
        "cuts at the centers, without a search",
        _choose_cuts(lambda p, c, r: c),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("cuts at the centres",),
    ),
    Fault(
        "cut-twice-as-far",
        "segment.cuts",
        "the quiet place is searched twice as far from the center",
        _choose_cuts(lambda p, c, r: max(c - 2 * r, 0) + int(np.argmin(p[max(c - 2 * r, 0) : c + 2 * r]))),
        needs=(Need.SEVERAL_SEGMENTS, Need.QUIETER_OUTSIDE),
    ),
    Fault(
        "cut-loudest",
        "segment.cuts",
        "argmax instead of argmin",
        _choose_cuts(lambda p, c, r: c - r + int(np.argmax(p[c - r : c + r]))),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("loudest place",),
    ),
    Fault(
        "cut-relative",
        "segment.cuts",
        "cuts are counted from the window's start",
        _choose_cuts(lambda p, c, r: int(np.argmin(p[c - r : c + r]))),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("cuts from the window's start",),
    ),
    Fault(
        "cut-one-late",
        "segment.cuts",
        "cuts one sample late",
        _choose_cuts(lambda p, c, r: c - r + int(np.argmin(p[c - r : c + r])) + 1),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("cuts one sample off",),
    ),
    Fault(
        "cut-one-early",
        "segment.cuts",
        "cuts one sample early",
        _move_cuts(-1),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("cuts one sample off",),
    ),
    Fault(
        "cut-floored",
        "segment.cuts",
        "cuts recorded after flooring to frames",
        around(segments, "cut_points", _floor_cuts),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("floored cuts",),
    ),
    Fault(
        "cut-profile-float32",
        "segment.cuts",
        "the loudness is kept in float32",
        after(segments, "loudness", reduced_precision.single),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("single precision", "fewer bits"),
    ),
    Fault(
        "pad-zeros",
        "padded",
        "zeros instead of a reflection",
        _pad_with(),
        causes=("another padding",),
    ),
    Fault(
        "pad-symmetric",
        "padded",
        "the edge sample is repeated",
        _pad_with(mode="symmetric"),
        causes=("another padding",),
    ),
    Fault(
        "pad-edge",
        "padded",
        "the edge sample is held",
        _pad_with(mode="edge"),
        causes=("another padding",),
    ),
    Fault(
        "pad-fixed-20",
        "padded",
        "20 bits of fixed point",
        after(segments, "pad", reduced_precision.fixed(20)),
        needs=(Need.AUDIBLE,),
        causes=("fixed point",),
    ),
    Fault(
        "pad-fp24",
        "padded",
        "24-bit floats",
        after(segments, "pad", reduced_precision.fp24),
        needs=(Need.AUDIBLE,),
        causes=("fewer bits",),
    ),
    Fault(
        "pad-20-bit",
        "padded",
        "the reflection in 20-bit integers, cut off",
        _pad_reflection_only(reduced_precision.pcm20_cut),
        needs=(Need.AUDIBLE,),
    ),
    Fault(
        "segment-early",
        "seg.audio",
        "later segments begin one frame early",
        around(segments, "spans", _segments_one_frame_early),
        needs=(Need.SEVERAL_SEGMENTS,),
        causes=("shifted segment",),
    ),
    Fault(
        "pitch-slice-late",
        "enc_p",
        "later segments get the F0 of one frame before",
        around(segments, "spans", _f0_slice_one_frame_early),
        needs=(Need.SEVERAL_SEGMENTS, Need.VOICED),
        also=("nsf", "content.protected"),
    ),
    Fault(
        "segment-32767",
        "seg.audio",
        "16-bit samples over 32767",
        _change_segment(reduced_precision.over_32767),
        needs=(Need.AUDIBLE,),
        causes=("gain",),
    ),
    Fault(
        "segment-20-bit",
        "seg.audio",
        "20-bit integers, cut off",
        _change_segment(reduced_precision.pcm20_cut),
        needs=(Need.AUDIBLE,),
        causes=("fixed point",),
    ),
    Fault(
        "segment-text",
        "seg.audio",
        "six decimals",
        _change_segment(reduced_precision.text(6)),
        needs=(Need.AUDIBLE,),
        causes=("rounded decimals",),
    ),
    Fault(
        "segment-fp24",
        "seg.audio",
        "24-bit floats",
        _change_segment(reduced_precision.fp24),
        needs=(Need.AUDIBLE,),
        causes=("fewer bits",),
    ),
    Fault(
        "segment-half",
        "seg.audio",
        "half precision",
        _change_segment(reduced_precision.half),
        needs=(Need.AUDIBLE,),
        causes=("half precision",),
    ),
]
