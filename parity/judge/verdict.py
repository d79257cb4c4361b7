"""The verdict on one case and on a run: every expected cell judged, every stage blamed, and a sentence that sums up."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, CandidateError, NotOffered
from parity.errors import GoldenError, ParityError, UsageError
from parity.goldens.arrays import Tensors
from parity.goldens.store import Case
from parity.judge import blame, description, ledger, other_profiles
from parity.judge.blame import StageVerdict
from parity.judge.decisions import explanation, phase_wraps
from parity.judge.judgment import Absence, Judgment, ModeRun
from parity.judge.ledger import Cell, Ledger
from parity.judge.states import Blame, CaseState, CellState, Metric, Mode
from parity.judge.waivers import Waivers

EXIT_CODES = {CaseState.PASS: 0, CaseState.DIFFERS: 1, CaseState.NOTHING: 3}


@dataclass
class CaseVerdict:
    """The verdict on one case.

    Attributes:
        name: The name of the case.
        state: The result.
        sentence: The reason, for people; None where the case passes.
        ledger: The cells.
        stages: The judged stages, in flow order.
        first: The first differing stage: stage, tensor, mode, frame, time_s; None where nothing differs.
        traces: Mode → what the candidate made.
        unknown_names: Names that the candidate made and the stage table lacks.
        matches: Another profile under which the case would pass.
    """

    name: str
    state: CaseState
    sentence: str | None
    ledger: Ledger
    stages: list[StageVerdict] = field(default_factory=list)
    first: Mapping[str, Any] | None = None
    traces: dict[Mode, Tensors] = field(default_factory=dict)
    unknown_names: list[str] = field(default_factory=list)
    matches: str | None = None


def judge(judgment: Judgment) -> CaseVerdict:
    """Run the candidate of a judgment in both modes and judge what it made.

    Raises:
        GoldenError: The golden cannot be read.
        ValueError: The judgment has no candidate.
    """
    if judgment.candidate is None:
        raise ValueError("a judgment without a candidate can only judge tensors that exist already")
    judgment.isolated = run_isolated(judgment.case, judgment.candidate, judgment.only_stage)
    judgment.chained = run_chained(judgment.case, judgment.candidate)
    return judge_tensors(judgment)


def run_isolated(case: Case, program: Candidate, only_stage: str | None = None) -> ModeRun:
    """Run each stage on the golden's own inputs."""
    tensors: Tensors = {}
    absences: dict[str, Absence] = {}
    for stage, prefix in candidate.steps(case):
        if not is_wanted(stage, only_stage):
            continue
        names = [prefix + row.name for row in stage.makes]
        if not program.offers(stage):
            sentence = f"not tested: the candidate does not offer {stage.name} alone"
            absences |= dict.fromkeys(names, Absence(CellState.NOT_TESTED, sentence))
            continue
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
            continue
        tensors |= {name: value for name, value in fresh.items() if name in names}
    return ModeRun(tensors, absences)


def run_chained(case: Case, program: Candidate) -> ModeRun:
    """Run the whole conversion."""
    if not program.chains:
        sentence = "not tested: the candidate runs single stages only"
        return ModeRun(absence=Absence(CellState.NOT_TESTED, sentence))
    try:
        return ModeRun(program.run(case))
    except CandidateError as error:
        sentence = f"the whole conversion failed in {case.name} (chained): {error}"
        return ModeRun(error.partial, absence=Absence(CellState.ERROR, sentence))


def is_wanted(stage: stages.Stage, only_stage: str | None) -> bool:
    """Whether `--stage` means a stage: its name, or the part of its name before a dot."""
    return only_stage is None or stage.name == only_stage or stage.name.startswith(only_stage + ".")


def refuse_unknown(only_stage: str | None) -> None:
    """Raise UsageError where `--stage` means no stage at all."""
    if any(is_wanted(stage, only_stage) for stage in stages.every()):
        return
    names = [stage.name for stage in stages.every()]
    near = difflib.get_close_matches(str(only_stage), names, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise UsageError(f"there is no stage {only_stage!r}{hint}; the stages are {', '.join(names)}")


def has(case: Case, only_stage: str | None) -> bool:
    """Whether a case has a stage that `--stage` means."""
    return only_stage is None or any(is_wanted(stage, only_stage) for stage, _ in candidate.steps(case))


def judge_tensors(judgment: Judgment) -> CaseVerdict:
    """Judge what the candidate made; `judgment.isolated` and `judgment.chained` hold it already."""
    _fill_ledger(judgment)
    for mode in Mode:
        phase_wraps.explain(judgment, mode)
    explanation.explain_flips(judgment)
    case = judgment.case
    judgment.ledger.cells = [judgment.waivers.apply(case.name, cell) for cell in judgment.ledger.cells]
    verdicts = blame.blame_stages(judgment)
    for verdict in verdicts:
        if verdict.failed:
            description.describe(judgment, verdict)
    return _conclude(judgment, verdicts)


def match_profiles(judgment: Judgment, verdict: CaseVerdict) -> None:
    """Name another profile under which a differing case would pass, where there is one."""
    if verdict.state is not CaseState.DIFFERS or judgment.counterfactuals is None:
        return
    match = other_profiles.nearest(judgment, judgment.counterfactuals.convert)
    if match is not None:
        verdict.matches, verdict.sentence = match.profile, f"{match.sentence}: {verdict.sentence}"


def _fill_ledger(judgment: Judgment) -> None:
    """Enter every cell that the case must have."""
    case = judgment.case
    optional = set(ledger.optional_tensors(case))
    for name in [*ledger.expected_tensors(case), *sorted(optional)]:
        stage = stages.stage_of(name)
        if stage is None or not is_wanted(stage, judgment.only_stage):
            continue
        for mode in Mode:
            run = judgment.run(mode)
            if name in optional and name not in run.tensors:
                continue
            if absence := run.why_absent(name):
                cells = ledger.without_numbers(name, mode, absence.state, absence.sentence)
                judgment.ledger.enter(name, mode, cells, None)
            else:
                cells, numbers = ledger.judge_tensor(case, name, mode, run.tensors.get(name), judgment.limits)
                judgment.ledger.enter(name, mode, cells, numbers)


def _conclude(judgment: Judgment, verdicts: list[StageVerdict]) -> CaseVerdict:
    name, cells = judgment.case.name, judgment.ledger.cells
    traces = {mode: judgment.run(mode).tensors for mode in Mode}
    unknown = sorted(made for made in {*traces[Mode.ISOLATED], *traces[Mode.CHAINED]} if not stages.is_known(made))
    failed = [cell for cell in cells if cell.failed]
    if not failed:
        if judgment.ledger.counts()["compared"]:
            return CaseVerdict(name, CaseState.PASS, None, judgment.ledger, verdicts, None, traces, unknown)
        nothing = f"{name}: nothing was compared; the candidate offers no stage that this case has"
        return CaseVerdict(name, CaseState.NOTHING, nothing, judgment.ledger, verdicts, None, traces, unknown)
    cell = _first_failure(failed, verdicts)
    sentence = cell.sentence
    if unknown and cell.state is CellState.MISSING:
        sentence = f"{sentence}; it made {', '.join(unknown[:3])}, which the stage table does not know"
    return CaseVerdict(name, CaseState.DIFFERS, sentence, judgment.ledger, verdicts, _place(cell), traces, unknown)


def _first_failure(failed: list[Cell], verdicts: list[StageVerdict]) -> Cell:
    """The failed cell that sums a case up: of the first origin, isolated before chained, its form before its
    numbers."""
    accused = [stage for stage in verdicts if stage.blame is Blame.ORIGIN] or [s for s in verdicts if s.failed]
    own = [cell for cell in failed if accused and cell.tensor in accused[0].tensors] or failed
    modes = list(Mode)
    return min(own, key=lambda cell: (modes.index(cell.mode), cell.metric is not Metric.FORM))


def _place(cell: Cell) -> dict[str, Any]:
    stage = stages.stage_of(cell.tensor)
    return {
        "stage": stage.name if stage else cell.tensor,
        "tensor": cell.tensor,
        "mode": cell.mode.value,
        "frame": cell.worst.frame if cell.worst else None,
        "time_s": cell.worst.time_s if cell.worst else None,
    }


def unreadable(name: str, error: ParityError) -> CaseVerdict:
    """The verdict on a golden that cannot be opened."""
    return CaseVerdict(name, CaseState.UNREADABLE, f"{name} cannot be judged: {error}", Ledger(name))


def overall(verdicts: Iterable[CaseVerdict], waivers: Waivers, complete: bool) -> tuple[CaseState, int, str]:
    """The result of a run.

    Args:
        verdicts: The verdicts on its cases.
        waivers: The waivers of the run.
        complete: Whether all cases and stages were judged, so that a waiver that was not used is a failure.
    Returns:
        State, exit code and sentence.
    """
    cases = list(verdicts)
    totals = ledger.counts(cell for verdict in cases for cell in verdict.ledger.cells)
    differing = [verdict.name for verdict in cases if verdict.state in (CaseState.DIFFERS, CaseState.UNREADABLE)]
    complaints = waivers.complaints(complete)
    idle = [verdict.name for verdict in cases if verdict.state is CaseState.NOTHING]
    state = CaseState.DIFFERS
    if differing:
        sentence = f"{len(differing)} of {len(cases)} cases differ: {', '.join(differing[:5])}"
    elif complaints:
        sentence = complaints[0]
    elif not totals["compared"]:
        state, sentence = CaseState.NOTHING, "nothing was compared: no case has a stage that the candidate offers"
    elif idle:
        sentence = f"nothing was compared in {', '.join(idle)}, although other cases were"
    else:
        state, sentence = CaseState.PASS, f"all {totals['compared']} cells of {len(cases)} cases hold"
    return state, EXIT_CODES[state], sentence
