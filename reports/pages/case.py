"""The page of one case."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from reports.data import cells, formatting, pack, states, timeline
from reports.data.load import Evidence, Json
from reports.data.pack import ArrayBlock
from reports.data.states import Mark, Rendering
from reports.pages import headline
from reports.pages.headline import BlameCard
from reports.panels import costs, heat_strip, perceptual, pitch_and_retrieval, static_figure, waveforms
from reports.panels.costs import CostGroup
from reports.panels.heat_strip import StripLine
from reports.panels.perceptual import Perceptual
from reports.panels.static_figure import StripRow
from reports.panels.waveforms import Waveforms

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Check:
    """One line of the table of checks: a cell of the verdict as text."""

    tensor: str
    mode: str
    state: str
    mark: Mark
    multiple: str
    needed: str
    allowed: str
    metric: str
    sentence: str
    at: str


@dataclass(frozen=True)
class CasePage:
    """Everything that the template of a case needs. No state in it is made here.

    Attributes:
        rendering: mark and symbol of the case's state.
        audio: original, candidate and difference as FLAC in base64; None where a side has no waveform.
        audio_note: the tensors that the audio comes from.
        no_audio: why there is no audio.
        perceptual: curves and table of the perceptual measures of the waveforms.
        untested: the tensors of which no check was tested; they have no line in the strip.
        next_step: what to do about this case, with the command.
        gaps: one sentence for each golden, tensor or trace that cannot be read.
        spectrum_svg: chart of the error's spectrum, or "".
        picture: PNG in base64 for browsers without scripts; "" where matplotlib is not installed.
        data_json: data of the scripts.
        arrays: the arrays that `data_json` refers to, deflated in base64.
    """

    name: str
    rendering: Rendering
    why: str
    subtitle: str
    headline: str
    explanation: str
    key_facts: Facts
    blame: list[BlameCard]
    untested: list[str]
    next_step: BlameCard
    checks: list[Check]
    audio: dict[str, str] | None
    audio_note: str
    no_audio: str
    perceptual: Perceptual
    has_f0: bool
    has_retrieval: bool
    gaps: tuple[str, ...]
    spectrum_svg: str
    picture: str
    costs: list[CostGroup]
    provenance: list[tuple[str, Facts]]
    data_json: str
    arrays: str


def build(case: Json, verdict: Json, evidence: Evidence) -> CasePage:
    """Collect the content of a page.

    Args:
        case: a case of the verdict.
        verdict: the whole document.
        evidence: golden and traces of the case.
    """
    arrays = ArrayBlock()
    lines = heat_strip.build(case, verdict["limits"], evidence, arrays)
    strip = [line for line in lines if any(line.modes.values())]
    audio = waveforms.collect(evidence)
    seconds = len(audio.original) / audio.rate if audio else 0.0
    first, last = timeline.span(evidence.meta, evidence.golden, seconds)
    pitch = pitch_and_retrieval.pitch(evidence, arrays)
    retrieval = pitch_and_retrieval.retrieval(evidence, arrays)
    audible = perceptual.of_case(audio, arrays)
    data = {
        "name": case["name"],
        "first": first,
        "last": last,
        "rows": [line.document() for line in strip],
        "start": asdict(headline.start_view(case, _modes(strip))),
        "audio": waveforms.describe(audio) if audio else None,
        "perceptual": asdict(audible.curves) if audible.curves else None,
        "f0": asdict(pitch) if pitch else None,
        "retrieval": [asdict(piece) for piece in retrieval] if retrieval else None,
    }
    return CasePage(
        name=case["name"],
        rendering=states.CASES[case["state"]],
        why=case.get("why", "no reason is recorded"),
        subtitle=_subtitle(case, verdict),
        headline=headline.headline(case),
        explanation=headline.explanation(case),
        key_facts=headline.key_facts(case),
        blame=list(headline.cards(case)),
        untested=[line.name for line in lines if line not in strip],
        next_step=headline.next_step(case),
        checks=list(_checks(case)),
        audio=waveforms.flacs(audio) if audio else None,
        audio_note=_audio_note(audio),
        no_audio="; ".join(evidence.gaps) or "one side has no waveform",
        perceptual=audible,
        has_f0=pitch is not None,
        has_retrieval=retrieval is not None,
        gaps=evidence.gaps,
        spectrum_svg=pitch_and_retrieval.error_spectrum(audio) if audio else "",
        picture=static_figure.figure_png(audio, evidence, [_row(line, arrays) for line in strip], (first, last)),
        costs=costs.build(verdict.get("speed")),
        provenance=_provenance(case, verdict, evidence),
        data_json=pack.script_json(data),
        arrays=arrays.text(),
    )


def _modes(strip: list[StripLine]) -> dict[str, list[str]]:
    """Name of each line → the modes in which it has something to show, those with a picture first."""
    return {
        line.name: sorted(
            (mode for mode, shown in line.modes.items() if shown is not None),
            key=lambda mode: not line.modes[mode].pieces,  # type: ignore[union-attr]
        )
        for line in strip
    }


def _row(line: StripLine, arrays: ArrayBlock) -> StripRow:
    mode = line.modes["chained"] or line.modes["isolated"]
    pieces = mode.pieces if mode else []
    return StripRow(line.name, [(piece.start, piece.step, np.asarray(arrays.array(piece.values))) for piece in pieces])


def _subtitle(case: Json, verdict: Json) -> str:
    seconds = f"{case['seconds']:.1f} s" if case.get("seconds") else ""
    facts = (verdict["candidate"]["name"], case.get("profile", ""), case.get("voice", {}).get("kind", ""), seconds)
    return " · ".join(fact for fact in facts if fact)


def _audio_note(audio: Waveforms | None) -> str:
    if audio is None:
        return ""
    return f"Played and drawn: {audio.tensor}; difference taken from {audio.difference_tensor}."


def _checks(case: Json) -> Iterator[Check]:
    for _, cell in cells.of_case(case):
        worst = cell.get("worst") or {}
        yield Check(
            tensor=cell["tensor"],
            mode=cell["mode"],
            state=cell["state"],
            mark=cells.mark(cell["state"]),
            multiple=formatting.multiple(cells.limit_multiple(cell)),
            needed=formatting.number(cell["value"]),
            allowed=formatting.number(cell["limit"]),
            metric=cell["metric"].replace("_", " "),
            sentence=cell["sentence"] or "",
            at=f"{worst['time_s']:.3f} s" if worst.get("time_s") is not None else "",
        )


def _provenance(case: Json, verdict: Json, evidence: Evidence) -> list[tuple[str, Facts]]:
    meta = evidence.meta
    judged = ("judged", f"{verdict['started']} in {verdict['seconds']:.0f} s")
    sections = [
        ("Original", formatting.facts(case.get("original") or meta.get("original", {}))),
        ("Input", formatting.facts(case.get("input") or meta.get("input", {}))),
        ("Voice", formatting.facts(case.get("voice") or meta.get("voice", {}))),
        ("Options", formatting.facts(case.get("options") or meta.get("options", {}))),
        ("Recorded in", formatting.facts(case.get("environment") or meta.get("environment", {}))),
        ("Candidate", [*formatting.facts(verdict["candidate"]), judged]),
        ("Missing from this page", [(str(number + 1), gap) for number, gap in enumerate(evidence.gaps)]),
    ]
    return [(title, facts) for title, facts in sections if facts]
