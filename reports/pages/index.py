"""The index: cases × stages, worst first, and totals that are the verdict's own."""

from typing import Any

from parity import stages
from reports.data import cells, formatting
from reports.data.load import Json
from reports.pages import headline as blame


def columns(verdict: Json) -> list[str]:
    """The tensors of a verdict without their prefixes, in the order of the flow."""
    found: dict[str, None] = {}
    for case in verdict["cases"]:
        place = -1
        order = list(found)
        for _, cell in cells.of_case(case):
            local = stages.TensorName.parse(cell["tensor"]).local
            if local in order:
                place = order.index(local)
            else:  # a tensor that an earlier case lacks goes behind the one it follows here
                place += 1
                order.insert(place, local)
        found = dict.fromkeys(order)
    return list(found)


def build(verdict: Json) -> dict[str, Any]:
    """Everything the template of the index needs."""
    names = columns(verdict)
    ordered = sorted(verdict["cases"], key=lambda case: (*(-part for part in cells.severity(case)), case["name"]))
    counts = verdict["counts"]
    by_state = {
        state: sum(case["state"] == state for case in ordered) for state in ("differs", "unreadable", "nothing", "pass")
    }
    return {
        "candidate": verdict["candidate"],
        "state": verdict["state"],
        "passed": verdict["state"] == "pass",
        "sentence": verdict["sentence"],
        "columns": names,
        "started": verdict["started"],
        "totals": [
            ("cases", len(ordered)),
            ("cases that pass", by_state["pass"]),
            ("cases that differ", by_state["differs"] + by_state["unreadable"] + by_state["nothing"]),
            ("checks expected", counts["expected"]),
            ("compared", counts["compared"]),
            ("passed", counts["passed"]),
            ("failed", counts["failed"]),
            ("waived", counts["waived"]),
            ("not tested", counts["not_tested"]),
        ],
        "rows": [_row(case, names) for case in ordered],
        "filters": _filters(ordered),
        "waivers": verdict["waivers"],
        "stages": [_stage(name, ordered) for name in names],
    }


def _row(case: Json, names: list[str]) -> dict[str, Any]:
    grouped: dict[str, list[Json]] = {}
    for _, cell in cells.of_case(case):
        grouped.setdefault(stages.TensorName.parse(cell["tensor"]).local, []).append(cell)
    accused = [stage["stage"] for stage in blame.origins(case)]
    first = stages.TensorName.parse(case["first"]["tensor"]).local if case["first"] else ""
    fields = {
        "profile": case.get("profile", ""),
        "method": str(case.get("options", {}).get("f0_method", "")),
        "voice": str(case.get("voice", {}).get("kind", "")),
    }
    return {
        "name": case["name"],
        "state": case["state"],
        "mark": "good" if case["state"] == "pass" else "bad",
        "accused": accused[0] + (f" and {len(accused) - 1} more" if accused[1:] else "") if accused else "",
        "headline": blame.headline(case),
        "worst": formatting.times(cells.worst_times(cell for _, cell in cells.of_case(case))),
        "fields": fields,
        "text": " ".join([case["name"], case.get("why", ""), *accused, *fields.values()]).lower(),
        "cells": [_cell(grouped.get(name, []), name == first, case, name) for name in names],
    }


def _cell(found: list[Json], first: bool, case: Json, name: str) -> dict[str, Any]:
    speaker = cells.loudest(cell for cell in found if cell["state"] != "not tested")
    if speaker is None:
        return {
            "state": "none",
            "ratio": None,
            "text": "",
            "title": f"{name}: not part of this case",
            "first": False,
            "link": "",
        }
    ratio = cells.worst_times(found)
    bad = cells.mark(speaker["state"]) == "bad"
    worst = speaker.get("worst") or {}
    text = (
        (formatting.tiny(ratio) if ratio is not None and ratio > 1 else "✗")
        if bad
        else {"same": "="}.get(speaker["state"], "✓")
    )
    return {
        "state": speaker["state"],
        "ratio": max(ratio or 0.0, 1.001) if bad and speaker["state"] == "differs" else ratio,
        "first": first,
        "text": text,
        "link": f"{case['name']}.html#{name}/{cells.moment(case, speaker['tensor'], worst.get('time_s')):.3f}",
        "title": f"{case['name']}, {name}: {speaker['state']}"
        + (f", {formatting.times(ratio)} its limit" if ratio is not None else "")
        + (f". {speaker['sentence']}" if speaker["sentence"] else ""),
    }


def _stage(name: str, cases: list[Json]) -> dict[str, Any]:
    """One line of the table of stages: how many checks of a tensor hold, and the one nearest to its limit."""
    found = [
        cell
        for case in cases
        for _, cell in cells.of_case(case)
        if stages.TensorName.parse(cell["tensor"]).local == name
    ]
    numbered = [cell for cell in found if cells.times(cell) is not None]
    nearest = max(numbered, key=lambda cell: cells.times(cell) or 0.0, default=None)
    count = {state: sum(cell["state"] == state for cell in found) for state in ("same", "close")}
    bad = sum(cells.mark(cell["state"]) == "bad" for cell in found)
    return {
        "name": name,
        "checks": len(found),
        "same": count["same"],
        "close": count["close"],
        "failed": bad,
        "other": len(found) - count["same"] - count["close"] - bad,
        "nearest": f"{formatting.times(cells.times(nearest))} of {formatting.short(nearest['limit'])}"
        if nearest
        else "—",
    }


def _filters(cases: list[Json]) -> list[tuple[str, str, list[str]]]:
    """Field, label and values of each filter list that has a choice."""
    found = [
        ("profile", "profile", sorted({case.get("profile", "") for case in cases})),
        ("method", "F0 method", sorted({str(case.get("options", {}).get("f0_method", "")) for case in cases})),
        ("voice", "voice", sorted({str(case.get("voice", {}).get("kind", "")) for case in cases})),
    ]
    return [(field, label, values) for field, label, values in found if len(values) > 1]
