"""The judge's cells, gathered the way a page shows them. No state is changed or made here."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from parity.goldens import time_axes
from parity.judge.states import PASSING
from parity.stages import Scope, TensorName

Json = dict[str, Any]

# Which state speaks for a group of cells: the first of these that occurs.
LOUDEST = (
    "nan",
    "error",
    "missing",
    "shape",
    "dtype",
    "empty",
    "differs",
    "explained",
    "waived",
    "close",
    "same",
    "not tested",
)


def mark(state: str) -> str:
    """ "good", "bad" or "quiet": how a state looks."""
    return "good" if state in PASSING else "quiet" if state in ("not tested", "untested") else "bad"


def of_case(case: Json) -> Iterator[tuple[Json, Json]]:
    """Each (stage, cell) of a case in the order of the flow."""
    for stage in case["stages"]:
        for cell in stage["cells"]:
            yield stage, cell


def loudest(cells: Iterable[Json]) -> Json | None:
    """The cell that speaks for several: the worst state, and among those the farthest over its limit."""
    found = list(cells)
    if not found:
        return None
    return min(found, key=lambda cell: (LOUDEST.index(cell["state"]), -(times(cell) or 0.0)))


def times(cell: Json) -> float | None:
    """How many times its limit a cell is: infinite where nothing may differ but does, None without numbers."""
    if cell.get("times_limit") is not None:
        return float(cell["times_limit"])
    if cell["value"] is None or cell["limit"] is None:
        return None
    return math.inf if cell["value"] > cell["limit"] else 0.0


def worst_times(cells: Iterable[Json]) -> float | None:
    """The greatest multiple of a limit among cells, or None where no cell has one."""
    return max((known for cell in cells if (known := times(cell)) is not None), default=None)


def severity(case: Json) -> tuple[int, float]:
    """Sorting key of cases, worst first when reversed: unreadable, nothing compared, differing, passing."""
    order = {"unreadable": 3, "nothing": 3, "differs": 2, "pass": 1}[case["state"]]
    worst = worst_times(cell for _, cell in of_case(case))
    return order, worst if worst is not None else 0.0


def moment(case: Json, tensor: str, time: float | None) -> float:
    """Where on a page's time axis something lies: a block of a live stream counts its own time from its own start."""
    parsed = TensorName.parse(tensor)
    if parsed.scope is Scope.BLOCK:
        return time_axes.block_start(parsed.index, {"options": case.get("options", {})})
    return time or 0.0


def card(limits: list[Json], tensor: str, cell: Json) -> Json | None:
    """The tolerance card behind a cell: same tensor, mode and metric, and the same limit where several exist."""
    fitting = [
        limit
        for limit in limits
        if (limit["tensor"], limit["mode"], limit["metric"]) == (tensor, cell["mode"], cell["metric"])
    ]
    exact = [limit for limit in fitting if limit["limit"] == cell["limit"]]
    return next(iter(exact or fitting), None)
