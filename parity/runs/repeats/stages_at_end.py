"""At the end of a run: each stage of a case with other inputs, and then again with the golden's."""

import time
from collections.abc import Iterator

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Tensors
from parity.errors import GoldenError, ParityError
from parity.goldens.arrays import NamedArrays
from parity.goldens.store import Case
from parity.judge.candidate_runs import is_wanted
from parity.judge.states import Mode
from parity.runs.other_inputs import is_same, other_inputs
from parity.runs.repeat_findings import RepeatState, near
from parity.runs.repeats.program_calls import JudgedCase, RepeatedCalls, names_of
from parity.stages import Scope

LEAST_CALLS = 12  # calls of one stage that a run makes at least; a fault after ten calls is known from public programs


def repeat_stages(calls: RepeatedCalls, first: JudgedCase) -> None:
    """Each stage of a case with other inputs, and then again with the golden's."""
    case, perturbed, cheapest = first.case, set[str](), list[tuple[float, stages.Stage, str]]()
    for stage, prefix in _wanted(calls, case):
        names = [name for name in names_of(case, stage, prefix) if name in first.isolated]
        if not names:
            continue
        inputs = candidate.inputs(case, stage, prefix)
        if stage.name not in perturbed and not _is_first_block(case, prefix):
            perturbed.add(stage.name)
            _perturb(calls, first, stage, prefix, inputs, names)
        begin = time.monotonic()
        _compare_again(calls, first, stage, prefix, inputs, names)
        cheapest.append((time.monotonic() - begin, stage, prefix))
    if cheapest:
        _, stage, prefix = min(cheapest, key=lambda entry: entry[0])
        inputs, names = candidate.inputs(case, stage, prefix), names_of(case, stage, prefix)
        while calls.calls_of.get(stage.name, 0) < LEAST_CALLS:
            _compare_again(calls, first, stage, prefix, inputs, names)


def _wanted(calls: RepeatedCalls, case: Case) -> Iterator[tuple[stages.Stage, str]]:
    for stage, prefix in candidate.steps(case):
        if calls.program.offers(stage) and is_wanted(stage, calls.only_stage):
            yield stage, prefix


def _compare_again(
    calls: RepeatedCalls, first: JudgedCase, stage: stages.Stage, prefix: str, inputs: Tensors, names: list[str]
) -> None:
    """Call a stage again on the golden's inputs and compare with its first answer."""
    case = first.case
    again = calls.run_stage(case, stage, prefix, inputs)
    if again is not None and all(is_same(case, name, first.isolated, again) for name in names):
        return
    was_right = calls.holds(case, names, Mode.ISOLATED, first.isolated)
    title = f"{prefix}{stage.name}"
    if not was_right and calls.holds(case, names, Mode.ISOLATED, again):
        calls.report(
            RepeatState.SECOND_RIGHT,
            case,
            stage.name,
            f"{title} of {case.name} was wrong at its first call and is right at the end of the run, on the same "
            "inputs; is something prepared at the first call, or memory uninitialized?",
        )
        return
    calls.report(
        RepeatState.DEPENDS,
        case,
        stage.name,
        f"{title} of {case.name} {'fails' if again is None else 'differs'} at the end of the run from its first "
        "answer, on the same inputs; what is kept between calls, or drawn inside?",
    )


def _perturb(
    calls: RepeatedCalls, first: JudgedCase, stage: stages.Stage, prefix: str, inputs: Tensors, names: list[str]
) -> None:
    """Call a stage with other inputs and compare with the proven program's answers."""
    case, changed = first.case, other_inputs(stage, inputs)
    if all(np.array_equal(inputs[name], value) for name, value in changed.items()):
        return
    made, title = calls.run_stage(case, stage, prefix, changed), f"{prefix}{stage.name}"
    expected = _expected(calls, case, stage, prefix, changed, names, first)
    if expected is not None and all(is_same(case, name, first.isolated, expected) for name in names):
        return  # these inputs change nothing: the case is silent, or the stage has no effect in it
    if made is not None and all(is_same(case, name, first.isolated, made) for name in names):
        calls.report(
            RepeatState.STORED,
            case,
            stage.name,
            f"{title} gives the answer of {case.name} for other inputs too; is it stored under the name of the case?",
        )
        return
    if expected is None or _near(calls, case, names, made, expected):
        return
    if calls.restart() and _near(calls, case, names, calls.run_stage(case, stage, prefix, changed), expected):
        calls.report(
            RepeatState.DEPENDS,
            case,
            stage.name,
            f"{title} is wrong on other inputs after the calls for {case.name}, and right in a program that was "
            "just started; what is kept from the first call?",
        )
    elif calls.holds(case, names, Mode.ISOLATED, first.isolated):
        calls.report(
            RepeatState.OTHER_INPUTS,
            case,
            stage.name,
            f"{title} is right on the inputs of {case.name} and differs from rvc on other inputs of the same form; "
            "does it read all of them?",
        )


def _expected(
    calls: RepeatedCalls,
    case: Case,
    stage: stages.Stage,
    prefix: str,
    changed: Tensors,
    names: list[str],
    first: JudgedCase,
) -> Tensors | None:
    """The proven program's answer to other inputs; None where it cannot run the stage or misses the golden."""
    if calls.reference is None:
        return None
    try:
        program = calls.reference()
        right = program.run_stage(case, stage, prefix, candidate.inputs(case, stage, prefix))
        if not calls.holds(case, names, Mode.ISOLATED, right):
            calls.notes.append(f"rvc misses {stage.name} of {case.name} here; its other inputs were not compared")
            return None
        return program.run_stage(case, stage, prefix, changed)
    except GoldenError:
        raise
    except ParityError as error:
        calls.notes.append(f"{stage.name} was not compared on other inputs: {error}")
        return None
    except ImportError:
        calls.do_without_reference()
        return None


def _near(calls: RepeatedCalls, case: Case, names: list[str], made: Tensors | None, expected: NamedArrays) -> bool:
    """Whether an answer to other inputs is near the proven program's."""
    return made is not None and all(
        name in made and near(case, name, expected[name], made[name], calls.limits)
        for name in names
        if name in expected
    )


def _is_first_block(case: Case, prefix: str) -> bool:
    """Whether a prefix is that of a stream's first block, which has no state, while there are others."""
    return stages.scope_of(prefix) is Scope.BLOCK and stages.index_of(prefix) == 0 and case.facts.blocks > 1
