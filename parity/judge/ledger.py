"""The ledger: every cell (tensor × mode × metric) of a case that must be judged, with its result.

No cell is dropped. It is compared, waived with a reason, failed, marked as not tested because the candidate declares
that it lacks the stage, or marked as not provided because the candidate handed over other tensors only.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from parity import stages
from parity.goldens import reduction as reductions
from parity.goldens import time_axes
from parity.goldens.arrays import Array, Curve
from parity.goldens.store import Case
from parity.judge import metrics
from parity.judge.decisions.flip import Flip
from parity.judge.limits import Limit, Limits, network_f0
from parity.judge.metrics import Numbers, Worst
from parity.judge.states import CellState, Metric, Mode


@dataclass(frozen=True)
class Cell:
    """One check and its result.

    Attributes:
        tensor: The full name.
        mode: Whether the stage was run alone or within a conversion.
        metric: What was measured.
        state: The result.
        value: The measurement: the least limit that would pass. None where the form is wrong.
        limit: The largest value that passes.
        sentence: The state explained in a sentence, for the report; None where the state needs no explanation.
        worst: The element with the largest error.
        max_abs: The largest absolute error, in the tensor's unit.
        spread: The original's distance from itself by the same metric.
        flips: For a decision, the elements that differ, with their margins.
        waiver: The reason of the waiver that applies.
    """

    tensor: str
    mode: Mode
    metric: Metric
    state: CellState
    value: float | None = None
    limit: float | None = None
    sentence: str | None = None
    worst: Worst | None = None
    max_abs: float | None = None
    spread: float | None = None
    flips: tuple[Flip, ...] = ()
    waiver: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the cell makes its case differ."""
        return self.state.failed

    @property
    def times_limit(self) -> float | None:
        """value / limit; None where there is no number, infinite beyond a limit of 0."""
        if self.value is None or self.limit is None:
            return None
        return metrics.ratio(self.value, self.limit)

    def document(self) -> dict[str, Any]:
        """The cell as verdict.json holds it."""
        times = self.times_limit
        document: dict[str, Any] = {
            "tensor": self.tensor,
            "mode": self.mode.value,
            "metric": self.metric.value,
            "state": self.state.value,
            "value": None if self.value is None else metrics.number(self.value),
            "limit": self.limit,
            "times_limit": None if times is None else metrics.number(times),
            "sentence": self.sentence,
        }
        if self.metric is Metric.FORM:
            return document
        document |= {
            "max_abs": None if self.max_abs is None else metrics.number(self.max_abs),
            "worst": self.worst.document() if self.worst else None,
        }
        if self.spread and self.value is not None:
            document["times_spread"] = metrics.number(self.value / self.spread)
        if self.flips:
            document["flips"] = [dict(flip) for flip in self.flips]
        if self.waiver:
            document["waiver"] = self.waiver
        return document


@dataclass
class Ledger:
    """All cells of one case, in flow order.

    Attributes:
        case: The name of the case.
        cells: The cells.
        numbers: (mode, tensor) → the comparison behind the cells of a tensor.
    """

    case: str
    cells: list[Cell] = field(default_factory=list)
    numbers: dict[tuple[Mode, str], Numbers] = field(default_factory=dict)

    def enter(self, name: str, mode: Mode, cells: Iterable[Cell], numbers: Numbers | None) -> None:
        """Append the cells of one tensor and keep the comparison behind them."""
        self.cells += cells
        if numbers is not None:
            self.numbers[mode, name] = numbers

    def curve(self, mode: Mode, name: str) -> Curve:
        """The relative error of each frame of a tensor that was compared, float64 (T,)."""
        return self.numbers[mode, name].frames

    def counts(self) -> dict[str, int]:
        """See `counts`."""
        return counts(self.cells)

    def of(self, names: Iterable[str], mode: Mode | None = None) -> list[Cell]:
        """The cells of some tensors, in one mode or both."""
        wanted = set(names)
        return [cell for cell in self.cells if cell.tensor in wanted and mode in (None, cell.mode)]

    def any_failed(self, names: Iterable[str], mode: Mode) -> bool:
        """Whether any cell of some tensors failed in a mode."""
        return any(cell.failed for cell in self.of(names, mode))

    def put(self, fresh: Cell) -> None:
        """Replace the cell of the same tensor, mode and metric."""
        key = (fresh.tensor, fresh.mode, fresh.metric)
        self.cells = [fresh if (cell.tensor, cell.mode, cell.metric) == key else cell for cell in self.cells]


def counts(cells: Iterable[Cell]) -> dict[str, int]:
    """The number of cells by result: expected = compared + waived + not_tested; compared = passed + failed.

    Cells that are not provided count as not tested.
    """
    states = [cell.state for cell in cells]
    waived, untested = states.count(CellState.WAIVED), sum(state.untested for state in states)
    failed = sum(state.failed for state in states)
    return {
        "expected": len(states),
        "compared": len(states) - waived - untested,
        "passed": len(states) - waived - untested - failed,
        "failed": failed,
        "waived": waived,
        "not_tested": untested,
    }


def expected_tensors(case: Case) -> list[str]:
    """What a candidate must make, in flow order: what the stage table requires of this case, and all else it holds."""
    order = stages.names(stages.prefixes_of(case))
    required = set(stages.expected(case.facts)) - set(case.meta.get("absent", {}))
    held = {name for name in case if not stages.tensor(name).optional and _is_made(case, name)}
    return [name for name in order if name in required or name in held]


def optional_tensors(case: Case) -> list[str]:
    """The optional tensors of a golden: compared where a candidate makes them, never missing."""
    order = stages.names(stages.prefixes_of(case))
    return [name for name in order if name in case and stages.tensor(name).optional and _is_made(case, name)]


def _is_made(case: Case, name: str) -> bool:
    """Whether a golden holds a tensor as the output of a stage, and not only as what a stage recorded alone reads."""
    stage = stages.stage_of(name)
    return stage is not None and case.facts.has_stage(stage)


def judge_tensor(
    case: Case, name: str, mode: Mode, ours: Array | None, limits: Limits
) -> tuple[list[Cell], Numbers | None]:
    """Every cell of one tensor in one mode.

    Args:
        case: The golden.
        name: The full name of the tensor.
        mode: How the candidate made it.
        ours: The candidate's value; None where it made none.
        limits: The limits to apply.
    Returns:
        The cells, the form first, and the comparison; None where the form is wrong.
    """
    if name not in case:
        sentence = f"{name} is missing in the golden {case.name}, but this conversion must have it; record it again"
        return without_numbers(name, mode, CellState.MISSING, sentence), None
    golden = case[name]
    state, sentence = metrics.form(name, golden, ours)
    if state is CellState.SHAPE and ours is not None and (reduction := reductions.of(case.document, name)):
        whole = f"{golden.dtype}{list(reduction.shape)} (the golden holds a part of it)"
        sentence = f"{name} is {ours.dtype}{list(ours.shape)}, the original made {whole}"
    if state is not None or ours is None:
        return without_numbers(name, mode, state or CellState.MISSING, f"{sentence} ({case.name}, {mode})"), None
    numbers = metrics.compare(name, golden, ours, time_axes.axis(name, case.document, case))
    network = network_f0(case.options)
    cells = [Cell(name, mode, Metric.FORM, CellState.SAME)]
    for metric in metrics.metrics(name):
        limit = limits.find(name, mode, metric, network)
        value = numbers.values[metric]
        # Both are False for NaN. A decision that differs is first explained (parity/judge/decisions/explanation.py).
        passes = value == 0 or (metric is not Metric.UNEQUAL and value <= limit.limit)
        state = CellState.SAME if value == 0 else CellState.CLOSE if passes else CellState.DIFFERS
        cell = Cell(name, mode, metric, state, value, limit.limit, None, numbers.worst, numbers.max_abs, limit.spread)
        cells.append(cell if passes else replace(cell, sentence=_sentence(case, cell, limit, numbers.markers)))
    return cells, numbers


def without_numbers(name: str, mode: Mode, state: CellState, sentence: str) -> list[Cell]:
    """The cells of a tensor that could not be compared, all of one state."""
    return [Cell(name, mode, metric, state, sentence=sentence) for metric in (Metric.FORM, *metrics.metrics(name))]


_WHAT: Mapping[Metric, str] = {
    Metric.RELATIVE_RMS: "relative RMS",
    Metric.WORST_FRAME: "relative RMS in its worst frame",
    Metric.UNEQUAL: "unequal values",
    Metric.STEPS: "steps of int16",
}


def _times(factor: float) -> str:
    """Two significant digits without an exponent: 3.2, 32 or 3200."""
    if factor < 100:
        return f"{factor:.2g}"
    if not math.isfinite(factor):
        return "infinitely many"
    return f"{round(factor, 1 - int(math.log10(factor))):.0f}"


def _sentence(case: Case, cell: Cell, limit: Limit, markers: str) -> str:
    if markers:
        return f"{cell.tensor} differs in {case.name} ({cell.mode}): {markers}"
    value = cell.value if cell.value is not None else math.nan
    unit = stages.tensor(cell.tensor).unit
    text = (
        f"{cell.tensor} differs in {case.name} ({cell.mode}): needs {value:.3g} {_WHAT[cell.metric]}, "
        f"allowed {limit.limit:.3g}"
    )
    if limit.limit:
        text += f" ({_times(value / limit.limit)} times the limit)"
    if cell.worst is None:
        return text
    at = f"; worst at frame {cell.worst.frame}"
    if cell.worst.time_s is not None:
        at += f" ({cell.worst.time_s:.2f} s)"
    values = f"candidate {cell.worst.ours:.6g}, golden {cell.worst.golden:.6g}"
    return f"{text}{at}, {values}{'' if unit == '1' else ' ' + unit}"
