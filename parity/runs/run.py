"""The run: one candidate judged on every golden, one case after another, and the files that report it."""

import copy
import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, DeclinedCase
from parity.errors import GoldenError
from parity.goldens import store
from parity.goldens.store import Case
from parity.judge import candidate_runs, verdict
from parity.judge.candidate_runs import Observer, unobserved
from parity.judge.continuation import Allowance
from parity.judge.judgment import Counterfactuals, Judgment
from parity.judge.limits import Limits, device_of, network_f0
from parity.judge.states import CaseState, CellState, Mode, Tier
from parity.judge.tiers import rating, tier_limits
from parity.judge.verdict import CaseVerdict
from parity.judge.waivers import Waivers
from parity.judge.waivers import load as load_waivers
from parity.output import files, verdict_json
from parity.output.verdict_json import Json
from parity.own_noise.statistical_mode import NumericPart, StatisticalMode, draws_own
from parity.runs import manifest, not_shown
from parity.runs.journal import Journal, program_files
from parity.runs.parallel import expected_duration
from parity.runs.parallel.goldens import AfterCase, Judging, ShareCores, all_cores, judge_in_parallel
from parity.runs.progress import Progress
from parity.runs.repeats.program_calls import Reference
from parity.runs.repeats.repetition import Repetition
from parity.runs.selection import Selection, select
from parity.rvc_bridge import counterfactual
from parity.voices import cache

SAVING_PAUSE = 20.0  # pause between two writings of verdict.json, as a multiple of the duration of one


@dataclass(frozen=True)
class RunOptions:
    """Options of a run beside the case and the stage.

    Attributes:
        profile: only cases of this profile; None for all.
        quick: only a small set of goldens that reaches every stage.
        resume: continue the unfinished run in the same folder.
        fail_fast: end after the first case that fails.
        names: only the cases of these names; None for all.
        repeats: repeat calls beside the judgment of the cases (`parity.runs.repeats`).
        reference: gives the proven program that answers to other inputs are compared with; None compares none.
        tier: the tier that passes; its limits apply unless others are given.
        jobs: how many processes judge goldens at once; 1 judges all in this one.
        make: makes the candidate in another process; picklable, needed for more than one job.
        share_cores: lets a process that is one of so many use its share of the cores; picklable.
    """

    profile: str | None = None
    quick: bool = False
    resume: bool = False
    fail_fast: bool = False
    names: tuple[str, ...] | None = None
    repeats: bool = False
    reference: Callable[[], Reference] | None = None
    tier: Tier = Tier.FLOAT32
    speed: Callable[[Sequence[Path]], Json] | None = None
    jobs: int = 1
    make: Callable[[], Candidate] | None = None
    share_cores: ShareCores = all_cores


def run(
    program: Candidate,
    goldens: Path,
    out: Path,
    only_case: str | None = None,
    only_stage: str | None = None,
    command: str = "rvc-parity run",
    waivers: Waivers | None = None,
    limits: Limits | None = None,
    options: RunOptions | None = None,
) -> Json:
    """Judge every golden below `goldens` and write the run's files into `out`, again after each case.

    Args:
        program: the candidate.
        goldens: a folder with one folder for each golden.
        out: receives verdict.json, junit.xml, summary.md and traces/.
        only_case: only cases whose name contains this text.
        only_stage: only this stage, or the stages whose name begins with it and a dot; several, separated by commas.
        command: the command line of this run, to which `reproduce` appends the case and the stage.
        waivers: known failures; those of parity/data/waivers.json unless given.
        limits: the limits to judge by; those of parity/data/spread.json unless given.
        options: which cases to select beside `only_case`, and whether to continue an unfinished run.
    Returns:
        the document of verdict.json.
    Raises:
        UsageError: there is no golden, no case of that name, no stage of that name, no case with that stage, or no
            unfinished run to resume.
    """
    options = options or RunOptions()
    own_noise = StatisticalMode(program) if draws_own(program) else None
    program = NumericPart(program) if own_noise is not None else program
    selection = Selection(only_case, only_stage, options.profile, options.quick, options.names)
    selected = select(goldens, selection)
    pinned = manifest.compare(store.cases(goldens), limits, waivers)
    limits = limits if limits is not None else tier_limits.load(options.tier, device=device_of(program.about))
    waivers = waivers if waivers is not None else load_waivers()
    available = len(store.cases(goldens)) + pinned.missing
    started, begin = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    journal = Journal(
        out, _identity(program, only_stage, pinned.judged_by.limits, waivers, options.tier), options.resume
    )
    judged: list[Judged] = []
    done: set[Path] = set()
    declared = DeclaredCalls()
    unsteady: list[str] = []  # cases that failed in another process, and hold in this one
    repetition = Repetition(program, limits, options.reference, only_stage) if options.repeats else None

    def left() -> list[Path]:
        """The goldens that are not judged yet."""
        return [folder for folder in selected.folders if folder not in done]

    def document(pending: Sequence[Path]) -> Json:
        """The document of the run as far as it has come."""
        narrow = not selected.complete or bool(pending)
        scope = verdict.RunScope(
            cases=available if narrow or pinned.missing else None, only_stage=only_stage, tier=options.tier
        )
        complaints = [*([] if narrow else declared.complaints()), *(repetition.complaints() if repetition else ())]
        complaints += own_noise.complaints() if own_noise is not None else []
        complaints += [
            f"{name} failed in one process and holds in another; what is kept between calls?" for name in unsteady
        ]
        verdicts = [each.verdict for each in judged]
        networks = {each.verdict.name: each.network_f0 for each in judged}
        return verdict_json.run_document(
            verdict.overall(verdicts, waivers, scope, [*pinned.altered, *complaints]),
            pinned.document(),
            repetition.document() if repetition is not None else None,
            [] if pending else _not_shown(program, judged, store.cases(goldens)),
            program.about,
            [each.document for each in judged],
            verdicts,
            verdict_json.limits_used(verdicts, limits, networks),
            waivers.document(),
            started,
            time.monotonic() - begin,
            pending=[folder.name for folder in pending],
            notes=[*selected.notes, *(own_noise.notes() if own_noise is not None else ())],
        )

    saved, allowance = Saved(out), Allowance()
    folders = list(selected.folders)
    jobs = min(options.jobs, len(folders)) if options.make is not None else 1
    elsewhere: set[str] = set()  # cases that failed in one of several processes
    try:
        with Progress({folder.name: expected_duration.of_folder(folder) for folder in folders}) as progress:
            if jobs > 1 and options.make is not None:
                judge_once = _JudgeOnce(limits, copy.deepcopy(waivers), only_stage, out, command)
                judging = Judging(judge_once, journal, partial(options.share_cores, jobs))
                unfinished = [folder for folder in folders if not (options.resume and journal.has(folder))]
                elsewhere = judge_in_parallel(
                    unfinished, judging, program, options.make, jobs, options.fail_fast, repetition, progress
                )
                if options.fail_fast and elsewhere:  # goldens that no process has judged yet are not judged
                    folders = [folder for folder in folders if folder.name in elsewhere or journal.has(folder)]
            for folder in folders:
                finished = journal.get(folder, waivers) if options.resume or jobs > 1 else None
                if finished is None:
                    progress.start(folder.name)
                    each = _judge_folder(
                        folder,
                        program,
                        limits,
                        waivers,
                        only_stage,
                        out,
                        command,
                        progress.stage,
                        repetition,
                        allowance,
                    )
                    journal.add(folder, each.verdict, each.document, each.network_f0)
                else:
                    each = Judged(*finished)
                if jobs == 1:  # else it is counted already
                    progress.finish(folder.name, reused=finished is not None)
                declared.count(program, each.verdict)
                if own_noise is not None and each.comparable:
                    own_noise.after_case(store.open_case(folder).check())
                judged.append(each)
                done.add(folder)
                if folder.name in elsewhere and not each.failed:
                    unsteady.append(each.verdict.name)
                is_new = finished is None if jobs == 1 else folder.name in elsewhere
                if options.fail_fast and each.failed and is_new:  # a resumed run goes on to the next that fails
                    break
                if saved.is_due():
                    saved.write(document(left()))
    except BaseException:  # Ctrl-C, a full disk, a mistake of the judge: what is finished is kept
        if not judged and jobs > 1:
            kept = {folder: journal.get(folder, waivers) for folder in selected.folders}
            judged += [Judged(*entry) for entry in kept.values() if entry is not None]
            done |= {folder for folder, entry in kept.items() if entry is not None}
        if judged:
            files.write(out, document(left()))
        raise
    pending = left()
    if repetition is not None and not pending:
        repetition.finish()
    run_document = document(pending)
    if options.speed is not None and not pending:
        run_document["speed"] = options.speed(selected.folders)
    files.write(out, run_document)
    if own_noise is not None:
        own_noise.write(out)
    if not pending:
        journal.close()
    return run_document


@dataclass(frozen=True)
class Judged:
    """One judged case: its verdict, its document, and whether its F0 comes from a network."""

    verdict: CaseVerdict
    document: Json
    network_f0: bool

    @property
    def comparable(self) -> bool:
        """Whether the golden could be read and the candidate takes it."""
        return self.verdict.state not in (CaseState.UNREADABLE, CaseState.DECLINED)

    @property
    def failed(self) -> bool:
        """Whether it makes the run fail."""
        return self.verdict.state in (CaseState.DIFFERS, CaseState.UNREADABLE)


@dataclass(frozen=True)
class _JudgeOnce:
    """Judges a golden without continuing chains after a failure, which depends on the failures before it."""

    limits: Limits
    waivers: Waivers
    only_stage: str | None
    out: Path
    command: str

    def __call__(self, folder: Path, program: Candidate, observe: Observer, after: AfterCase | None) -> Judged:
        settings = (self.limits, self.waivers, self.only_stage, self.out, self.command)
        return _judge_folder(folder, program, *settings, observe, after, Allowance(most=0))


def _not_shown(program: Candidate, judged: Sequence[Judged], folders: Sequence[Path]) -> list[Json]:
    """What the profiles of the judged cases cannot show of the stages that the candidate has."""
    metas = [each.document for each in judged if not each.verdict.outside and "profile" in each.document]
    offered = {stage.name for stage in stages.every() if program.chains or program.offers(stage)}
    return not_shown.of_run(metas, folders, offered.__contains__)


class Saved:
    """Writes verdict.json while a run goes on, so often that writing takes at most a small share of the time."""

    def __init__(self, out: Path) -> None:
        self._out, self._next = out, 0.0

    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() >= self._next

    def write(self, document: Json) -> None:
        """Write the files of the run."""
        begin = time.monotonic()
        files.write(self._out, document)
        end = time.monotonic()
        self._next = end + SAVING_PAUSE * (end - begin)


def _identity(program: Candidate, only_stage: str | None, limits: str, waivers: Waivers, tier: Tier) -> Json:
    """What an unfinished run must have in common with the run that continues it; `limits` is their digest."""
    return {
        "candidate": dict(program.about),
        "program": program_files(program.about.get("command")),
        "choice of stages": only_stage,
        "set of limits": limits,
        "required tier": tier,
        "list of waivers": waivers.rows,
    }


class DeclaredCalls:
    """The calls that a candidate declares, and whether any case had one: a call that every case lacks is a failure."""

    def __init__(self) -> None:
        self._present: dict[str, bool] = {}  # stage, or "run" → whether any case has it
        self._cases: dict[str, int] = {}

    def count(self, program: Candidate, judged: CaseVerdict) -> None:
        """Count the calls of one judged case."""
        if judged.state in (CaseState.UNREADABLE, CaseState.DECLINED) or judged.setup_failed:
            return
        lacking: dict[str, bool] = {}
        for stage in judged.stages:
            cells = [cell for cell in stage.cells if cell.mode is Mode.ISOLATED]
            if cells and program.offers(stage.stage):
                absent = all(cell.state is CellState.NOT_TESTED for cell in cells)
                lacking[stage.stage.name] = lacking.get(stage.stage.name, True) and absent
        chained = [cell for cell in judged.ledger.cells if cell.mode is Mode.CHAINED]
        if chained and program.chains and not draws_own(program):  # a waveform alone has no numerical cell then
            lacking[candidate_runs.WHOLE] = all(cell.state is CellState.NOT_TESTED for cell in chained)
        for call, absent in lacking.items():
            self._present[call] = self._present.get(call, False) or not absent
            self._cases[call] = self._cases.get(call, 0) + 1

    def complaints(self) -> list[str]:
        """A sentence for each call that is declared and that no case had."""
        return [
            f"the candidate declares {'whole conversions' if call == candidate_runs.WHOLE else call}, but lacks "
            f"{'them' if call == candidate_runs.WHOLE else 'it'} in every case ({self._cases[call]}); do not declare it"
            for call, present in self._present.items()
            if not present
        ]


def _judge_folder(
    folder: Path,
    program: Candidate,
    limits: Limits,
    waivers: Waivers,
    only_stage: str | None,
    out: Path,
    command: str,
    observe: Observer,
    repetition: AfterCase | None,
    allowance: Allowance,
) -> Judged:
    begin = time.monotonic()
    case: Case | None = None
    try:
        case = store.open_case(folder).check()
        case_verdict = judge_case(case, program, limits, waivers, only_stage, observe, allowance, repetition)
    except GoldenError as error:
        case_verdict = verdict.unreadable(folder.name, error)
    traces = files.write_traces(out, case_verdict)
    reproduce = f"{command} --case {case_verdict.name}"
    if case_verdict.first:
        reproduce += f" --stage {case_verdict.first['stage']}"
    document = verdict_json.case_document(case_verdict, case, traces, time.monotonic() - begin, reproduce)
    case_verdict.traces.clear()  # written to disk; a run over all goldens would not fit in memory
    return Judged(case_verdict, document, network_f0(document.get("options", {})))


def judge_case(
    case: Case,
    program: Candidate,
    limits: Limits,
    waivers: Waivers,
    only_stage: str | None = None,
    observe: Observer = unobserved,
    allowance: Allowance | None = None,
    repetition: AfterCase | None = None,
    predictions: Counterfactuals | None = None,
) -> CaseVerdict:
    """Judge a candidate on one golden: every run over goldens, and the mutants, are judged by this function.

    Args:
        case: the golden, checked.
        program: the candidate.
        limits: the limits of its cells.
        waivers: known failures.
        only_stage: only this stage; None for all.
        observe: called with the name of each stage, or "run", before the candidate is called.
        allowance: how many chains of the run are continued; None for no limit.
        repetition: the repeated calls of the run; None repeats none.
        predictions: predictions by networks; by default those of `rvc`, of the candidate itself where it is `rvc`.
    Raises:
        GoldenError: the golden cannot be read.
    """
    taken = program.takes(case)
    judged = program if taken else DeclinedCase(program)
    if predictions is None:
        predictions = counterfactual.RvcCounterfactuals(case, judged)
    judgment = Judgment(case, limits, waivers, candidate=judged, only_stage=only_stage, counterfactuals=predictions)
    case_verdict = verdict.judge(judgment, observe)
    verdict.match_profiles(judgment, case_verdict)
    verdict.continue_chain(judgment, case_verdict, allowance)
    if taken:
        rating.rate(judgment, case_verdict)
    if not taken:
        case_verdict.state, case_verdict.outside = CaseState.DECLINED, True
        case_verdict.sentence = f"the candidate does not declare the profile {case.profile}"
    elif case_verdict.state is CaseState.NOTHING and _offers_nothing(judged, case):
        case_verdict.state = CaseState.DECLINED
    if case_verdict.state is CaseState.DIFFERS and (other := cache.other_than_recorded(case.voice)):
        case_verdict.sentence = f"{case_verdict.sentence}; {other}"
    if repetition is not None:
        repetition.after_case(case, case_verdict)
    return case_verdict


def _offers_nothing(program: Candidate, case: Case) -> bool:
    """Whether the candidate declares beforehand that it has none of the case's stages."""
    return not program.chains and not any(program.offers(stage) for stage, _ in candidate.steps(case))
