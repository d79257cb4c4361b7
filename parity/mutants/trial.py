"""One fault on trial: laid on rvc, judged on a golden, and what came of it."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity import stages
from parity.errors import ParityError
from parity.goldens.store import Case
from parity.judge import limits as tolerance
from parity.judge import verdict
from parity.judge.blame import StageVerdict
from parity.judge.diagnosis import causes as cause
from parity.judge.judgment import Judgment
from parity.judge.ledger import Cell
from parity.judge.states import Metric, Mode
from parity.mutants.cached_stages import Memory
from parity.mutants.fault import Fault
from parity.rvc_bridge.rvc_torch import RvcTorch

FORM = ("dtype", "shape", "missing")  # states of a cell whose tensor has another form
UNSEEN = ("rms_in", "input_wav", "rms_out")  # no original shows these, so that no golden holds them
METRICS = ("form", "relative_rms", "worst_frame", "unequal", "steps")


@dataclass
class Outcome:
    """What the judge made of one fault."""

    name: str
    stage: str
    case: str
    killed: bool
    blamed: bool
    accused: list[str]
    cause: str
    right: bool
    wrong: bool
    effect: float | None  # of the faulty stage, in times its limit: alone, or in the chain where alone is clean
    needed: list[str] = field(default_factory=list)  # checks without which it, or its stage, would have passed
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """As out/mutants.json lists it."""
        return dict(vars(self))


def run(fault: Fault, case: Case, program: RvcTorch, limits: tolerance.Limits, memory: Memory | None = None) -> Outcome:
    """Lay the fault, judge the case, and lift it again."""
    program.networks(case)
    with ExitStack() as stack:
        if memory is not None:
            stack.enter_context(memory.trial([fault.stage, *fault.also]))
        with fault.patch.apply(program, case):
            found = verdict.judge(Judgment(case, limits, candidate=program))
    refuse_misfit(fault, found)
    give_reasons(case, found, program.guesses)
    accused = list(dict.fromkeys(stage.stage.name for stage in found.stages if stage.blame == "origin"))
    killed = found.state == "differs"
    mine = [stage for stage in found.stages if stage.stage.name == fault.stage]
    named = next((str(row.cause["name"]) for row in mine if row.blame == "origin" and row.cause), "unknown")
    return Outcome(
        fault.name,
        fault.stage,
        case.name,
        killed,
        blamed=fault.stage in accused and set(accused) <= {fault.stage, *fault.also},
        accused=accused,
        cause=named,
        right=named in fault.causes,
        wrong=named != "unknown" and named not in fault.causes,
        effect=effect(case, found, mine),
        needed=_needed(found, mine) if killed else [],
    )


MISFITS = ("AttributeError: ", "NameError: ", "TypeError: ", "ImportError: ")


def refuse_misfit(fault: Fault, found: verdict.CaseVerdict) -> None:
    """A fault is a wrong computation; where Python itself complains, it patches what `rvc` no longer has.

    Raises ParityError: such a failure would be caught and blamed without the judge having compared a number.
    """
    for cell in found.ledger.cells:
        if cell.state == "error" and any(word in (cell.sentence or "") for word in MISFITS):
            raise ParityError(f"the fault {fault.name} does not fit rvc any more ({cell.sentence}); plant it anew")


def give_reasons(case: Case, found: verdict.CaseVerdict, oracle: cause.Oracle) -> None:
    """Ask the oracle, now that the fault is lifted, for causes that nothing simpler gave."""
    for row in found.stages:
        if row.blame != "origin" or row.cause is None:
            continue
        failed = sorted((cell for cell in row.cells if cell.failed), key=lambda cell: cell.mode == "chained")
        mode, name = failed[0].mode, failed[0].tensor
        row.cause = cause.suggest(case, row.stage, row.prefix, name, found.traces[mode], mode, oracle)


def effect(case: Case, found: verdict.CaseVerdict, rows: Sequence[StageVerdict]) -> float | None:
    """The worst cell of a stage in times its limit, alone, or in the chain where nothing fails alone.

    A decision or an integer has a limit of 0; there the effect is counted in bins, samples, rows or steps, the least
    that there can be. None where there is no number: a tensor that is missing or of another form.
    """
    for mode in Mode:
        cells = [cell for row in rows for cell in row.cells if cell.mode == mode]
        if any(cell.failed for cell in cells):
            times = [_times(case, found, cell) for cell in cells if cell.metric != "form"]
            known = [value for value in times if value is not None]
            return max(known) if known and all(cell.state != "error" for cell in cells) else None
    return None


def _times(case: Case, found: verdict.CaseVerdict, cell: Cell) -> float | None:
    if cell.value is None or cell.limit is None:
        return None
    if cell.limit:
        return cell.times_limit
    ours, golden = found.traces[cell.mode][cell.tensor].astype(np.int64), case[cell.tensor].astype(np.int64)
    if cell.metric == "steps":
        return float(np.abs(ours - golden).max())
    ids = cell.tensor.endswith(".ids")  # rows have no distance
    return float((ours != golden).sum() if ids else np.abs(ours - golden).sum())


def _needed(found: verdict.CaseVerdict, mine: Sequence[StageVerdict]) -> list[str]:
    """The checks whose removal would have let this fault pass, cleared its stage, or named a later tensor of it."""
    failed = [cell for cell in found.ledger.cells if cell.failed]
    tensors = {name for row in mine for name in row.tensors}
    here = any(cell.tensor in tensors for cell in failed)
    first = next((local(cell.tensor) for cell in failed if cell.tensor in tensors), None)
    needed = []
    for check in checks():
        left = [
            cell
            for cell in failed
            if check not in (cell.metric, cell.mode, local(cell.tensor))
            and not (check == "form" and cell.state in FORM)
        ]  # without it nothing sees another form
        if not left or check == first or (here and not any(cell.tensor in tensors for cell in left)):
            needed.append(check)
    return needed


def local(name: str) -> str:
    """A tensor without the number of its segment or block: `flow.z`, `rt.flow.z`."""
    return stages.TensorName.parse(name).unnumbered


def checks() -> list[str]:
    """Everything that can be removed from the judge: a metric, a mode, the look at one tensor."""
    offline = [row.name for stage in stages.offline() for row in stage.makes if not row.optional]
    live = [f"rt.{row.name}" for stage in stages.realtime() for row in stage.makes if row.name not in UNSEEN]
    return [*(metric.value for metric in Metric), *(mode.value for mode in Mode), *offline, *live]


def accusations(case: Case, program: RvcTorch, limits: tolerance.Limits) -> list[str]:
    """Whom a run without any fault accuses; it ought to be nobody."""
    found = verdict.judge(Judgment(case, limits, candidate=program))
    wrong = [row for row in found.stages if row.failed or row.blame in ("origin", "amplifies")]
    return [f"{row.prefix}{row.stage.name}" for row in wrong]
