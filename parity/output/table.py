"""The table of stages and the closing lines that a run prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from parity import stages
from parity.judge.states import Blame, CaseState, CellState
from parity.output.verdict_json import case_failed, cell_failed

HEADINGS = ("stage", "cells", "same", "close", "differs", "nearest to its limit")
_NUMERIC_COLUMNS = (1, 2, 3, 4)
_FORM_STATES = ("missing", "shape", "dtype", "nan", "empty", "error")  # cell states without a measured number
_QUIET_BLAMES = (Blame.CLEAN, Blame.NOT_TESTED)  # blames that accuse no stage
_EXPLAINED_SHOWN = 5  # explained decisions that the closing lines list; the rest are counted


def stage_lines(verdict: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One line under HEADINGS for each stage, over all cases, in flow order.

    The last column is the cell with the largest ratio of value to limit, a failed one first.
    """
    by_stage: dict[str, list[Mapping[str, Any]]] = {}
    for case in verdict["cases"]:
        for stage in case["stages"]:
            by_stage.setdefault(stage["stage"], []).extend(stage["cells"])
    lines: list[tuple[str, ...]] = []
    order = [stage.name for stage in stages.every()]
    for name, cells in sorted(by_stage.items(), key=lambda item: order.index(item[0])):
        states = [cell["state"] for cell in cells]
        lines.append(
            (
                name,
                str(len(cells)),
                str(states.count("same")),
                str(states.count("close") + states.count("explained") + states.count("waived")),
                str(sum(map(cell_failed, cells))),
                _nearest_to_limit(cells),
            )
        )
    return lines


def _nearest_to_limit(cells: Sequence[Mapping[str, Any]]) -> str:
    formless = [cell for cell in cells if cell["state"] in _FORM_STATES]
    if formless:
        return f"{formless[0]['tensor']} {formless[0]['mode']}: {formless[0]['state']}"
    measured = [cell for cell in cells if cell["metric"] != "form" and cell["value"] is not None]
    if not measured:
        return str(cells[0]["state"]) if cells and CellState(cells[0]["state"]).untested else ""
    top = max(measured, key=lambda cell: (cell_failed(cell), cell["times_limit"] or 0))
    share = "" if top["times_limit"] is None else f"{100 * top['times_limit']:.3g} % of "
    return f"{top['tensor']} {top['mode']} {top['metric']} {share}{top['limit']:.2g}"


def text(verdict: Mapping[str, Any]) -> str:
    """The table of a verdict.json document for a terminal, columns aligned."""
    lines = [HEADINGS, *stage_lines(verdict)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.rjust(widths[i]) if i in _NUMERIC_COLUMNS else cell.ljust(widths[i]) for i, cell in enumerate(line)
        ).rstrip()
        for line in lines
    )


def closing(verdict: Mapping[str, Any]) -> str:
    """The lines below the table: the counts, each failed case with its sentence, explained decisions, the verdict."""
    counts = verdict["counts"]
    lines = [
        f"cells: {counts['expected']} expected = {counts['compared']} compared + {counts['waived']} waived + "
        f"{counts['not_tested']} not tested; {counts['failed']} failed"
    ]
    for names, case in _without_repetition(verdict["cases"]):
        if case_failed(case):
            lines += ["", f"{names}: {case['state']}"]
            lines += [f"  {case['sentence']}"] if case["sentence"] else []
            lines += [
                f"  {stage['prefix']}{stage['stage']}: {stage['blame']}{_cause(stage)}"
                for stage in case["stages"]
                if stage["blame"] in ("origin", "amplifies", "knife-edge")
            ]
            lines += [f"  reproduce: {case['reproduce']}"] if "reproduce" in case else []
    lines += [*_extra_tensors(verdict), *_explained_decisions(verdict), ""]
    return "\n".join([*lines, f"{verdict['state']}: {verdict['sentence']}"])


def _without_repetition(cases: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Cases with their names; cases that fail with one sentence and accuse no stage are one entry."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for case in cases:
        alike = case_failed(case) and not any(stage["blame"] not in _QUIET_BLAMES for stage in case["stages"])
        groups.setdefault(f"{case['state']}: {case.get('sentence')}" if alike else case["name"], []).append(case)
    return [
        (group[0]["name"] if len(group) == 1 else f"{group[0]['name']} and {len(group) - 1} more cases", group[0])
        for group in groups.values()
    ]


def _extra_tensors(verdict: Mapping[str, Any]) -> list[str]:
    """The sentences of cases that hold although the candidate handed over tensors that nobody asked for."""
    sentences = [
        f"  {case['name']}: {case['sentence']}"
        for case in verdict["cases"]
        if case["state"] in (CaseState.PASS, CaseState.PARTIAL) and "also handed over" in (case.get("sentence") or "")
    ]
    return ["", "tensors that were not asked for:", *sentences] if sentences else []


def _explained_decisions(verdict: Mapping[str, Any]) -> list[str]:
    """Decisions that differ within their margin, each with that margin: none passes without being reported."""
    sentences = [
        f"{case['name']} {cell['tensor']} ({cell['mode']}): {cell['flips'][0]['sentence']}"
        for case in verdict["cases"]
        for stage in case["stages"]
        for cell in stage["cells"]
        if cell["state"] == "explained" and cell.get("flips")
    ]
    if not sentences:
        return []
    unique = list(dict.fromkeys(sentences))
    rest = len(unique) - _EXPLAINED_SHOWN
    return [
        "",
        "decisions that differ because the golden lies on a decision boundary:",
        *(f"  {line}" for line in unique[:_EXPLAINED_SHOWN]),
        *([f"  … and {rest} more"] if rest > 0 else []),
    ]


def _cause(stage: Mapping[str, Any]) -> str:
    cause = stage.get("cause")
    return f", likely {cause['name']}: {cause['sentence']}" if cause and cause["name"] != "unknown" else ""
