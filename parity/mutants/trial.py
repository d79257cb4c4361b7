"""One fault on trial: laid on rvc, judged on a golden, and what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from parity import cause, tolerance, verdict, waivers
from parity.candidates.rvc_torch import RvcTorch
from parity.mutants.fault import Fault
from parity.store import Case
from parity.verdict_schema import MODES

SUBTLE, FINE = 1000.0, 100.0  # isolated effects within so many times the limit


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
    effect: float | None  # the isolated error of the faulty stage, in times its limit
    needed: list[str] = field(default_factory=list)  # checks without which it, or its stage, would have passed
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """As out/mutants.json lists it."""
        return dict(vars(self))


def run(fault: Fault, case: Case, program: RvcTorch, limits: tolerance.Limits) -> Outcome:
    """Lay the fault, judge the case, and lift it again."""
    program.parts(case)
    with fault.lay(program, case):
        found = verdict.judge(case, program, limits, waivers.Waivers())
    give_reasons(case, found, program.guesses)
    accused = list(dict.fromkeys(stage.stage.name for stage in found.stages if stage.blame == "origin"))
    killed = found.state == "differs"
    fine = {fault.stage, *fault.also}
    blamed = bool(accused) and fault.stage in accused and set(accused) <= fine
    mine = [stage for stage in found.stages if stage.stage.name == fault.stage and stage.blame == "origin"]
    cause = str(mine[0].cause["name"]) if mine and mine[0].cause else "unknown"
    return Outcome(
        fault.name,
        fault.stage,
        case.name,
        killed,
        blamed,
        accused,
        cause,
        cause in fault.causes,
        cause != "unknown" and cause not in fault.causes,
        _effect(found, fault.stage),
        _needed(found, fault.stage) if killed else [],
    )


def give_reasons(case: Case, found: verdict.CaseVerdict, oracle: cause.Oracle) -> None:
    """Ask the oracle, now that the fault is lifted, for causes that nothing simpler gave."""
    for row in found.stages:
        if row.blame != "origin" or row.cause is None:
            continue
        failed = sorted((cell for cell in row.cells if cell.failed), key=lambda cell: cell.mode == "chained")
        mode, name = failed[0].mode, failed[0].tensor
        row.cause = cause.suggest(case, row.stage, row.prefix, name, found.traces[mode], mode, oracle)


def _effect(found: verdict.CaseVerdict, stage: str) -> float | None:
    times = [
        cell.times_limit
        for verdict_ in found.stages
        if verdict_.stage.name == stage
        for cell in verdict_.cells
        if cell.mode == "isolated" and cell.metric != "form" and cell.times_limit is not None
    ]
    return max(times, default=None)


def _needed(found: verdict.CaseVerdict, stage: str) -> list[str]:
    """The checks whose removal would have let this fault pass, or cleared its stage."""
    failed = [cell for cell in found.ledger.cells if cell.failed]
    mine = {name for row in found.stages if row.stage.name == stage for name in row.tensors}
    needed = []
    for check in checks():
        left = [cell for cell in failed if check not in (cell.metric, cell.mode)]
        if not left or (any(cell.tensor in mine for cell in failed) and not any(cell.tensor in mine for cell in left)):
            needed.append(check)
    return needed


def checks() -> list[str]:
    """Everything that can be removed from the judge: its metrics and its modes."""
    return ["form", "relative_rms", "worst_frame", "unequal", "steps", *MODES]


def accusations(case: Case, program: RvcTorch, limits: tolerance.Limits) -> list[str]:
    """Whom a run without any fault accuses; it ought to be nobody."""
    found = verdict.judge(case, program, limits, waivers.Waivers())
    return [f"{stage.prefix}{stage.stage.name}" for stage in found.stages if stage.blame != "clean"]


def summary(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """The counts of a catalogue: mutants, killed, blamed, caused, and the lists of survivors and idle checks."""
    found = list(outcomes)
    used = {check for outcome in found for check in outcome.needed}
    effects = [outcome.effect for outcome in found if outcome.effect is not None]
    fine: dict[str, int] = {}
    for outcome in found:
        fine.setdefault(outcome.stage, 0)
        if outcome.effect is not None and outcome.effect <= FINE:
            fine[outcome.stage] += 1
    return {
        "mutants": len(found),
        "killed": sum(o.killed for o in found),
        "blamed": sum(o.blamed for o in found),
        "caused": sum(o.right for o in found),
        "miscaused": sum(o.wrong for o in found),
        "subtle": sum(effect <= SUBTLE for effect in effects),
        "fine_by_stage": fine,
        "survivors": [o.name for o in found if not o.killed],
        "misblamed": [o.name for o in found if o.killed and not o.blamed],
        "wrong_causes": [o.name for o in found if o.wrong],
        "idle_checks": [check for check in checks() if check not in used],
    }
