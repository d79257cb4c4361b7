"""Perceptual measures of the two waveforms over time, as curves under them, and as a table beside a scale."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from parity.goldens.arrays import Array
from parity.waveforms import pair, perceptual, tier_scale
from parity.waveforms.perceptual import HOP, UNITS
from reports.data.pack import ArrayBlock, ArrayReference
from reports.panels.waveforms import Waveforms

STEP = 1 / 32768  # one step of a 16-bit file, relative to full scale; smaller differences are not measured
TITLES = {
    "log_spectral": "log-spectral distance",
    "mel_cepstral": "mel-cepstral distortion",
    "cents": "F0 of the candidate above the original's",
    "loudness": "level of the candidate above the original's",
    "high_band": "the same above 8 kHz",
}
MISSING = (
    "no curves: they need librosa and mir_eval; python -m pip install 'rvc-parity[perceptual]', then make the pages"
)


@dataclass(frozen=True)
class Lane:
    """One measure over time; perceptual.js draws it, with a line at `mark`, which finds places and is no limit."""

    name: str
    title: str
    unit: str
    mark: float
    values: ArrayReference


@dataclass(frozen=True)
class Curves:
    """The lanes, each with `count` values from `start` on, `step` seconds apart; NaN where there is no value."""

    start: float
    step: float
    count: int
    lanes: list[Lane]


@dataclass(frozen=True)
class Measure:
    """One line of the table: a measure of the whole, and the largest of the originals in each reduced precision."""

    name: str
    value: str
    unit: str
    scale: list[str]


@dataclass(frozen=True)
class Perceptual:
    """The panel of a page; `curves` is None where there are none, and `note` states why."""

    curves: Curves | None
    note: str
    measures: list[Measure]
    tiers: list[str]


def of_case(audio: Waveforms | None, arrays: ArrayBlock) -> Perceptual:
    """The panel of a case; its waveforms have one time axis, so that nothing is aligned.

    Args:
        audio: the waveforms; None where a side has none.
        arrays: receives the curves.
    """
    if audio is None:
        return Perceptual(None, "", [], [])
    if audio.peak <= STEP:
        note = "no audible difference: no sample differs by more than one step of a 16-bit file"
        return Perceptual(None, note, [], [])
    try:
        frames = perceptual.measure(audio.original, audio.candidate, audio.rate)
    except ModuleNotFoundError:
        return Perceptual(None, MISSING, [], [])
    lanes = {name: getattr(frames, name) for name in TITLES}
    return build(lanes, float(frames.times[0]), perceptual.summarize(frames).values(), arrays)


def build(
    lanes: Mapping[str, Array], start: float, summary: Mapping[str, float | None], arrays: ArrayBlock
) -> Perceptual:
    """The panel.

    Args:
        lanes: name of each measure → float (frames,), NaN where there is no value; those without any are left out.
        start: seconds of the first frame.
        summary: name of each measure → its value for the whole.
        arrays: receives the curves.
    """
    drawn = [
        Lane(name, TITLES[name], UNITS[name], pair.MARKS[name], arrays.add(values))
        for name, values in lanes.items()
        if np.isfinite(values).any()
    ]
    count = max((len(values) for values in lanes.values()), default=0)
    scales = tier_scale.load()
    rows = [
        Measure(name, _number(summary.get(name)), unit, [_scale(each.get(name)) for each in scales.values()])
        for name, unit in UNITS.items()
    ]
    note = "every 10 ms; the dashed lines are marks that find places, and no limits"
    return Perceptual(Curves(start, HOP, count, drawn), note, rows, [str(tier) for tier in scales])


def _number(value: float | None) -> str:
    return "—" if value is None or math.isnan(value) else f"{value:.3g}"


def _scale(scale: tier_scale.Scale | None) -> str:
    return "—" if scale is None else f"{scale.largest:.3g}"
