"""Several candidates side by side: cases × candidates and tensors × candidates, each cell with a link to its page."""

from collections.abc import Mapping
from dataclasses import dataclass

from parity.output.verdict_json import state_text
from reports.data import cells, formatting, states
from reports.data.load import Json
from reports.data.states import Mark, Rendering
from reports.pages import headline, index
from reports.pages.index import JUST_OVER, HeatCell, TensorLine


@dataclass(frozen=True)
class CandidateRow:
    """The totals of one candidate; `folder` holds its pages."""

    folder: str
    name: str
    version: str
    state: str
    tier: str
    rendering: Rendering
    sentence: str
    passed: int
    failed: int
    waived: int
    not_tested: int
    expected: int


@dataclass(frozen=True)
class MatrixLine:
    """A case or a tensor with one cell per candidate."""

    name: str
    cells: list[HeatCell]


@dataclass(frozen=True)
class MatrixPage:
    """Everything that the template of the comparison needs."""

    candidates: list[CandidateRow]
    cases: list[MatrixLine]
    stages: list[MatrixLine]


def build(verdicts: Mapping[str, Json]) -> MatrixPage:
    """Collect the content of the comparison; `verdicts` maps the folder of each candidate's pages to its verdict."""
    folders = list(verdicts)
    cases = {folder: {case["name"]: case for case in verdict["cases"]} for folder, verdict in verdicts.items()}
    names = sorted(
        {name for by_name in cases.values() for name in by_name},
        key=lambda name: (-max(_severity(cases[folder].get(name)) for folder in folders), name),
    )
    lines = {folder: {line.name: line for line in index.build(verdict).stages} for folder, verdict in verdicts.items()}
    columns = list(dict.fromkeys(name for by_name in lines.values() for name in by_name))
    return MatrixPage(
        candidates=[_candidate(folder, verdict) for folder, verdict in verdicts.items()],
        cases=[MatrixLine(name, [_case(cases[folder].get(name), folder) for folder in folders]) for name in names],
        stages=[
            MatrixLine(name, [_tensor(lines[folder].get(name), verdicts[folder], name) for folder in folders])
            for name in columns
        ],
    )


def _severity(case: Json | None) -> float:
    """One number that orders as `cells.severity` does; cases that were not judged come last."""
    if case is None:
        return -1.0
    state, worst = cells.severity(case)
    return state * 1e12 + min(worst, 1e11)


def _candidate(folder: str, verdict: Json) -> CandidateRow:
    counts = verdict["counts"]
    return CandidateRow(
        folder=folder,
        name=verdict["candidate"]["name"],
        version=verdict["candidate"]["version"],
        state=state_text(verdict),
        tier=verdict.get("tier", {}).get("reached") or "—",
        rendering=states.VERDICTS[verdict["state"]],
        sentence=verdict["sentence"],
        passed=counts["passed"],
        failed=counts["failed"],
        waived=counts["waived"],
        not_tested=counts["not_tested"],
        expected=counts["expected"],
    )


def _case(case: Json | None, folder: str) -> HeatCell:
    if case is None:
        return HeatCell(states.NO_CELL, None, "not judged", "this candidate was not judged on this case")
    rendering = states.CASES[case["state"]]
    link = f"{folder}/{case['name']}.html"
    title = f"{state_text(case)}: {case['sentence']}" if case["sentence"] else state_text(case)
    if rendering.mark == Mark.QUIET:
        return HeatCell(states.NO_CELL, None, rendering.label, title, link)
    ratio = cells.worst_multiple(cell for _, cell in cells.of_case(case))
    multiple = formatting.multiple(ratio)
    if rendering.mark == Mark.GOOD:
        return HeatCell("close", ratio, f"✓ {multiple}", title, link)
    text = f"✗ {headline.origin_names(case) or case['state']} {multiple}"
    text += "; its output holds" if case.get("output_holds") else ""
    return HeatCell("differs", max(ratio or 0.0, JUST_OVER), text, title, link)


def _tensor(line: TensorLine | None, verdict: Json, name: str) -> HeatCell:
    if line is None or line.checks == line.other:
        return HeatCell(states.NO_CELL, None, states.NOT_TESTED, f"{name}: not tested")
    own = [
        cell
        for case in verdict["cases"]
        for _, cell in cells.of_case(case)
        if cell["tensor"] == name or cell["tensor"].endswith(f".{name}")
    ]
    ratio = cells.worst_multiple(own)
    multiple = formatting.multiple(ratio)
    title = f"{name}: {line.failed} of {line.checks} checks fail"
    if line.failed:
        text = f"✗ {line.failed} of {line.checks}, {multiple}"
        return HeatCell("differs", max(ratio or 0.0, JUST_OVER), text, title)
    return HeatCell("close", ratio, f"✓ {multiple}", title)
