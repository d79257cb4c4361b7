"""The ledger: every cell (case × stage × mode × metric) that must be judged, and what became of it.

A cell is never dropped: it is compared, waived with a reason, failed, or marked as not tested because the candidate
has declared that it lacks the stage.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from parity import stages
from parity.goldens import time_axes
from parity.goldens.arrays import Array, Curve
from parity.goldens.store import Case
from parity.judge import limits as tolerance
from parity.judge import metrics as compare
from parity.judge.metrics import Numbers, Worst
from parity.judge.verdict_schema import PASSING

Tensors = Mapping[str, Array]


@dataclass(frozen=True)
class Cell:
    """One check and its outcome; `value` is the least limit that would have passed."""

    tensor: str
    mode: str
    metric: str
    state: str
    value: float | None = None
    limit: float | None = None
    sentence: str | None = None
    worst: Worst | None = None
    max_abs: float | None = None
    spread: float | None = None
    flips: tuple[Mapping[str, Any], ...] = ()
    waiver: str | None = None

    @property
    def failed(self) -> bool:
        """Whether this cell says no."""
        return self.state not in PASSING and self.state != "not tested"

    @property
    def times_limit(self) -> float | None:
        """How many times the limit was reached; None where there is no number, infinite beyond a limit of 0."""
        if self.value is None or self.limit is None:
            return None
        return compare.ratio(self.value, self.limit)

    def document(self) -> dict[str, Any]:
        """As verdict.json writes it."""
        times = self.times_limit
        found: dict[str, Any] = {
            "tensor": self.tensor,
            "mode": self.mode,
            "metric": self.metric,
            "state": self.state,
            "value": None if self.value is None else compare.number(self.value),
            "limit": self.limit,
            "times_limit": None if times is None else compare.number(times),
            "sentence": self.sentence,
        }
        if self.metric == "form":
            return found
        found |= {
            "max_abs": None if self.max_abs is None else compare.number(self.max_abs),
            "worst": self.worst.document() if self.worst else None,
        }
        if self.spread and self.value is not None:
            found["times_spread"] = compare.number(self.value / self.spread)
        found |= {"flips": [dict(flip) for flip in self.flips]} if self.flips else {}
        return found | ({"waiver": self.waiver} if self.waiver else {})


@dataclass
class Ledger:
    """All cells of one case, in flow order."""

    case: str
    cells: list[Cell] = field(default_factory=list)
    curves: dict[tuple[str, str], Curve] = field(default_factory=dict)  # (mode, tensor) → error of each frame
    numbers: dict[tuple[str, str], Numbers] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many cells were expected and what became of them."""
        return counts(self.cells)

    def of(self, names: Iterable[str], mode: str | None = None) -> list[Cell]:
        """The cells of some tensors."""
        wanted = set(names)
        return [cell for cell in self.cells if cell.tensor in wanted and mode in (None, cell.mode)]

    def put(self, fresh: Cell) -> None:
        """Replace the cell of the same tensor, mode and metric."""
        key = (fresh.tensor, fresh.mode, fresh.metric)
        self.cells = [fresh if (cell.tensor, cell.mode, cell.metric) == key else cell for cell in self.cells]


def counts(cells: Iterable[Cell]) -> dict[str, int]:
    """expected = compared + waived + not tested; compared = passed + failed."""
    states = [cell.state for cell in cells]
    waived, untested = states.count("waived"), states.count("not tested")
    failed = sum(cell_state not in PASSING and cell_state != "not tested" for cell_state in states)
    return {
        "expected": len(states),
        "compared": len(states) - waived - untested,
        "passed": len(states) - waived - untested - failed,
        "failed": failed,
        "waived": waived,
        "not_tested": untested,
    }


def expected_tensors(case: Case) -> list[str]:
    """What a candidate must make: all that the stage table asks of this case and all else that the golden has."""
    flow = stages.names(stages.prefixes_of(case))
    wanted = set(stages.expected(case.facts)) - set(case.meta.get("absent", {}))
    optional = {name for name in case if stages.tensor(name).optional}
    return [name for name in flow if name in wanted or (name in case and name not in optional)]


def optional_tensors(case: Case) -> list[str]:
    """What a golden has beyond the stage table's demands: judged where a candidate makes it, never missed."""
    flow = stages.names(stages.prefixes_of(case))
    return [name for name in flow if name in case and stages.tensor(name).optional]


def judge_tensor(
    case: Case, name: str, mode: str, ours: Array | None, limits: tolerance.Limits
) -> tuple[list[Cell], Numbers | None]:
    """Every cell of one tensor in one mode: its form first, then its numbers."""
    metrics = compare.metrics(name)
    if name not in case:
        sentence = f"{name} is missing in the golden {case.name}, but this conversion must have it; record it again"
        return [Cell(name, mode, metric, "missing", sentence=sentence) for metric in ("form", *metrics)], None
    golden = case[name]
    state, sentence = compare.form(name, golden, ours)
    if state or ours is None:
        sentence = f"{sentence} ({case.name}, {mode})"
        return [Cell(name, mode, metric, state, sentence=sentence) for metric in ("form", *metrics)], None
    numbers = compare.compare(name, golden, ours, time_axes.axis(name, case.document, case))
    network = tolerance.network_f0(case.options)
    found = [Cell(name, mode, "form", "same")]
    for metric in metrics:
        limit = limits.find(name, mode, metric, network)
        value = numbers.values[metric]
        good = value == 0 or value <= limit.limit  # NaN fails both
        state = "same" if value == 0 else "close" if good else "differs"
        cell = Cell(name, mode, metric, state, value, limit.limit, None, numbers.worst, numbers.max_abs, limit.spread)
        found.append(cell if good else replace(cell, sentence=_sentence(case, cell, limit)))
    return found, numbers


def untested(name: str, mode: str, why: str) -> list[Cell]:
    """Cells of a stage that the candidate has declared it does not have."""
    return [Cell(name, mode, metric, "not tested", sentence=why) for metric in ("form", *compare.metrics(name))]


def failed_call(name: str, mode: str, why: str) -> list[Cell]:
    """Cells of a stage that raised, crashed or hung."""
    return [Cell(name, mode, metric, "error", sentence=why) for metric in ("form", *compare.metrics(name))]


_WHAT = {
    "relative_rms": "relative RMS",
    "worst_frame": "relative RMS in its worst frame",
    "unequal": "unequal values",
    "steps": "steps of int16",
}


def _times(factor: float) -> str:
    """3.2, 32 or 3200: never an exponent, which a reader has to count out."""
    return (
        f"{factor:.2g}"
        if factor < 100
        else f"{round(factor, 1 - int(math.log10(factor))):.0f}"
        if (math.isfinite(factor))
        else "infinitely many"
    )


def _sentence(case: Case, cell: Cell, limit: tolerance.Limit) -> str:
    value = cell.value if cell.value is not None else math.nan
    unit = stages.tensor(cell.tensor).unit
    text = (
        f"{cell.tensor} differs in {case.name} ({cell.mode}): needs {value:.3g} {_WHAT[cell.metric]}, "
        f"allowed {limit.limit:.3g}"
    )
    if limit.spread:
        text += f"; your error is {_times(value / limit.spread)} times the original's own spread"
    if cell.worst is None:
        return text
    at = f"; worst at frame {cell.worst.frame}"
    if cell.worst.time_s is not None:
        at += f" ({cell.worst.time_s:.2f} s)"
    return f"{text}{at}, ours {cell.worst.ours:.6g}, golden {cell.worst.golden:.6g}{'' if unit == '1' else ' ' + unit}"
