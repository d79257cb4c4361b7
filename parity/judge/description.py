"""The description of a failed stage: the first frame beyond the limit, the error's shape in time, and its cause."""

from parity import stages
from parity.goldens import reduction as reductions
from parity.goldens import time_axes
from parity.goldens.store import Case
from parity.judge import metrics
from parity.judge.blame import StageVerdict
from parity.judge.diagnosis import causes, error_shape, location, realtime
from parity.judge.diagnosis.registry import Cause
from parity.judge.judgment import Judgment
from parity.judge.ledger import Ledger
from parity.judge.states import Blame, CellState, Metric, Mode, NotTried
from parity.stages import Scope, TensorKind, TensorName


def describe(judgment: Judgment, verdict: StageVerdict) -> None:
    """Complete the verdict on a failed stage.

    Its first failed tensor is described, in the isolated mode where that failed.
    """
    mode = Mode.ISOLATED if verdict.failed_in(Mode.ISOLATED) else Mode.CHAINED
    name = verdict.failed_in(mode)[0].tensor
    own = [
        cell.value
        for cell in verdict.cells
        if cell.mode is Mode.ISOLATED and cell.metric is Metric.RELATIVE_RMS and cell.value is not None
    ]
    verdict.own = metrics.number(max(own)) if own else None
    if (mode, name) in judgment.ledger.numbers and name in judgment.run(mode).tensors:
        _describe_error(judgment, verdict, mode, name)
    crashed = any(cell.state is CellState.ERROR for cell in verdict.failed_in(mode))
    if verdict.blame is Blame.ORIGIN and not crashed:  # the cause of a crash is its own message
        verdict.cause = _cause(judgment, verdict, mode, name)
        if verdict.cause["name"] == causes.UNKNOWN["name"] and (where := place(judgment, verdict, mode, name)):
            verdict.cause["sentence"] = f"{verdict.cause['sentence']}: {where}"


def _describe_error(judgment: Judgment, verdict: StageVerdict, mode: Mode, name: str) -> None:
    case, made = judgment.case, judgment.run(mode).tensors
    row, axis = stages.tensor(name), time_axes.axis(name, case.document, case)
    allowed = 0.0
    if row.kind is not TensorKind.DECISION:
        limit = judgment.limits.find(name, mode, Metric.WORST_FRAME, judgment.network_f0).limit
        allowed = limit * metrics.scale(row, case[name])
    verdict.first = metrics.first_above(row, case[name], made[name], allowed, axis)
    if reductions.of(case.document, name) is not None:
        return  # a reduced tensor's frames are not consecutive, so that the error has no shape in time
    if row.kind is TensorKind.DECISION:
        curve = location.unequal(made[name], case[name], row.time_axis)
        verdict.shape = (
            error_shape.shape(curve, _seams(case, name)) if len(curve) >= error_shape.FEWEST_FRAMES else None
        )
    else:
        verdict.shape = shape_over_blocks(judgment.ledger, mode, name) or error_shape.shape(
            judgment.ledger.curve(mode, name), _seams(case, name)
        )
    if row.kind is TensorKind.WAVE and mode is Mode.CHAINED:
        verdict.drift = error_shape.drift_cents(made, case, verdict.prefix)
        verdict.magnitude = metrics.number(error_shape.magnitude(made[name], case[name]))


def _cause(judgment: Judgment, verdict: StageVerdict, mode: Mode, name: str) -> Cause:
    case, made, networks = judgment.case, judgment.run(mode).tensors, judgment.counterfactuals
    if name in made and name in case:
        length = realtime.other_length(case, verdict.stage.name, made[name], case[name])
        if length is not None:
            return length
    place = case, verdict.stage, verdict.prefix, name, made, mode
    noise = rounding(judgment, mode, name)
    if networks is None:
        return causes.suggest(*place, noise=noise)
    cause = causes.suggest(*place, networks.guesses, noise)
    if cause["name"] == causes.UNKNOWN["name"] and networks.refused:
        cause = causes.suggest(*place, noise=noise)
    if cause["name"] == causes.UNKNOWN["name"] and NotTried.CAUSES in networks.not_tried:
        cause["sentence"] = f"{cause['sentence']}; {NotTried.CAUSES} were not tried without torch"
    return cause


def place(judgment: Judgment, verdict: StageVerdict, mode: Mode, name: str) -> str:
    """Where the error of a tensor lies, as a sentence; "" where there is no number."""
    case, made = judgment.case, judgment.run(mode).tensors
    if name not in made or name not in case or made[name].shape != case[name].shape:
        return ""
    parsed = TensorName.parse(name)
    cells = [cell for cell in judgment.ledger.cells if cell.mode is mode]
    same = {cell.tensor: TensorName.parse(cell.tensor) for cell in cells}
    every = {other for other in same.values() if other.unnumbered == parsed.unnumbered}
    failed = {same[cell.tensor] for cell in cells if cell.failed and same[cell.tensor] in every}
    return location.sentence(
        made[name],
        case[name],
        stages.tensor(name).axes,
        verdict.first,
        verdict.shape,
        location.parts(parsed, failed, every),
        reductions.of(case.document, name),
    )


def rounding(judgment: Judgment, mode: Mode, name: str) -> float:
    """The relative RMS up to which a difference of a tensor counts as rounding: its limit; 0 for integers."""
    if stages.tensor(name).kind in (TensorKind.DECISION, TensorKind.PCM):
        return 0.0
    return judgment.limits.find(name, mode, Metric.RELATIVE_RMS, judgment.network_f0).limit


def shape_over_blocks(ledger: Ledger, mode: Mode, name: str) -> dict[str, str] | None:
    """The shape of an error over all blocks of a stream; None for a file, or where no block differs from another."""
    parsed = TensorName.parse(name)
    if parsed.scope is not Scope.BLOCK:
        return None
    curves = [
        numbers.frames
        for (in_mode, other), numbers in ledger.numbers.items()
        if in_mode is mode and TensorName.parse(other).unnumbered == parsed.unnumbered
    ]
    return error_shape.over_blocks(curves)


def _seams(case: Case, name: str) -> list[int]:
    """The frames of a file's tensor at which segments meet."""
    if TensorName.parse(name).prefix or "segment.cuts" not in case:
        return []
    step = time_axes.step(name, case.document)
    frame = max(step or metrics.FRAME_SECONDS, metrics.FRAME_SECONDS)
    return [int(cut / stages.SR16 / frame) for cut in case["segment.cuts"]]
