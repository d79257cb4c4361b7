"""After a failure: a failed stage, or a failed conversion whose stages are right alone, is called again."""

from parity.candidates import candidate
from parity.errors import ParityError
from parity.goldens.store import Case
from parity.judge.blame import StageVerdict
from parity.judge.diagnosis.causes import UNKNOWN
from parity.judge.states import Blame, Mode
from parity.judge.verdict import CaseVerdict
from parity.runs.repeat_findings import RepeatState, cause_of_calls, cause_of_later_calls
from parity.runs.repeats.program_calls import RepeatedCalls, names_of

MOST_CALLED_AGAIN = 3  # failed stages of a run that are called again


def repeat_failed(calls: RepeatedCalls, case: Case, judged: CaseVerdict) -> None:
    """Call again what failed in a case: up to three stages of a run, and one whole conversion.

    Args:
        calls: receives the findings.
        case: the golden.
        judged: its verdict; what a repeated call showed is added to the sentence and the cause of a stage.
    """
    for verdict in judged.stages:
        name, call = verdict.stage.name, _call_again
        if not verdict.failed_in(Mode.ISOLATED):
            if verdict.blame is not Blame.ORIGIN or not _was_right_alone(calls, verdict):
                continue
            call = _call_again_alone
        if len(calls.called_again) < MOST_CALLED_AGAIN:
            if name not in calls.called_again and call(calls, case, verdict):
                verdict.sentence = f"{verdict.sentence}; {calls.findings[-1].state}"
            calls.called_again.add(name)
    if not case.facts.isolated and not any(verdict.failed_in(Mode.ISOLATED) for verdict in judged.stages):
        _convert_again(calls, case, judged)


def _call_again(calls: RepeatedCalls, case: Case, judged: StageVerdict) -> bool:
    """Call a failed stage again, then once more after a restart; whether one of these answers is right."""
    stage, prefix, title = judged.stage, judged.prefix, judged.title
    failed = [cell.tensor for cell in judged.failed_in(Mode.ISOLATED)]  # optional tensors, too
    names, inputs = list({*names_of(case, stage, prefix), *failed}), candidate.inputs(case, stage, prefix)
    if calls.holds(case, names, Mode.ISOLATED, calls.run_stage(case, stage, prefix, inputs)):
        third = calls.holds(case, names, Mode.ISOLATED, calls.run_stage(case, stage, prefix, inputs))
        judged.cause = cause_of_calls(third)
        calls.report(
            RepeatState.SECOND_RIGHT,
            case,
            stage.name,
            f"{title} of {case.name} was wrong at the first call and right at the second, on the same inputs; is "
            "something prepared at the first call, or memory uninitialized?",
        )
        return True
    if calls.restart() and calls.holds(case, names, Mode.ISOLATED, calls.run_stage(case, stage, prefix, inputs)):
        calls.report(
            RepeatState.DEPENDS,
            case,
            stage.name,
            f"{title} of {case.name} is wrong after the calls before it and right in a program that was just "
            "started; what is kept between calls?",
        )
        return True
    return False


def _call_again_alone(calls: RepeatedCalls, case: Case, judged: StageVerdict) -> bool:
    """Call a stage twice that is wrong in a conversion and was right alone; whether it is wrong alone then."""
    stage, prefix = judged.stage, judged.prefix
    names, inputs = names_of(case, stage, prefix), candidate.inputs(case, stage, prefix)
    right = [calls.holds(case, names, Mode.ISOLATED, calls.run_stage(case, stage, prefix, inputs)) for _ in range(2)]
    if all(right):
        return False
    if any(right):
        judged.cause = cause_of_calls(third_right=False)
    elif judged.cause is None or judged.cause["name"] == UNKNOWN["name"]:
        judged.cause = cause_of_later_calls()
    calls.report(
        RepeatState.DEPENDS,
        case,
        stage.name,
        f"{judged.title} of {case.name} was right at the first call and wrong when it was called again, on the "
        "same inputs; what is kept between calls?",
    )
    return True


def _was_right_alone(calls: RepeatedCalls, judged: StageVerdict) -> bool:
    tried = [cell for cell in judged.cells if cell.mode is Mode.ISOLATED and not cell.state.untested]
    return bool(tried) and calls.program.offers(judged.stage)


def _convert_again(calls: RepeatedCalls, case: Case, judged: CaseVerdict) -> None:
    """Run a whole conversion again that failed although each of its stages is right alone; once in a run."""
    failed = [cell.tensor for cell in judged.ledger.cells if cell.failed and cell.mode is Mode.CHAINED]
    if not failed or "run" in calls.called_again or not calls.program.chains:
        return
    calls.called_again.add("run")
    calls.count += 1
    try:
        made = calls.program.run(case)
    except ParityError:
        return
    if calls.holds(case, list(dict.fromkeys(failed)), Mode.CHAINED, made):
        for row in judged.stages:
            if row.blame is Blame.ORIGIN:
                row.cause = cause_of_calls(third_right=False)
        calls.report(
            RepeatState.SECOND_RIGHT,
            case,
            "run",
            f"the whole conversion of {case.name} was wrong at the first call and right at the second; is "
            "something prepared at the first call, or memory uninitialized?",
        )
