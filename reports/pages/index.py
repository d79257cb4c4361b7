"""The index: cases × tensors, worst first, and totals that are the verdict's own."""

from collections.abc import Sequence
from dataclasses import dataclass

from parity import stages
from parity.judge.states import CaseState, CellState
from parity.output import faults, recomputed, table
from parity.output.verdict_json import state_text
from reports.data import cells, formatting, states
from reports.data.load import Json
from reports.data.states import Mark, Rendering
from reports.pages import headline

JUST_OVER = 1.001  # multiple of the limit that colors a failure without a number as over its limit


@dataclass(frozen=True)
class HeatCell:
    """One colored cell of a table.

    Attributes:
        state: a cell's state of the schema, or `states.NO_CELL`.
        ratio: the multiple of the limit that decides the color.
        text: content of the cell.
        title: tooltip.
        link: address of the page that explains the cell, "" for none.
        first: whether the case first diverges here.
    """

    state: str
    ratio: float | None
    text: str
    title: str
    link: str = ""
    first: bool = False


@dataclass(frozen=True)
class CaseRow:
    """One case of the table; `text` is what the text filter searches, `fields` are what the lists filter."""

    name: str
    state: str
    label: str
    rendering: Rendering
    tier: str
    origins: str
    headline: str
    worst: str
    fields: dict[str, str]
    text: str
    cells: list[HeatCell]


@dataclass(frozen=True)
class TensorLine:
    """How many checks of one tensor hold, over all cases, the tier of its stage, and the check nearest to its limit."""

    name: str
    checks: int
    same: int
    close: int
    failed: int
    other: int
    tier: str
    nearest: str


@dataclass(frozen=True)
class Filter:
    """A list on the index that filters cases by one field."""

    field: str
    label: str
    values: list[str]


@dataclass(frozen=True)
class FaultCard:
    """One fault of the candidate; `link` is the page of the shortest case that shows it, at that stage."""

    title: str
    lines: list[str]
    command: str
    link: str


@dataclass(frozen=True)
class IndexPage:
    """Everything that the template of the index needs; `untested` are the tensors that no case compared."""

    candidate: Json
    rendering: Rendering
    sentence: str
    columns: list[str]
    untested: list[str]
    started: str
    totals: list[tuple[str, int]]
    rows: list[CaseRow]
    filters: list[Filter]
    waivers: list[Json]
    failures: list[str]
    stages: list[TensorLine]
    faults: list[FaultCard]


def columns(verdict: Json) -> list[str]:
    """The tensors of a verdict without their prefixes, in the order of the flow."""
    order: list[str] = []
    for case in verdict["cases"]:
        place = -1
        for _, cell in cells.of_case(case):
            local = stages.TensorName.parse(cell["tensor"]).local
            if local in order:
                place = order.index(local)
            else:  # a tensor that earlier cases lack is inserted behind the one that it follows here
                place += 1
                order.insert(place, local)
    return order


def build(verdict: Json) -> IndexPage:
    """Collect the content of the index."""
    every = columns(verdict)
    tested = {
        stages.TensorName.parse(cell["tensor"]).local
        for case in verdict["cases"]
        for _, cell in cells.of_case(case)
        if not CellState(cell["state"]).untested
    }
    names = [name for name in every if name in tested] or every
    ordered = sorted(verdict["cases"], key=lambda case: (*(-key for key in cells.severity(case)), case["name"]))
    return IndexPage(
        candidate=verdict["candidate"],
        rendering=states.VERDICTS[verdict["state"]],
        sentence=". ".join(filter(None, [table.heading(verdict), *_output_note(verdict), verdict["sentence"]])),
        columns=names,
        untested=[name for name in every if name not in names],
        started=verdict["started"],
        totals=_totals(ordered, verdict["counts"]),
        rows=[_row(case, names) for case in ordered],
        filters=_filters(ordered),
        waivers=verdict["waivers"],
        failures=verdict["failures"],
        stages=[_tensor_line(name, ordered) for name in names],
        faults=[_fault_card(fault) for fault in faults.of(verdict)],
    )


def _output_note(verdict: Json) -> list[str]:
    """A sentence that the output of a differing run is within its limits, in a list; empty where it is not."""
    return [state_text(verdict)] if verdict.get("output_holds") else []


def _fault_card(fault: faults.Fault) -> FaultCard:
    example, title = fault.example, f"{fault.number}. {fault.title}"
    if example.cell is None:
        return FaultCard(title, [fault.error], fault.command, f"{example.case['name']}.html")
    place = example.cell.get("worst") or {}
    time = cells.page_time(dict(example.case), example.cell["tensor"], place.get("time_s"))
    local = stages.TensorName.parse(example.cell["tensor"]).local
    lines = [line for line in (fault.extent, fault.meaning, fault.error, fault.cause_text) if line]
    link = f"{example.case['name']}.html#{local}/{time:.3f}/{example.cell['mode']}"
    return FaultCard(title, [formatting.sentence(line) for line in lines], fault.command, link)


def _totals(cases: Sequence[Json], counts: Json) -> list[tuple[str, int]]:
    marks = [states.CASES[case["state"]].mark for case in cases]
    declined, partial = (
        sum(case["state"] == state for case in cases) for state in (CaseState.DECLINED, CaseState.PARTIAL)
    )
    return [
        ("cases", len(cases)),
        ("cases that pass", marks.count(Mark.GOOD)),
        ("cases that differ", marks.count(Mark.BAD)),
        *([("cases partly compared", partial)] if partial else []),
        *([("cases declined", declined)] if declined else []),
        ("checks expected", counts["expected"]),
        ("compared", counts["compared"]),
        ("passed", counts["passed"]),
        ("failed", counts["failed"]),
        ("waived", counts["waived"]),
        ("not tested", counts["not_tested"]),
    ]


def _row(case: Json, names: Sequence[str]) -> CaseRow:
    grouped: dict[str, list[Json]] = {}
    for _, cell in cells.of_case(case):
        grouped.setdefault(stages.TensorName.parse(cell["tensor"]).local, []).append(cell)
    origins = [stage["stage"] for stage in headline.origins(case)]
    first = stages.TensorName.parse(case["first"]["tensor"]).local if case["first"] else ""
    fields = _fields(case)
    return CaseRow(
        name=case["name"],
        state=case["state"],
        label=state_text(case),
        rendering=states.CASES[case["state"]],
        tier=case.get("tier", "—"),
        origins=headline.origin_names(case),
        headline=headline.headline(case),
        worst=formatting.multiple(headline.worst_multiple(case)),
        fields=fields,
        text=" ".join([case["name"], case.get("why", ""), case.get("tier", ""), *origins, *fields.values()]).lower(),
        cells=[_cell(grouped.get(name, []), name == first, case, name) for name in names],
    )


def _fields(case: Json) -> dict[str, str]:
    return {
        "profile": case.get("profile", ""),
        "method": str(case.get("options", {}).get("f0_method", "")),
        "voice": str(case.get("voice", {}).get("kind", "")),
    }


def _cell(own: Sequence[Json], first: bool, case: Json, name: str) -> HeatCell:
    worst = cells.most_severe(cell for cell in own if cell["state"] != states.NOT_TESTED)
    if worst is None:
        return HeatCell(states.NO_CELL, None, "", f"{name}: not part of this case")
    ratio = cells.worst_multiple(own)
    bad = cells.mark(worst["state"]) == Mark.BAD
    if bad:
        text = formatting.compact_multiple(ratio) if ratio is not None and ratio > 1 else "✗"
    else:
        text = "=" if worst["state"] == "same" else "✓"
    place = worst.get("worst") or {}
    time = cells.page_time(case, worst["tensor"], place.get("time_s"))
    multiple = f", {formatting.multiple(ratio)} its limit" if ratio is not None else ""
    sentence = f". {worst['sentence']}" if worst["sentence"] else ""
    return HeatCell(
        state=worst["state"],
        ratio=max(ratio or 0.0, JUST_OVER) if bad and worst["state"] == "differs" else ratio,
        text=text,
        title=f"{case['name']}, {name}: {worst['state']}{multiple}{sentence}",
        link=f"{case['name']}.html#{name}/{time:.3f}/{worst['mode']}",
        first=first,
    )


def _tensor_line(name: str, cases: Sequence[Json]) -> TensorLine:
    own = [
        cell
        for case in cases
        for _, cell in cells.of_case(case)
        if stages.TensorName.parse(cell["tensor"]).local == name
    ]
    numbered = [cell for cell in own if cells.limit_multiple(cell) is not None]
    nearest = max(numbered, key=lambda cell: cells.limit_multiple(cell) or 0.0, default=None)
    count = [cell["state"] for cell in own].count
    failed = sum(cells.mark(cell["state"]) == Mark.BAD for cell in own)
    return TensorLine(
        name=name,
        checks=len(own),
        same=count("same"),
        close=count("close"),
        failed=failed,
        other=len(own) - count("same") - count("close") - failed,
        tier=_tier(name, cases),
        nearest=f"{formatting.multiple(cells.limit_multiple(nearest))} of {formatting.number(nearest['limit'])}"
        if nearest
        else "—",
    )


def _tier(name: str, cases: Sequence[Json]) -> str:
    """The worst tier of the stages that make a tensor, over all cases; "—" where none was rated."""
    tiers = [
        stage["tier"]
        for case in cases
        for stage in case["stages"]
        if "tier" in stage and any(stages.TensorName.parse(cell["tensor"]).local == name for cell in stage["cells"])
    ]
    return str(recomputed.worst_tier(tiers)) if tiers else "—"


def _filters(cases: Sequence[Json]) -> list[Filter]:
    """The filter lists that offer a choice."""
    labels = {"profile": "profile", "method": "F0 method", "voice": "voice"}
    all_fields = [_fields(case) for case in cases]
    filters = [
        Filter(field, label, sorted({fields[field] for fields in all_fields})) for field, label in labels.items()
    ]
    return [one for one in filters if len(one.values) > 1]
