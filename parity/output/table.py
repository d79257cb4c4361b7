"""The table of stages and the closing lines of a verdict. `parity.output.screen` chooses what of them a run prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity import stages
from parity.judge.states import CellState, Tier
from parity.output import fault_summary, faults, recomputed
from parity.output.verdict_json import cell_failed

HEADINGS = ("stage", "cells", "same", "close", "differs", "tier", "nearest to its limit")
_NUMERIC_COLUMNS = (1, 2, 3, 4)
_FORM_STATES = ("missing", "shape", "dtype", "nan", "empty", "error")  # cell states without a measured number
_EXTRA_SHOWN = 10  # tensors not requested that a line lists; the rest are counted
_EXPLAINED_SHOWN = 5  # explained decisions that the closing lines list; the rest are counted
_NAMES_SHOWN = 5  # stages that the line of the untested ones lists; the rest are counted
_FACTOR_FROM = 10.0  # multiples of a limit from which the table shows a factor in place of a percentage
_CELL_DEFINITION = (
    "(a cell is one check of one tensor: isolated, the stage alone on the golden's inputs, or chained, within the "
    "complete conversion; a golden holds what the original computed)"
)


@dataclass(frozen=True)
class StageRow:
    """One stage over all cases.

    Attributes:
        name: the stage.
        line: its columns under HEADINGS.
        failed: how many of its cells failed.
        untested: whether no cell of it was compared.
    """

    name: str
    line: tuple[str, ...]
    failed: int
    untested: bool


def stage_rows(verdict: Mapping[str, Any]) -> list[StageRow]:
    """One row for each stage, over all cases, in flow order.

    The last column is the cell with the largest ratio of value to limit, a failed one first, and its case where the
    verdict has several.
    """
    by_stage: dict[str, list[_Placed]] = {}
    tiers: dict[str, list[str]] = {}
    several = len(verdict["cases"]) > 1
    for case in verdict["cases"]:
        for stage in case["stages"]:
            placed = [_Placed(cell, f" in {case['name']}" if several else "") for cell in stage["cells"]]
            by_stage.setdefault(stage["stage"], []).extend(placed)
            tiers.setdefault(stage["stage"], []).extend([stage["tier"]] if "tier" in stage else [])
    rows: list[StageRow] = []
    order = [stage.name for stage in stages.every()]
    for name, cells in sorted(by_stage.items(), key=lambda item: order.index(item[0])):
        states = [str(placed.cell["state"]) for placed in cells]
        failed = sum(cell_failed(placed.cell) for placed in cells)
        columns = (
            name,
            str(len(cells)),
            str(states.count("same")),
            str(states.count("close") + states.count("explained") + states.count("waived")),
            str(failed),
            str(recomputed.worst_tier(tiers[name])) if tiers[name] else "",
            _nearest_to_limit(cells),
        )
        rows.append(StageRow(name, columns, failed, all(CellState(state).untested for state in states)))
    return rows


def stage_lines(verdict: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The lines of `stage_rows` under HEADINGS."""
    return [row.line for row in stage_rows(verdict)]


@dataclass(frozen=True)
class _Placed:
    """A cell, and " in CASE" where the verdict has several cases."""

    cell: Mapping[str, Any]
    where: str


def _nearest_to_limit(cells: Sequence[_Placed]) -> str:
    formless = [placed for placed in cells if placed.cell["state"] in _FORM_STATES]
    if formless:
        cell = formless[0].cell
        return f"{cell['tensor']} {cell['mode']}: {cell['state']}{formless[0].where}"
    measured = [
        placed
        for placed in cells
        if placed.cell["metric"] != "form" and None not in (placed.cell["value"], placed.cell["limit"])
    ]
    if not measured:
        return str(cells[0].cell["state"]) if cells and CellState(cells[0].cell["state"]).untested else ""
    top = max(measured, key=lambda placed: (cell_failed(placed.cell), placed.cell["times_limit"] or 0))
    cell = top.cell
    share = _share(cell["times_limit"])
    return f"{cell['tensor']} {cell['mode']} {cell['metric']} {share}{cell['limit']:.2g}{top.where}"


def _share(times: float | None) -> str:
    """A multiple of a limit in front of the limit: "9.37 % of ", or "420 times " from _FACTOR_FROM on."""
    if times is None:
        return ""
    return f"{faults.factor_text(times)} " if times >= _FACTOR_FROM else f"{100 * times:.3g} % of "


def heading(verdict: Mapping[str, Any]) -> str:
    """The first line of the output: what the run was judged by, where that is not exactly what is pinned; else "".

    A changed golden, limit or waiver stands before every number that depends on it.
    """
    scope = verdict["scope"]
    drawn = f"against {scope['against']}, on drawn cases of the seed {scope['seed']}: no golden was judged"
    label = [drawn] if scope["against"] != "goldens" else []
    return "; ".join([*label, *verdict["manifest"]["altered"], *verdict["manifest"]["notes"]])


def text(verdict: Mapping[str, Any]) -> str:
    """The table of a verdict.json document for a terminal, columns aligned; the stages without a test are one line."""
    return "\n".join(lines(stage_rows(verdict)))


def lines(rows: Sequence[StageRow]) -> list[str]:
    """The heading and the lines of some stages, columns aligned; those without a test are one line, the last one."""
    shown = [HEADINGS, *(row.line for row in rows if not row.untested)]
    widths = [max(len(line[place]) for line in shown) for place in range(len(HEADINGS))]
    aligned = [
        "  ".join(
            cell.rjust(widths[i]) if i in _NUMERIC_COLUMNS else cell.ljust(widths[i]) for i, cell in enumerate(line)
        ).rstrip()
        for line in shown
    ]
    return [*aligned, *_untested([row.name for row in rows if row.untested])]


def _untested(names: Sequence[str]) -> list[str]:
    """The line of the stages of which no cell was compared."""
    if not names:
        return []
    rest = len(names) - _NAMES_SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    return [f"not tested: {fault_summary.plural(len(names), 'stage')} ({', '.join(names[:_NAMES_SHOWN])}{more})"]


@dataclass(frozen=True)
class Section:
    """A part of what stands below the table.

    Attributes:
        lines: the part in full.
        short: what it is, in a line that lists the parts that are not printed; "" where it is always printed.
    """

    lines: list[str]
    short: str = ""


def closing(verdict: Mapping[str, Any]) -> str:
    """The lines below the table: the counts, explained decisions, and the summary, which stands last."""
    parts = [line for section in sections(verdict) for line in section.lines]
    return "\n".join([*parts, "", fault_summary.text(verdict)])


def sections(verdict: Mapping[str, Any]) -> list[Section]:
    """The parts between the table and the summary, without empty ones."""
    counts = verdict["counts"]
    cells = (
        f"cells: {counts['expected']} expected = {counts['compared']} compared + {counts['waived']} waived + "
        f"{counts['not_tested']} not tested; {counts['failed']} failed"
    )
    extra = sum(len(case.get("extra", ())) for case in verdict["cases"])
    explained = len(explained_decisions(verdict))
    parts = [
        Section([cells]),
        Section([_CELL_DEFINITION] if counts["failed"] else [], "what a cell is"),
        Section(run_failures(verdict)),
        Section(_extra_tensors(verdict), f"tensors that were not requested ({extra})"),
        Section(not_shown(verdict), f"what the judged profiles cannot show ({len(verdict['not_shown'])})"),
        Section(_explained_decisions(verdict), f"decisions on a boundary ({explained})"),
        Section(_tier(verdict), "the tier that is reached"),
        Section(list(verdict.get("notes", ())), fault_summary.plural(len(verdict.get("notes", ())), "note")),
        Section(_not_tried(verdict), "what was not tried without torch"),
        Section(_golden_set(verdict), "the version of the goldens"),
    ]
    return [part for part in parts if part.lines]


def _not_tried(verdict: Mapping[str, Any]) -> list[str]:
    """What needs torch, which this installation lacks."""
    parts = [*verdict["cases"], verdict.get("repeats") or {}]
    names = sorted({what for part in parts for what in part.get("not_tried", ())})
    if not names:
        return []
    return [f"not tried without torch: {', '.join(names)}; python -m pip install 'rvc-parity[torch]' adds them"]


def remaining(verdict: Mapping[str, Any]) -> list[str]:
    """The tier, what was not tried without torch, and the version of the goldens, where each is to be stated."""
    return [line for part in (_tier(verdict), _not_tried(verdict), _golden_set(verdict)) for line in part if line]


def _tier(verdict: Mapping[str, Any]) -> list[str]:
    """The tier that the run reaches, where that is not the one that passes."""
    tier = verdict.get("tier")
    if tier is None or tier["reached"] in (tier["required"], None):
        return []
    reached = "no tier: see rvc-parity docs tiers" if tier["reached"] == Tier.NONE else str(tier["reached"])
    return ["", f"tier: {reached} (required: {tier['required']})"]


def _golden_set(verdict: Mapping[str, Any]) -> list[str]:
    """The line that states the version of the goldens; none for goldens of no set."""
    version = verdict["manifest"]["judged_by"]["golden_set"]
    return [] if version is None else [f"goldens: set {version}"]


def run_failures(verdict: Mapping[str, Any]) -> list[str]:
    """The failures of a run that belong to no cell: what is not pinned, waivers, declared calls, repeated calls."""
    sentences = [f"  {sentence}" for sentence in verdict["failures"]]
    return ["", "failures of the run as a whole:", *sentences] if sentences else []


def _extra_tensors(verdict: Mapping[str, Any]) -> list[str]:
    """Tensors that were returned and do not belong to their case, whatever the state of the case."""
    lines = [f"  {case['name']}: {_listed(case['extra'])}" for case in verdict["cases"] if case.get("extra")]
    return ["", "tensors that were not requested:", *lines] if lines else []


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _EXTRA_SHOWN
    return ", ".join(names[:_EXTRA_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def not_shown(verdict: Mapping[str, Any]) -> list[str]:
    """What the judged profiles cannot show, each with a golden of another profile that shows it."""
    rows = verdict["not_shown"]
    lines = [
        f"  {row['what']} ({row['stage']}): {row['because']}; {row['golden']} ({row['golden_profile']}) shows it"
        for row in rows
    ]
    return ["", f"what {' and '.join(rows[0]['profiles'])} cannot show:", *lines] if rows else []


def explained_decisions(verdict: Mapping[str, Any]) -> list[str]:
    """Decisions that differ within their margin, each with that margin: none passes without being reported."""
    sentences = [
        f"{case['name']} {cell['tensor']} ({cell['mode']}): {cell['flips'][0]['sentence']}"
        for case in verdict["cases"]
        for stage in case["stages"]
        for cell in stage["cells"]
        if cell["state"] == "explained" and cell.get("flips")
    ]
    return list(dict.fromkeys(sentences))


def _explained_decisions(verdict: Mapping[str, Any]) -> list[str]:
    sentences = explained_decisions(verdict)
    if not sentences:
        return []
    rest = len(sentences) - _EXPLAINED_SHOWN
    return [
        "",
        "decisions that differ because the golden lies on a decision boundary:",
        *(f"  {line}" for line in sentences[:_EXPLAINED_SHOWN]),
        *([f"  … and {rest} more"] if rest > 0 else []),
    ]
