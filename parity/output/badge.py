"""The verdict as a badge: the JSON that shields.io's endpoint badges read.

{"schemaVersion": 1, "label": "RVC parity", "message": "24 stages hold", "color": "brightgreen"}
"""

from collections.abc import Mapping
from typing import Any

from parity import stages
from parity.judge.states import Blame, CaseState, CellState, Tier
from parity.output.verdict_json import Json, cell_failed

LABEL = "RVC parity"
COLORS = {
    CaseState.PASS: "brightgreen",
    CaseState.PARTIAL: "yellow",
    CaseState.DIFFERS: "red",
    CaseState.NOTHING: "lightgrey",
}
_NAMED = 2  # stages that a message names; the rest are counted


def document(verdict: Mapping[str, Any]) -> Json:
    """The badge of a verdict.json document."""
    state = CaseState(verdict["state"])
    return {"schemaVersion": 1, "label": LABEL, "message": _message(verdict, state), "color": COLORS[state]}


def _message(verdict: Mapping[str, Any], state: CaseState) -> str:
    cells: dict[str, list[Mapping[str, Any]]] = {}
    origins: list[str] = []
    for case in verdict["cases"]:
        for stage in case["stages"]:
            cells.setdefault(stage["stage"], []).extend(stage["cells"])
            if stage["blame"] == Blame.ORIGIN and stage["stage"] not in origins:
                origins.append(stage["stage"])
    if state is CaseState.DIFFERS:
        rest = len(origins) - _NAMED
        named = ", ".join(origins[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
        message = f"{named} {'differs' if len(origins) == 1 else 'differ'}" if origins else "differs"
        return message + _although(verdict)
    hold = sum(
        any(not CellState(cell["state"]).untested for cell in row) and not any(map(cell_failed, row))
        for row in cells.values()
    )
    if state is CaseState.NOTHING:
        return "nothing compared"
    required = verdict.get("tier", {}).get("required", Tier.FLOAT32)
    tier = f" in {required}" if required != Tier.FLOAT32 else ""
    if state is CaseState.PARTIAL:
        how_far = "unfinished" if verdict.get("pending") else "partial"
        return f"{how_far}: {hold} of {len(stages.every())} stages hold{tier}"
    return (f"{hold} stages hold" if hold != 1 else "1 stage holds") + tier


def _although(verdict: Mapping[str, Any]) -> str:
    """What holds of a differing run nevertheless: the tier that every stage reaches, or its output."""
    reached = verdict.get("tier", {}).get("reached")
    if reached not in (None, Tier.NONE):
        return f"; all reach {reached}"
    return "; the output holds" if verdict.get("output_holds") else ""
