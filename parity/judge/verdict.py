"""The verdict on one case and on a run: every expected cell judged, every stage blamed, and a sentence that sums up."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parity import stages
from parity.candidates import candidate
from parity.errors import ParityError, UsageError
from parity.goldens.arrays import Tensors
from parity.goldens.store import Case
from parity.judge import blame, continuation, description, ledger, other_profiles
from parity.judge.blame import StageVerdict
from parity.judge.candidate_runs import (
    WHOLE,
    Observer,
    common_failure,
    is_wanted,
    run_chained,
    run_isolated,
    unobserved,
    wanted_names,
)
from parity.judge.continuation import Allowance, Continuation
from parity.judge.decisions import explanation, phase_wraps
from parity.judge.judgment import Absence, Judgment, ModeRun
from parity.judge.ledger import Cell, Ledger
from parity.judge.states import Blame, CaseState, CellState, Metric, Mode, NotTried, Tier
from parity.judge.waivers import Waivers
from parity.stages import TensorName

EXIT_CODES = {CaseState.PASS: 0, CaseState.DIFFERS: 1, CaseState.NOTHING: 3, CaseState.PARTIAL: 4}
OUTPUTS = ("waveform.final", "out")  # local names of what a user gets, of a file and of a block of a stream
_LISTED = 5  # names that a sentence lists; the rest are counted


@dataclass(frozen=True)
class RunScope:
    """What a run judges.

    Attributes:
        modes: The modes that it can judge; two dumps show the chained one only.
        cases: The number of goldens that there are; None where all of them are judged.
        only_stage: The stage of `--stage`; None for all.
        against: What the candidate is compared with: "goldens", or "rvc" for drawn cases that no golden has.
        seed: The seed of the drawn cases; None for goldens.
        tier: The tier that passes.
    """

    modes: tuple[Mode, ...] = tuple(Mode)
    cases: int | None = None
    only_stage: str | None = None
    against: str = "goldens"
    seed: str | None = None
    tier: Tier = Tier.FLOAT32

    @property
    def complete(self) -> bool:
        """Whether all goldens and all stages are judged."""
        return self.cases is None and self.only_stage is None and self.against == "goldens"

    def document(self) -> dict[str, Any]:
        """The scope as verdict.json holds it."""
        return {
            "modes": [mode.value for mode in self.modes],
            "of_cases": self.cases,
            "stage": self.only_stage,
            "against": self.against,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        state: PASS, PARTIAL, DIFFERS or NOTHING.
        sentence: The reason, for people.
        failures: Failures that belong to no cell; the state is DIFFERS where there is one.
        scope: What the run judged.
        tier: The worst of the tiers of its cases; None where nothing was compared or rated.
        output_holds: Whether the output of every differing case is within its limits; None where no case differs, or
            an output was not compared.
    """

    state: CaseState
    sentence: str
    failures: tuple[str, ...]
    scope: RunScope
    tier: Tier | None = None
    output_holds: bool | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        return EXIT_CODES[self.state]


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
        extra_names: Names that the candidate handed over although they are no tensors of the case.
        setup_failed: Every call of the candidate failed for one reason.
        outside: The candidate declares that it does not support the case's profile.
        matches: Every other profile under which the case would pass, the nearest first.
        continuation: The origins of its chain; None where no chain was continued.
        not_tried: What needs networks and was left out, because torch or `rvc` is not installed.
        tier: The worst of the tiers of its stages; None where nothing was compared or rated.
    """

    name: str
    state: CaseState
    sentence: str | None
    ledger: Ledger
    stages: list[StageVerdict] = field(default_factory=list)
    first: Mapping[str, Any] | None = None
    traces: dict[Mode, Tensors] = field(default_factory=dict)
    extra_names: list[str] = field(default_factory=list)
    setup_failed: bool = False
    outside: bool = False
    matches: tuple[str, ...] = ()
    continuation: Continuation | None = None
    not_tried: list[NotTried] = field(default_factory=list)
    tier: Tier | None = None

    @property
    def output_holds(self) -> bool | None:
        """Whether what a user gets of the conversion is within its limits; None where that was not compared."""
        cells = [
            cell
            for cell in self.ledger.cells
            if cell.mode is Mode.CHAINED and TensorName.parse(cell.tensor).local in OUTPUTS and not cell.state.untested
        ]
        return not any(cell.failed for cell in cells) if cells else None


def judge(judgment: Judgment, observe: Observer = unobserved) -> CaseVerdict:
    """Run the candidate of a judgment in both modes and judge what it made.

    Args:
        judgment: The case and the candidate.
        observe: Called with the name of each stage, or "run", before the candidate is called.
    Raises:
        GoldenError: The golden cannot be read.
        ValueError: The judgment has no candidate.
    """
    if judgment.candidate is None:
        raise ValueError("a judgment without a candidate can only judge tensors that exist already")
    isolated = run_isolated(judgment.case, judgment.candidate, judgment.only_stage, observe)
    observe(WHOLE)
    chained = run_chained(judgment.case, judgment.candidate, isolated)
    if reason := common_failure(isolated, chained):
        return _judge_without_setup(judgment, reason)
    judgment.isolated, judgment.chained = isolated, chained
    return judge_tensors(judgment)


def _judge_without_setup(judgment: Judgment, reason: str) -> CaseVerdict:
    """The verdict on a candidate whose every call fails for one reason: no cell is tested, and no stage is blamed."""
    sentence = f"every call of the candidate failed: {reason}"
    judgment.isolated = judgment.chained = ModeRun(absence=Absence(CellState.NOT_TESTED, f"not tested: {sentence}"))
    verdict = judge_tensors(judgment)
    verdict.state, verdict.sentence, verdict.setup_failed = CaseState.DIFFERS, sentence, True
    return verdict


def refuse_unknown(only_stage: str | None) -> None:
    """Raise UsageError where a name of `--stage` means no stage at all."""
    names = [stage.name for stage in stages.every()]
    for wanted in [] if only_stage is None else wanted_names(only_stage):
        if not any(is_wanted(stage, wanted) for stage in stages.every()):
            near = difflib.get_close_matches(wanted, names, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise UsageError(f"there is no stage {wanted!r}{hint}; the stages are {', '.join(names)}")


def has(case: Case, only_stage: str | None) -> bool:
    """Whether a case has a stage that `--stage` means."""
    return only_stage is None or any(is_wanted(stage, only_stage) for stage, _ in candidate.steps(case))


def judge_tensors(judgment: Judgment) -> CaseVerdict:
    """Judge what the candidate made; `judgment.isolated` and `judgment.chained` hold it already."""
    compare(judgment)
    case = judgment.case
    judgment.ledger.cells = [judgment.waivers.apply(case.name, cell) for cell in judgment.ledger.cells]
    verdicts = blame.blame_stages(judgment)
    for verdict in verdicts:
        if verdict.failed:
            description.describe(judgment, verdict)
    return _conclude(judgment, verdicts)


def compare(judgment: Judgment) -> None:
    """Enter the cells of a judgment, with the decisions that are explained, before any waiver."""
    _fill_ledger(judgment)
    for mode in Mode:
        phase_wraps.explain(judgment, mode)
    explanation.explain_flips(judgment)


def match_profiles(judgment: Judgment, verdict: CaseVerdict) -> None:
    """Name another profile under which a differing case would pass, where there is one; list what was not tried."""
    if judgment.counterfactuals is None:
        return
    if verdict.state is CaseState.DIFFERS:
        match = other_profiles.matching(judgment, judgment.counterfactuals.convert)
        if match is not None:
            verdict.matches, verdict.sentence = match.profiles, f"{match.sentence}: {verdict.sentence}"
    verdict.not_tried = sorted(judgment.counterfactuals.not_tried)


def continue_chain(judgment: Judgment, verdict: CaseVerdict, allowance: Allowance | None = None) -> None:
    """Name every origin of a differing chain, with its share of the waveform's error.

    Args:
        judgment: The judgment of the case.
        verdict: Its result; gets the continuation, and stages that turn out to be origins.
        allowance: How many chains of the run are continued; None for no limit.
    """
    if verdict.state is not CaseState.DIFFERS or verdict.setup_failed or verdict.matches:
        return
    if allowance is not None and not allowance.take(verdict.stages):
        return
    inherited = {id(stage) for stage in verdict.stages if stage.blame is Blame.INHERITED}
    verdict.continuation = continuation.continue_chain(judgment, verdict.stages)
    for stage in verdict.stages:
        if id(stage) in inherited and stage.blame is Blame.ORIGIN:
            description.describe(judgment, stage)


def _fill_ledger(judgment: Judgment) -> None:
    """Enter every cell that the case must have."""
    case = judgment.case
    optional = set(ledger.optional_tensors(case))
    for name in [*ledger.expected_tensors(case), *sorted(optional)]:
        stage = stages.stage_of(name)
        if stage is None or not is_wanted(stage, judgment.only_stage):
            continue
        for mode in judgment.modes_of_case:
            run = judgment.run(mode)
            if name in optional and name not in run.tensors:
                continue
            absence = run.why_absent(name)
            if absence is not None and (name in case or absence.state is not CellState.NOT_PROVIDED):
                cells = ledger.without_numbers(name, mode, absence.state, absence.sentence)
                judgment.ledger.enter(name, mode, cells, None)
            else:
                cells, numbers = ledger.judge_tensor(case, name, mode, run.tensors.get(name), judgment.limits)
                judgment.ledger.enter(name, mode, cells, numbers)


def _conclude(judgment: Judgment, verdicts: list[StageVerdict]) -> CaseVerdict:
    entries = judgment.ledger
    result = CaseVerdict(judgment.case.name, CaseState.PASS, None, entries, verdicts)
    result.traces = {mode: judgment.run(mode).tensors for mode in Mode}
    result.extra_names = sorted({name for mode in Mode for name in judgment.run(mode).extra})
    failed = [cell for cell in entries.cells if cell.failed]
    extra = f"it also handed over {_listed(result.extra_names)}, which this case does not have"
    if failed:
        cell = _first_failure(failed, verdicts)
        result.state, result.first, result.sentence = CaseState.DIFFERS, _place(cell, verdicts), cell.sentence
        if result.extra_names and cell.state is CellState.MISSING:
            result.sentence = f"{cell.sentence}; {extra}"
        return result
    counts = entries.counts()
    if not counts["compared"] + counts["waived"]:
        result.state = CaseState.NOTHING
        result.sentence = f"{result.name}: nothing was compared; the candidate offers no stage that this case has"
        return result
    if (
        any(cell.state.untested and judgment.judges(cell.mode) for cell in entries.cells)
        or judgment.only_stage is not None
    ):
        result.state = CaseState.PARTIAL
        result.sentence = _partial_sentence(counts)
    if result.extra_names:
        result.sentence = f"{result.sentence}; {extra}" if result.sentence else extra
    return result


def _partial_sentence(counts: Mapping[str, int]) -> str:
    return f"{counts['compared'] + counts['waived']} of {counts['expected']} cells: partial; nothing failed"


def _listed(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _first_failure(failed: list[Cell], verdicts: list[StageVerdict]) -> Cell:
    """The failed cell that sums a case up: of the first origin, isolated before chained, its form before its
    numbers."""
    blamed = [stage for stage in verdicts if stage.blame is Blame.ORIGIN] or [s for s in verdicts if s.failed]
    own = [cell for cell in failed if blamed and cell.tensor in blamed[0].tensors] or failed
    modes = list(Mode)
    return min(own, key=lambda cell: (modes.index(cell.mode), cell.metric is not Metric.FORM))


def _place(cell: Cell, verdicts: list[StageVerdict]) -> dict[str, Any]:
    """Where a case first differs: the first frame of the failed tensor that is beyond the limit."""
    stage = stages.stage_of(cell.tensor)
    described = next((verdict for verdict in verdicts if cell.tensor in verdict.tensors), None)
    at = described.first if described is not None and described.first is not None else cell.worst
    return {
        "stage": stage.name if stage else cell.tensor,
        "tensor": cell.tensor,
        "mode": cell.mode.value,
        "frame": at.frame if at else None,
        "time_s": at.time_s if at else None,
    }


def unreadable(name: str, error: ParityError) -> CaseVerdict:
    """The verdict on a golden that cannot be opened."""
    return CaseVerdict(name, CaseState.UNREADABLE, f"{name} cannot be judged: {error}", Ledger(name))


def overall(
    verdicts: Iterable[CaseVerdict], waivers: Waivers, scope: RunScope, complaints: Sequence[str] = ()
) -> RunResult:
    """The result of a run.

    Args:
        verdicts: The verdicts on its cases.
        waivers: The waivers of the run. One that a complete run did not use is a failure.
        scope: What the run judges; only a complete run in which every cell was compared passes.
        complaints: Failures of the run that belong to no cell.
    """
    cases = list(verdicts)
    judged = [verdict for verdict in cases if not verdict.outside]
    totals = ledger.counts(cell for verdict in judged for cell in verdict.ledger.cells if cell.mode in scope.modes)
    differing = [verdict for verdict in cases if verdict.state in (CaseState.DIFFERS, CaseState.UNREADABLE)]
    failures = [*complaints, *waivers.complaints(scope.complete and scope.modes == tuple(Mode))]
    state = CaseState.DIFFERS
    if differing:
        sentence = _differing_sentence(differing, len(cases))
    elif failures:
        sentence = failures[0]
    elif not totals["compared"] + totals["waived"]:
        state, sentence = CaseState.NOTHING, "nothing was compared: no case has a stage that the candidate offers"
    elif not scope.complete or totals["not_tested"]:
        state, sentence = CaseState.PARTIAL, _partial_run_sentence(totals, len(cases), scope)
    else:
        state, sentence = CaseState.PASS, f"all {totals['compared']} cells of {_cases(len(judged))} hold"
        if len(judged) < len(cases):
            sentence += f"; {_cases(len(cases) - len(judged))} of profiles that the candidate does not declare"
    if scope.tier is not Tier.FLOAT32 and state in (CaseState.PASS, CaseState.PARTIAL):
        sentence += f" in the tier {scope.tier}"
    if scope.against != "goldens":
        sentence = f"against {scope.against}, and no golden was judged: {sentence}"
    tier = max(
        (verdict.tier for verdict in judged if verdict.tier is not None), key=lambda each: each.rank, default=None
    )
    return RunResult(state, sentence, tuple(failures), scope, tier, _output_holds(differing) if not failures else None)


def _output_holds(differing: Sequence[CaseVerdict]) -> bool | None:
    """Whether the output of every differing case is within its limits."""
    holds = [verdict.output_holds for verdict in differing]
    return None if not holds or None in holds else all(holds)


def _cases(count: int) -> str:
    """ "1 case", "3 cases"."""
    return f"{count} case" if count == 1 else f"{count} cases"


def _differing_sentence(differing: list[CaseVerdict], total: int) -> str:
    names = _listed([verdict.name for verdict in differing])
    differ = "differs" if len(differing) == 1 else "differ"
    sentences = {verdict.sentence for verdict in differing}
    if len(differing) > 1 and len(sentences) == 1:
        return f"{len(differing)} of {total} cases differ for one reason: {sentences.pop()}"
    return f"{len(differing)} of {_cases(total)} {differ}: {names}"


def _partial_run_sentence(totals: Mapping[str, int], cases: int, scope: RunScope) -> str:
    """The numbers of a partial run: "6 of 254 cells: partial; nothing failed"."""
    chosen = f" of the stage {scope.only_stage}" if scope.only_stage else ""
    if scope.cases is not None and scope.cases != cases:
        chosen += f" of {cases} of {scope.cases} cases"
    return f"{totals['compared'] + totals['waived']} of {totals['expected']} cells{chosen}: partial; nothing failed"
