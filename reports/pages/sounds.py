"""The page of two sounds of which nothing but the sound is known: where in time they differ, and by how much."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from parity.goldens.arrays import Array
from parity.goldens.text import parse_file
from parity.waveforms.pair import PairState
from parity.waveforms.pair_output import FILE, FORMAT, SIDES
from parity.waveforms.perceptual import UNITS
from reports.data import pack
from reports.data.pack import ArrayBlock
from reports.data.states import Mark
from reports.errors import ReportError
from reports.panels import perceptual, waveforms
from reports.panels.perceptual import TITLES, Perceptual
from reports.panels.waveforms import Waveforms

_MARKS = {PairState.SAME: Mark.GOOD, PairState.ALTERED: Mark.QUIET}  # every other state is bad
_SYMBOLS = {Mark.GOOD: "✓", Mark.QUIET: "≈", Mark.BAD: "✗"}
NOTE = "both at the rate of the reference; the candidate is aligned, with its gain removed"


@dataclass(frozen=True)
class PlaceRow:
    """A part of the reference in which a measure exceeds its mark; `link` moves the page there."""

    measure: str
    begin: str
    end: str
    worst: str
    link: str


@dataclass(frozen=True)
class SoundsPage:
    """Everything that the template needs; `data_json` and `arrays` are those of `pages.case.CasePage`."""

    reference: str
    candidate: str
    state: str
    mark: Mark
    symbol: str
    differences: list[str]
    forms: list[tuple[str, str]]
    perceptual: Perceptual
    places: list[PlaceRow]
    audio: dict[str, str]
    note: str
    data_json: str
    arrays: str


def build(folder: Path) -> SoundsPage:
    """Collect the content of the page.

    Raises:
        ReportError: sounds.json or an aligned sound cannot be read.
    """
    document = _document(folder / FILE)
    (original, rate), (candidate, _) = (_sound(folder / name) for name in SIDES)
    audio = Waveforms(original, candidate, waveforms.difference(original, candidate), rate, "", "")
    arrays, frames = ArrayBlock(), document["frames"]
    lanes = {name: np.array(frames[name], np.float64) for name in TITLES}  # null becomes NaN
    start = float(frames["times"][0])
    shown = perceptual.build(lanes, start, document["summary"], arrays)
    places = [_place(place) for place in document["places"]]
    begin = document["places"][0]["begin"] if document["places"] else 0.0
    data = {
        "name": document["candidate"]["name"],
        "first": 0.0,
        "last": max(len(original), len(candidate)) / rate,
        "rows": [],
        "start": {"stage": "sounds", "time": begin, "mode": "chained"},
        "audio": waveforms.describe(audio),
        "perceptual": asdict(shown.curves) if shown.curves else None,
        "f0": None,
        "retrieval": None,
    }
    state = PairState(document["state"])
    mark = _MARKS.get(state, Mark.BAD)
    return SoundsPage(
        reference=document["reference"]["name"],
        candidate=document["candidate"]["name"],
        state=state,
        mark=mark,
        symbol=_SYMBOLS[mark],
        differences=[each["sentence"] for each in document["differences"]],
        forms=[(side, _form(document[side])) for side in ("reference", "candidate")],
        perceptual=shown,
        places=places,
        audio=waveforms.flacs(audio),
        note=NOTE,
        data_json=pack.script_json(data),
        arrays=arrays.text(),
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = parse_file(path)
    except (OSError, json.JSONDecodeError) as error:
        raise ReportError(
            f"{path} cannot be read ({error}); compare again: rvc-parity compare A.wav B.wav --out"
        ) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT or "scale" not in document:
        raise ReportError(f"{path} is no {FORMAT}; compare again: rvc-parity compare A.wav B.wav --out FOLDER")
    return document


def _sound(path: Path) -> tuple[Array, int]:
    try:
        samples, rate = soundfile.read(path, dtype="float64")
    except (soundfile.LibsndfileError, OSError) as error:
        raise ReportError(f"{path} cannot be read ({error}); compare again with --out, which writes it") from None
    return samples, int(rate)


def _form(about: Mapping[str, Any]) -> str:
    return (
        f"{about['name']}: {about['seconds']:.3f} s, {about['rate']} Hz, {about['channels']} channels, {about['form']}"
    )


def _place(place: Mapping[str, Any]) -> PlaceRow:
    name, worst = place["measure"], place["worst"]
    return PlaceRow(
        measure=name,
        begin=f"{place['begin']:.2f}",
        end=f"{place['end']:.2f}",
        worst="—" if worst is None else f"{worst:.3g} {UNITS.get(name, '')}",
        link=f"#sounds/{place['begin']:.3f}/chained",
    )
