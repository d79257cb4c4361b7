"""One case as one HTML page."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from reports.data import cells, formatting, pack, timeline
from reports.data.load import Evidence, Json
from reports.pages import headline as blame
from reports.panels import costs, heat_strip, pitch_and_retrieval, players, still_picture


class Keeping(pack.Numbers):
    """A block of numbers that also keeps the arrays, for the still picture."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[int, Array] = {}

    def add(self, values: Array, kind: str = "f4") -> dict[str, Any]:
        """As `Numbers.add`; `of` finds the array again."""
        reference = super().add(values, kind)
        self.kept[reference["array"][1]] = values
        return reference

    def of(self, reference: Mapping[str, Any]) -> Array:
        """The array behind a reference."""
        return self.kept[reference["array"][1]]


def build(case: Json, verdict: Json, evidence: Evidence) -> dict[str, Any]:
    """Everything the template of a case needs, by name; no state in it is made here."""
    numbers = Keeping()
    strip = heat_strip.build(case, verdict["limits"], evidence, numbers)
    heard = players.collect(evidence)
    first, last = timeline.span(evidence.meta, evidence.golden, len(heard.original) / heard.rate if heard else 0.0)
    pitch, neighbours = pitch_and_retrieval.pitch(evidence, numbers), pitch_and_retrieval.retrieval(evidence, numbers)
    data = {
        "name": case["name"],
        "first": first,
        "last": last,
        "rows": strip,
        "start": blame.beginning(case, strip),
        "audio": players.describe(heard) if heard else None,
        "f0": pitch,
        "retrieval": neighbours,
    }
    still_rows = [(row["name"], _pieces(row, numbers)) for row in strip]
    return {
        "name": case["name"],
        "passed": case["state"] == "pass",
        "why": case.get("why", "not said"),
        "subtitle": _subtitle(case, verdict),
        "headline": blame.headline(case),
        "explanation": blame.explanation(case),
        "key_facts": blame.key_facts(case),
        "blame": list(blame.cards(case)),
        "checks": list(_checks(case)),
        "audio": players.flacs(heard) if heard else None,
        "audio_note": _audio_note(heard),
        "no_audio": "; ".join(evidence.gaps) or "one side has no waveform",
        "has_f0": pitch is not None,
        "has_retrieval": neighbours is not None,
        "gaps": evidence.gaps,
        "spectrum_svg": pitch_and_retrieval.error_spectrum(heard) if heard else "",
        "picture": still_picture.picture(heard, evidence, still_rows, (first, last)),
        "costs": costs.build(verdict.get("speed")),
        "provenance": _provenance(case, verdict, evidence),
        "data_json": pack.script_json(data),
        "numbers": numbers.text(),
    }


def _pieces(row: Json, numbers: Keeping) -> list[tuple[float, float, Array]]:
    mode = row["modes"]["chained"] or row["modes"]["isolated"]
    return (
        [(piece["start"], piece["step"], np.asarray(numbers.of(piece["values"]))) for piece in mode["pieces"]]
        if mode
        else []
    )


def _subtitle(case: Json, verdict: Json) -> str:
    seconds = f"{case['seconds']:.1f} s" if case.get("seconds") else ""
    voice = case.get("voice", {}).get("kind", "")
    return " · ".join(part for part in (verdict["candidate"]["name"], case.get("profile", ""), voice, seconds) if part)


def _audio_note(heard: players.Sound | None) -> str:
    if heard is None:
        return ""
    return f"Heard and drawn: {heard.heard}; difference taken from {heard.finest}."


def _checks(case: Json) -> Any:
    for _, cell in cells.of_case(case):
        worst = cell.get("worst") or {}
        yield {
            "tensor": cell["tensor"],
            "mode": cell["mode"],
            "state": cell["state"],
            "mark": cells.mark(cell["state"]),
            "times": formatting.times(cells.times(cell)),
            "needed": formatting.short(cell["value"]),
            "allowed": formatting.short(cell["limit"]),
            "metric": cell["metric"].replace("_", " "),
            "sentence": cell["sentence"] or "",
            "at": f"{worst['time_s']:.3f} s" if worst.get("time_s") is not None else "",
        }


def _provenance(case: Json, verdict: Json, evidence: Evidence) -> list[tuple[str, list[tuple[str, str]]]]:
    meta = evidence.meta
    found = [
        ("Original", formatting.facts(case.get("original") or meta.get("original", {}))),
        ("Input", formatting.facts(case.get("input") or meta.get("input", {}))),
        ("Voice", formatting.facts(case.get("voice") or meta.get("voice", {}))),
        ("Options", formatting.facts(case.get("options") or meta.get("options", {}))),
        ("Recorded in", formatting.facts(case.get("environment") or meta.get("environment", {}))),
        (
            "Candidate",
            [
                *formatting.facts(verdict["candidate"]),
                ("judged", f"{verdict['started']} in {verdict['seconds']:.0f} s"),
            ],
        ),
    ]
    if evidence.gaps:
        found.append(("Missing from this page", [(str(number + 1), gap) for number, gap in enumerate(evidence.gaps)]))
    return [(title, facts) for title, facts in found if facts]
