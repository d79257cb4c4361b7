"""Several candidates side by side: cases × candidates and stages × candidates, each cell a door to its page."""

from typing import Any

from reports.data import cells, formatting
from reports.data.load import Json
from reports.pages import headline, index


def build(verdicts: dict[str, Json]) -> dict[str, Any]:
    """Everything the template of the comparison needs; `verdicts` by the name of each candidate's folder of pages."""
    names = list(verdicts)
    cases = {name: {case["name"]: case for case in verdict["cases"]} for name, verdict in verdicts.items()}
    every = sorted(
        {case for found in cases.values() for case in found},
        key=lambda case: (-max(_severity(cases[name].get(case)) for name in names), case),
    )
    tables = {
        name: {line["name"]: line for line in index.build(verdict)["stages"]} for name, verdict in verdicts.items()
    }
    columns: list[str] = list(dict.fromkeys(column for table in tables.values() for column in table))
    return {
        "candidates": [_candidate(name, verdicts[name]) for name in names],
        "cases": [{"name": case, "cells": [_case(cases[name].get(case), name) for name in names]} for case in every],
        "stages": [
            {"name": column, "cells": [_stage(tables[name].get(column), verdicts[name], column) for name in names]}
            for column in columns
        ],
    }


def _severity(case: Json | None) -> float:
    if case is None:
        return -1.0
    order, worst = cells.severity(case)
    return order * 1e12 + min(worst, 1e11)


def _candidate(name: str, verdict: Json) -> dict[str, Any]:
    counts = verdict["counts"]
    return {
        "folder": name,
        "name": verdict["candidate"]["name"],
        "version": verdict["candidate"]["version"],
        "state": verdict["state"],
        "mark": "good" if verdict["state"] == "pass" else "bad",
        "sentence": verdict["sentence"],
        "passed": counts["passed"],
        "failed": counts["failed"],
        "expected": counts["expected"],
        "not_tested": counts["not_tested"],
        "waived": counts["waived"],
    }


def _case(case: Json | None, folder: str) -> dict[str, Any]:
    if case is None:
        return {
            "ratio": None,
            "state": "none",
            "text": "not judged",
            "title": "this candidate was not judged on it",
            "link": "",
            "first": False,
        }
    ratio = cells.worst_times(cell for _, cell in cells.of_case(case))
    passed = case["state"] == "pass"
    origins = [stage["stage"] for stage in headline.origins(case)]
    accused = origins[0] + (f" and {len(origins) - 1} more" if origins[1:] else "") if origins else ""
    return {
        "ratio": ratio if passed else max(ratio or 0.0, 1.001),
        "state": "close" if passed else "differs",
        "first": False,
        "text": f"✓ {formatting.times(ratio)}" if passed else f"✗ {accused or case['state']} {formatting.times(ratio)}",
        "title": case["sentence"] or case["state"],
        "link": f"{folder}/{case['name']}.html",
    }


def _stage(line: dict[str, Any] | None, verdict: Json, column: str) -> dict[str, Any]:
    if line is None or line["checks"] == line["other"]:
        return {
            "ratio": None,
            "state": "none",
            "text": "not tested",
            "title": f"{column}: not tested",
            "link": "",
            "first": False,
        }
    found = [
        cell
        for case in verdict["cases"]
        for _, cell in cells.of_case(case)
        if cell["tensor"] == column or cell["tensor"].endswith(f".{column}")
    ]
    ratio = cells.worst_times(found)
    bad = line["failed"] > 0
    return {
        "ratio": max(ratio or 0.0, 1.001) if bad else ratio,
        "state": "differs" if bad else "close",
        "first": False,
        "text": f"✗ {line['failed']} of {line['checks']}, {formatting.times(ratio)}"
        if bad
        else f"✓ {formatting.times(ratio)}",
        "title": f"{column}: {line['failed']} of {line['checks']} checks fail",
        "link": "",
    }
