"""The calls of a candidate for one case: each stage alone, and the whole conversion; why a tensor was not made."""

from collections.abc import Callable, Iterable

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, CandidateError, NotOffered
from parity.errors import GoldenError, ParityError
from parity.goldens.arrays import NamedArrays, Tensors
from parity.goldens.store import Case
from parity.judge.judgment import Absence, Crash, ModeRun
from parity.judge.states import CellState
from parity.stages import Stage

WHOLE = "run"  # the key of the whole conversion in `ModeRun.failures`
NOT_PROVIDED_BY_RUN = "not provided: the whole conversion handed over other tensors, but not this one"


Observer = Callable[[str], None]  # called with the name of each stage, or WHOLE, before the candidate is


def unobserved(call: str) -> None:
    """An observer that does nothing."""


def run_isolated(
    case: Case, program: Candidate, only_stage: str | None = None, observe: Observer = unobserved
) -> ModeRun:
    """Run each stage on the golden's own inputs."""
    tensors: Tensors = {}
    absences: dict[str, Absence] = {}
    failures: dict[str, str] = {}
    extra: list[str] = []
    answered = False
    for stage, prefix in candidate.steps(case):
        if not is_wanted(stage, only_stage):
            continue
        names = [prefix + row.name for row in stage.makes]
        if not program.offers(stage):
            sentence = f"not tested: the candidate does not offer {stage.name} alone"
            absences |= dict.fromkeys(names, Absence(CellState.NOT_TESTED, sentence))
            continue
        observe(stage.name)
        try:
            fresh = program.run_stage(case, stage, prefix, candidate.inputs(case, stage, prefix))
        except GoldenError:
            raise
        except NotOffered as error:
            absences |= dict.fromkeys(names, Absence(CellState.NOT_TESTED, f"not tested: {error}"))
            continue
        except ParityError as error:
            sentence = f"{stage.name} failed in {case.name} (isolated): {error}"
            absences |= dict.fromkeys(names, Absence(CellState.ERROR, sentence))
            failures[stage.name] = reason_of(error)
            fresh = error.partial if isinstance(error, CandidateError) else {}
        else:
            answered = True
            if any(name in fresh for name in names):
                sentence = f"not provided: {stage.name} handed over other tensors, but not this one"
                absences |= {name: Absence(CellState.NOT_PROVIDED, sentence) for name in names if name not in fresh}
        tensors |= {name: case.as_stored(name, value) for name, value in fresh.items() if name in names}
        extra += extra_names(case, fresh)
    return ModeRun(tensors, absences, failures=failures, answered=answered, extra=tuple(extra))


def run_chained(case: Case, program: Candidate, isolated: ModeRun) -> ModeRun:
    """Run the whole conversion.

    Args:
        case: The golden.
        program: The candidate.
        isolated: What `run_isolated` returned; a stage that failed there is where a conversion ended.
    Returns:
        The run; without a tensor where the golden holds stages recorded alone and no conversion.
    """
    if case.facts.isolated:
        return ModeRun()
    if not program.chains:
        sentence = "not tested: the candidate runs single stages only"
        return ModeRun(absence=Absence(CellState.NOT_TESTED, sentence))
    try:
        made = program.run(case)
    except NotOffered as error:
        absence = Absence(CellState.NOT_TESTED, f"not tested: {error}")
        return ModeRun(error.partial, absence=absence, extra=extra_names(case, error.partial))
    except CandidateError as error:
        return _ended(case, error, isolated)
    return whole_run(case, made)


def whole_run(case: Case, made: Tensors) -> ModeRun:
    """The run of a conversion that ended without an error; what it did not hand over is not provided."""
    any_known = any(stages.is_known(name) and not stages.is_input(name) for name in made)
    absence = Absence(CellState.NOT_PROVIDED, NOT_PROVIDED_BY_RUN) if any_known else None
    return ModeRun(made, absence=absence, answered=True, extra=extra_names(case, made))


def _ended(case: Case, error: CandidateError, isolated: ModeRun) -> ModeRun:
    """The run of a conversion that failed: the stage where it ended has the error, later ones were not reached."""
    made = error.partial
    crash = _place(case, error.reason, made, isolated)
    sentence = f"the whole conversion failed in {case.name} (chained): {error}"
    if crash.stage is not None:
        failed = [crash.prefix + row.name for row in crash.stage.makes]
    else:
        failed = [prefix + row.name for stage, prefix in list(candidate.steps(case))[-1:] for row in stage.makes]
    not_reached = Absence(CellState.NOT_TESTED, "not tested: the whole conversion had ended before")
    return ModeRun(
        made,
        absences=dict.fromkeys(failed, Absence(CellState.ERROR, sentence)),
        absence=not_reached,
        failures={WHOLE: error.reason},
        extra=extra_names(case, made),
        crash=crash,
    )


def _place(case: Case, reason: str, made: NamedArrays, isolated: ModeRun) -> Crash:
    """Where a conversion ended: at a stage that fails alone too, else at the first one whose inputs were all made."""
    steps = list(candidate.steps(case))
    unmade = [(stage, prefix) for stage, prefix in steps if not _is_made(case, stage, prefix, made)]
    for stage, prefix in unmade:
        if stage.name in isolated.failures:
            return Crash(reason, stage, prefix)
    if any(stages.is_known(name) and not stages.is_input(name) for name in made):
        available = {*made, *candidate.input_tensors(case)}
        for stage, prefix in unmade:
            reads = stages.reads(stage, prefix, case)
            if reads and all(name in available for name in reads):
                return Crash(reason, stage, prefix)
    return Crash(reason)


def _is_made(case: Case, stage: Stage, prefix: str, made: NamedArrays) -> bool:
    """Whether a run made every tensor of a stage that the golden holds."""
    names = [prefix + row.name for row in stage.makes if not row.optional and prefix + row.name in case]
    return all(name in made for name in names)


def reason_of(error: ParityError) -> str:
    """The error without the operation in which it occurred."""
    return error.reason if isinstance(error, CandidateError) else str(error)


def extra_names(case: Case, made: Iterable[str]) -> tuple[str, ...]:
    """The names that the stage table does not have, or of a segment or block that the case does not have."""
    places = {"", *stages.prefixes_of(case)}
    return tuple(
        name for name in made if not stages.is_known(name) or stages.TensorName.parse(name).prefix not in places
    )


def common_failure(isolated: ModeRun, chained: ModeRun) -> str | None:
    """The reason for which every call failed, where at least two kinds of calls failed for the same one.

    Such a candidate is not set up: a library, a file or a device is missing. No stage is to blame for it.
    """
    reasons = [*isolated.failures.values(), *chained.failures.values()]
    if isolated.answered or chained.answered or len(reasons) < 2 or len(set(reasons)) != 1:
        return None
    return reasons[0]


def is_wanted(stage: Stage, only_stage: str | None) -> bool:
    """Whether `--stage` means a stage: names separated by commas, each a stage or the part of its name before a dot."""
    if only_stage is None:
        return True
    return any(stage.name == name or stage.name.startswith(name + ".") for name in wanted_names(only_stage))


def wanted_names(only_stage: str) -> list[str]:
    """The names in the text of `--stage`."""
    return [name.strip() for name in only_stage.split(",")]
