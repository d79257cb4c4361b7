"""A trial: one fault is active in `rvc`, one golden is judged, and the verdict becomes an outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from parity import stages
from parity.errors import ParityError
from parity.goldens.store import Case
from parity.judge.blame import StageVerdict
from parity.judge.continuation import Allowance
from parity.judge.ledger import Cell
from parity.judge.limits import Limits
from parity.judge.states import Blame, CaseState, CellState, Metric, Mode, Tier
from parity.judge.tiers import tier_limits
from parity.judge.verdict import CaseVerdict
from parity.judge.waivers import Waivers
from parity.mutants.cached_stages import StageCache
from parity.mutants.clean_predictions import CleanPredictions
from parity.mutants.fault import Fault
from parity.mutants.patches import both, planted
from parity.runs.repeats.repetition import Repetition
from parity.runs.run import judge_case
from parity.rvc_bridge import counterfactual
from parity.rvc_bridge.rvc_torch import RvcTorch

FORM_STATES = (CellState.DTYPE, CellState.SHAPE, CellState.MISSING)  # the states that the check Metric.FORM gives
NOT_RECORDED = ("rms_in", "input_wav", "rms_out")  # tensors of a stream that no golden holds
NOTHING = both()  # the patch of a run without a fault
# Where the sentence of a failed stage holds one of these, the patch itself failed: it does not fit `rvc` any more.
PYTHON_ERRORS = ("AttributeError: ", "NameError: ", "TypeError: ", "ImportError: ")


@dataclass
class Outcome:
    """What the judge concluded from one fault; an entry of `outcomes` in out/mutants.json.

    Attributes:
        name: the fault.
        stage: its stage.
        case: the golden.
        killed: the verdict is "differs".
        blamed: the fault's stage is an origin, and no stage but it and `Fault.also` is.
        accused: the stages that are origins, in flow order.
        cause: the cause given for the fault's stage.
        right: the cause is one of `Fault.causes`.
        wrong: the cause is neither one of them nor "unknown".
        effect: the largest error of the fault's stage, in multiples of its limit; see `effect`.
        needed: checks without which the fault or its stage would have passed.
        seconds: duration.
        hidden: why the fault is not visible in the tier of the trial, in one sentence; None where it is. The stage of
            such a fault differs by no more than the originals in that precision are allowed to.
    """

    name: str
    stage: str
    case: str
    killed: bool
    blamed: bool
    accused: list[str]
    cause: str
    right: bool
    wrong: bool
    effect: float | None
    needed: list[str] = field(default_factory=list)
    seconds: float = 0.0
    hidden: str | None = None

    def document(self) -> dict[str, object]:
        """The JSON object."""
        return dict(vars(self))


def judge(
    case: Case, program: RvcTorch, limits: Limits, fault: Fault | None = None, cache: StageCache | None = None
) -> CaseVerdict:
    """Judge a case as `parity check --case` does, while a fault is active in the candidate alone.

    Args:
        case: the golden.
        program: `rvc`, which is the candidate and, with the fault paused, the judge's source of predictions.
        limits: the limits of the judgment.
        fault: the fault; None for `rvc` as it is.
        cache: results of slow stages that the fault does not touch; None computes every stage.
    """
    cache = StageCache() if cache is None else cache
    program.networks(case)  # loaded before the fault is active, so that a patch of a class does not change the loading
    if case.facts.blocks:
        program.stream(case)
    patch = fault.patch if fault is not None else NOTHING
    with planted(patch, program, case) as active, cache.trial(active):
        predictions = CleanPredictions(counterfactual.RvcCounterfactuals(case, program), active, cache)
        repetition = Repetition(program, limits)
        return judge_case(
            case, program, limits, Waivers(), allowance=Allowance(), repetition=repetition, predictions=predictions
        )


def run(fault: Fault, case: Case, program: RvcTorch, limits: Limits, cache: StageCache | None = None) -> Outcome:
    """What the judge concludes from a fault.

    Args:
        fault: the fault.
        case: a golden that `fits` it.
        program: `rvc`.
        limits: the limits of the judgment.
        cache: results of slow stages that the fault does not touch; None computes every stage.
    Raises:
        ParityError: the fault patches something that `rvc` no longer has.
    """
    case_verdict = judge(case, program, limits, fault, cache)
    refuse_outdated_patch(fault, case_verdict)
    accused = list(dict.fromkeys(row.stage.name for row in case_verdict.stages if row.blame is Blame.ORIGIN))
    killed = case_verdict.state is CaseState.DIFFERS
    of_stage = [row for row in case_verdict.stages if row.stage.name == fault.stage]
    cause = next((str(row.cause["name"]) for row in of_stage if row.blame is Blame.ORIGIN and row.cause), "unknown")
    return Outcome(
        fault.name,
        fault.stage,
        case.name,
        killed,
        blamed=fault.stage in accused and set(accused) <= {fault.stage, *fault.also},
        accused=accused,
        cause=cause,
        right=cause in fault.causes,
        wrong=cause != "unknown" and cause not in fault.causes,
        effect=effect(case, case_verdict, of_stage),
        needed=needed_checks(case_verdict, of_stage) if killed else [],
        hidden=hidden(of_stage, limits.tier),
    )


def hidden(rows: Sequence[StageVerdict], tier: Tier) -> str | None:
    """Why a fault is below the noise of a reduced precision; None where it is not, and in better tiers.

    A fault is visible where a cell of its stage, alone or in the conversion, is beyond its limit: five times what the
    originals in that precision differ by. The cells of other stages do not count, so that a fault is not called
    hidden because the judge blames another stage.

    Args:
        rows: the stage of the fault in every segment or block.
        tier: the tier whose limits apply.
    """
    cells = [cell for row in rows for cell in row.cells]
    if tier not in tier_limits.REDUCED or any(cell.failed for cell in cells):
        return None
    changed = [cell for cell in cells if cell.value and cell.limit]
    if not changed:
        return "its stage is equal to the golden or was not compared"
    cell = max(changed, key=lambda cell: cell.times_limit or 0.0)
    return (
        f"{cell.tensor} ({cell.mode}, {cell.metric}) is {cell.value:.2g} away, and the originals in {tier} are allowed "
        f"{cell.limit:.2g}"
    )


def refuse_outdated_patch(fault: Fault, case_verdict: CaseVerdict) -> None:
    """Refuse a verdict in which Python itself reports an error.

    A fault is a wrong computation. An AttributeError and the like would be detected and blamed without a comparison of
    numbers.

    Raises:
        ParityError: a stage failed by such an error.
    """
    for cell in case_verdict.ledger.cells:
        sentence = cell.sentence or ""
        if cell.state is CellState.ERROR and any(error in sentence for error in PYTHON_ERRORS):
            raise ParityError(
                f"the fault {fault.name} does not fit rvc any more ({sentence}); adapt it in parity/mutants/catalog"
            )


def effect(case: Case, case_verdict: CaseVerdict, rows: Sequence[StageVerdict]) -> float | None:
    """The largest error of a stage in multiples of its limit.

    The isolated cells count; the chained ones where no isolated cell fails. A decision or an integer has a limit of 0:
    its error is the number of bins, samples, neighbors or steps by which it differs, which is at least 1.

    Returns:
        None where the error is no number: a tensor is missing, has another form, or the stage failed.
    """
    for mode in Mode:
        cells = [cell for row in rows for cell in row.cells if cell.mode is mode]
        if any(cell.failed for cell in cells):
            multiples = [_multiple_of_limit(case, case_verdict, cell) for cell in cells if cell.metric != Metric.FORM]
            known = [value for value in multiples if value is not None]
            return max(known) if known and all(cell.state is not CellState.ERROR for cell in cells) else None
    return None


def _multiple_of_limit(case: Case, case_verdict: CaseVerdict, cell: Cell) -> float | None:
    if cell.value is None or cell.limit is None:
        return None
    if cell.limit:
        return cell.times_limit
    made = case_verdict.traces[cell.mode][cell.tensor].astype(np.int64)
    golden = case[cell.tensor].astype(np.int64)
    if cell.metric == Metric.STEPS:
        return float(np.abs(made - golden).max())
    if cell.tensor.endswith(".ids"):  # the difference of two ids is no distance; those that differ are counted
        return float((made != golden).sum())
    return float(np.abs(made - golden).sum())


def needed_checks(case_verdict: CaseVerdict, of_stage: Sequence[StageVerdict]) -> list[str]:
    """The checks that are necessary to judge the fault.

    Without such a check the whole case would pass, or the fault's stage would pass, or the first failed tensor of the
    stage would not be compared, so that a later one would be reported as the first.
    """
    failed = [cell for cell in case_verdict.ledger.cells if cell.failed]
    tensors = {name for row in of_stage for name in row.tensors}
    stage_failed = any(cell.tensor in tensors for cell in failed)
    first = next((unnumbered(cell.tensor) for cell in failed if cell.tensor in tensors), None)
    needed = []
    for check in checks():
        remaining = [
            cell
            for cell in failed
            if check not in (cell.metric, cell.mode, unnumbered(cell.tensor))
            and not (check == Metric.FORM and cell.state in FORM_STATES)
        ]
        if not remaining or check == first or (stage_failed and not any(cell.tensor in tensors for cell in remaining)):
            needed.append(check)
    return needed


def unnumbered(name: str) -> str:
    """The name of a tensor without the number of its segment or block, such as `flow.z` or `rt.flow.z`."""
    return stages.TensorName.parse(name).unnumbered


def checks() -> list[str]:
    """The names of all checks: the metrics, the modes, and the tensors that goldens hold."""
    offline = [row.name for stage in stages.offline() for row in stage.makes if not row.optional]
    realtime = [f"rt.{row.name}" for stage in stages.realtime() for row in stage.makes if row.name not in NOT_RECORDED]
    return [*(metric.value for metric in Metric), *(mode.value for mode in Mode), *offline, *realtime]


def accusations(
    case: Case, program: RvcTorch, limits: Limits, change: Fault | None = None, cache: StageCache | None = None
) -> list[str]:
    """The stages, with their prefix, that fail or are blamed in a run without a fault; there must be none.

    Args:
        case: a golden.
        program: `rvc`.
        limits: the limits of the judgment.
        change: a legitimate change that is active in the run; None for `rvc` as it is.
        cache: results of slow stages that the change does not touch; None computes every stage.
    """
    case_verdict = judge(case, program, limits, change, cache)
    accused = [row for row in case_verdict.stages if row.failed or row.blame in (Blame.ORIGIN, Blame.AMPLIFIES)]
    return [f"{row.prefix}{row.stage.name}" for row in accused]
