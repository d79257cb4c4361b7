"""The judge's cells, grouped as a page shows them. The states are those of the verdict; none is computed here."""

import math
from collections.abc import Iterable, Iterator

from parity.goldens import time_axes
from parity.stages import Scope, TensorName
from reports.data import states
from reports.data.load import Json
from reports.data.states import Mark


def mark(state: str) -> Mark:
    """The mark of a cell's state."""
    return states.CELLS[state].mark


def of_case(case: Json) -> Iterator[tuple[Json, Json]]:
    """Each (stage, cell) of a case in the order of the flow."""
    for stage in case["stages"]:
        for cell in stage["cells"]:
            yield stage, cell


def most_severe(cells: Iterable[Json]) -> Json | None:
    """The cell that represents several: the most severe state, and among equals the one farthest over its limit."""
    candidates = list(cells)
    if not candidates:
        return None
    return max(candidates, key=lambda cell: (states.CELLS[cell["state"]].severity, limit_multiple(cell) or 0.0))


def limit_multiple(cell: Json) -> float | None:
    """The value of a cell divided by its limit.

    Returns:
        Infinity where nothing may differ but something does, None where the cell has no numbers.
    """
    if cell.get("times_limit") is not None:
        return float(cell["times_limit"])
    if cell["value"] is None or cell["limit"] is None:
        return None
    return math.inf if cell["value"] > cell["limit"] else 0.0


def worst_multiple(cells: Iterable[Json]) -> float | None:
    """The greatest multiple of a limit among cells, or None where no cell has one."""
    return max((known for cell in cells if (known := limit_multiple(cell)) is not None), default=None)


def severity(case: Json) -> tuple[int, float]:
    """Sorting key of cases: the severity of the state, then the greatest multiple of a limit."""
    worst = worst_multiple(cell for _, cell in of_case(case))
    return states.CASES[case["state"]].severity, worst if worst is not None else 0.0


def page_time(case: Json, tensor: str, time: float | None) -> float:
    """Seconds on the time axis of a page. The times of a realtime block count from the start of the block."""
    parsed = TensorName.parse(tensor)
    if parsed.scope is Scope.BLOCK:
        return time_axes.block_start(parsed.index, {"options": case.get("options", {})})
    return time or 0.0


def tolerance_card(limits: list[Json], tensor: str, cell: Json) -> Json | None:
    """The entry of `limits` that belongs to a cell: same tensor, mode and metric, and the same limit if several do."""
    fitting = [
        limit
        for limit in limits
        if (limit["tensor"], limit["mode"], limit["metric"]) == (tensor, cell["mode"], cell["metric"])
    ]
    exact = [limit for limit in fitting if limit["limit"] == cell["limit"]]
    return next(iter(exact or fitting), None)
