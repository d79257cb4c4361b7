"""The table of stages and the closing lines that a run prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from parity import stages
from parity.judge.states import CellState, Tier
from parity.output import fault_summary, faults, recomputed
from parity.output.verdict_json import cell_failed

HEADINGS = ("stage", "cells", "same", "close", "differs", "tier", "nearest to its limit")
_NUMERIC_COLUMNS = (1, 2, 3, 4)
_FORM_STATES = ("missing", "shape", "dtype", "nan", "empty", "error")  # cell states without a measured number
_EXTRA_SHOWN = 10  # tensors that were not asked for that a line lists; the rest are counted
_EXPLAINED_SHOWN = 5  # explained decisions that the closing lines list; the rest are counted
_FACTOR_FROM = 10.0  # multiples of a limit from which the table shows a factor in place of a percentage
_CELL_DEFINITION = (
    "(a cell is one check of one tensor: isolated, the stage alone on the golden's inputs, or chained, within the "
    "complete conversion; a golden holds what the original computed)"
)


def stage_lines(verdict: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One line under HEADINGS for each stage, over all cases, in flow order.

    The last column is the cell with the largest ratio of value to limit, a failed one first.
    """
    by_stage: dict[str, list[Mapping[str, Any]]] = {}
    tiers: dict[str, list[str]] = {}
    for case in verdict["cases"]:
        for stage in case["stages"]:
            by_stage.setdefault(stage["stage"], []).extend(stage["cells"])
            tiers.setdefault(stage["stage"], []).extend([stage["tier"]] if "tier" in stage else [])
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
                str(recomputed.worst_tier(tiers[name])) if tiers[name] else "",
                _nearest_to_limit(cells),
            )
        )
    return lines


def _nearest_to_limit(cells: Sequence[Mapping[str, Any]]) -> str:
    formless = [cell for cell in cells if cell["state"] in _FORM_STATES]
    if formless:
        return f"{formless[0]['tensor']} {formless[0]['mode']}: {formless[0]['state']}"
    measured = [cell for cell in cells if cell["metric"] != "form" and None not in (cell["value"], cell["limit"])]
    if not measured:
        return str(cells[0]["state"]) if cells and CellState(cells[0]["state"]).untested else ""
    top = max(measured, key=lambda cell: (cell_failed(cell), cell["times_limit"] or 0))
    return f"{top['tensor']} {top['mode']} {top['metric']} {_share(top['times_limit'])}{top['limit']:.2g}"


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
    """The lines below the table: the counts, explained decisions, and the summary, which stands last."""
    counts = verdict["counts"]
    lines = [
        f"cells: {counts['expected']} expected = {counts['compared']} compared + {counts['waived']} waived + "
        f"{counts['not_tested']} not tested; {counts['failed']} failed",
        *([_CELL_DEFINITION] if counts["failed"] else []),
        *run_failures(verdict),
        *_extra_tensors(verdict),
        *_not_shown(verdict),
        *_explained_decisions(verdict),
        *_tier(verdict),
        *verdict.get("notes", ()),
        *_golden_set(verdict),
        "",
    ]
    return "\n".join([*lines, fault_summary.text(verdict)])


def _tier(verdict: Mapping[str, Any]) -> list[str]:
    """The tier that the run reaches, where that is not the one that passes."""
    tier = verdict.get("tier")
    if tier is None or tier["reached"] in (tier["required"], None):
        return []
    reached = "no tier: see docs/tiers.md" if tier["reached"] == Tier.NONE else str(tier["reached"])
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
    """Tensors that were handed over and are none of their case, whatever the state of the case."""
    lines = [f"  {case['name']}: {_listed(case['extra'])}" for case in verdict["cases"] if case.get("extra")]
    return ["", "tensors that were not asked for:", *lines] if lines else []


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _EXTRA_SHOWN
    return ", ".join(names[:_EXTRA_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _not_shown(verdict: Mapping[str, Any]) -> list[str]:
    """What the judged profiles cannot show, each with a golden of another profile that shows it."""
    rows = verdict["not_shown"]
    lines = [
        f"  {row['what']} ({row['stage']}): {row['because']}; {row['golden']} ({row['golden_profile']}) shows it"
        for row in rows
    ]
    return ["", f"what {' and '.join(rows[0]['profiles'])} cannot show:", *lines] if rows else []


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
