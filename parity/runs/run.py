"""The run: one candidate judged on every golden, one case after another, and the files that report it."""

import datetime
import sys
import time
from pathlib import Path

from tqdm import tqdm

from parity.candidates import candidate
from parity.candidates.candidate import Candidate, DeclinedCase
from parity.errors import GoldenError, UsageError
from parity.goldens import store
from parity.goldens.store import Case
from parity.judge import candidate_runs, verdict
from parity.judge.judgment import Judgment
from parity.judge.limits import Limits, network_f0
from parity.judge.limits import load as load_limits
from parity.judge.states import CaseState, CellState, Mode
from parity.judge.verdict import CaseVerdict
from parity.judge.waivers import Waivers
from parity.judge.waivers import load as load_waivers
from parity.output import files, verdict_json
from parity.output.verdict_json import Json
from parity.runs import manifest
from parity.rvc_bridge import counterfactual
from parity.voices import cache


def run(
    program: Candidate,
    goldens: Path,
    out: Path,
    only_case: str | None = None,
    only_stage: str | None = None,
    command: str = "python -m parity run",
    waivers: Waivers | None = None,
    limits: Limits | None = None,
) -> Json:
    """Judge every golden below `goldens` and write the run's files into `out`.

    Args:
        program: the candidate.
        goldens: a folder with one folder for each golden.
        out: receives verdict.json, junit.xml, summary.md and traces/.
        only_case: only cases whose name contains this text.
        only_stage: only this stage, or the stages whose name begins with it and a dot.
        command: the command line of this run, to which `reproduce` appends the case and the stage.
        waivers: known failures; those of parity/data/waivers.json unless given.
        limits: the limits to judge by; those of parity/data/spread.json unless given.
    Returns:
        the document of verdict.json.
    Raises:
        UsageError: there is no golden, no case of that name, no stage of that name, or no case with that stage.
    """
    verdict.refuse_unknown(only_stage)
    folders = _chosen(goldens, only_case, only_stage)
    pinned = manifest.compare(store.cases(goldens), limits, waivers)
    limits = limits if limits is not None else load_limits()
    waivers = waivers if waivers is not None else load_waivers()
    available = len(store.cases(goldens)) + pinned.missing
    scope = verdict.RunScope(cases=available if only_case or pinned.missing else None, only_stage=only_stage)
    started, begin = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    documents: list[Json] = []
    verdicts: list[CaseVerdict] = []
    networks: dict[str, bool] = {}
    declared = DeclaredCalls()
    for folder in tqdm(folders, desc="parity", unit="case", file=sys.stderr, disable=not sys.stderr.isatty()):
        case_verdict, document = _judge_folder(folder, program, limits, waivers, only_stage, out, command)
        declared.count(program, case_verdict)
        networks[case_verdict.name] = network_f0(document.get("options", {}))
        case_verdict.traces.clear()  # written to disk; a run over all goldens would not fit in memory
        verdicts.append(case_verdict)
        documents.append(document)
    complaints = declared.complaints() if only_case is None else []
    run_document = verdict_json.run_document(
        verdict.overall(verdicts, waivers, scope, [*pinned.altered, *complaints]),
        pinned.document(),
        program.about,
        documents,
        verdicts,
        verdict_json.limits_used(verdicts, limits, networks),
        waivers.document(),
        started,
        time.monotonic() - begin,
    )
    files.write(out, run_document)
    return run_document


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
        if chained and program.chains:
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


def _chosen(goldens: Path, only_case: str | None, only_stage: str | None) -> list[Path]:
    """The folders of the cases to judge; those of one voice are neighbors, so that each voice is loaded once."""
    folders = store.cases(goldens, only_case)
    if not folders:
        what = f"case whose name contains {only_case!r}" if only_case else "case"
        raise UsageError(f"there is no {what} below {goldens}; is this the root of the repository?")
    folders = [folder for folder in folders if _has_stage(folder, only_stage)]
    if not folders:
        raise UsageError(f"none of the chosen cases has the stage {only_stage}; leave out --case to search all cases")
    return sorted(folders, key=lambda folder: (_voice(folder), folder.name))


def _has_stage(folder: Path, only_stage: str | None) -> bool:
    """Whether a golden has the stage. A golden that cannot be opened counts, to be reported as unreadable."""
    try:
        return verdict.has(store.open_case(folder), only_stage)
    except GoldenError:
        return True


def _voice(folder: Path) -> str:
    try:
        return str(store.open_case(folder).voice.get("kind"))
    except GoldenError:
        return ""


def _judge_folder(
    folder: Path,
    program: Candidate,
    limits: Limits,
    waivers: Waivers,
    only_stage: str | None,
    out: Path,
    command: str,
) -> tuple[CaseVerdict, Json]:
    begin = time.monotonic()
    case: Case | None = None
    try:
        case = store.open_case(folder).check()
        case_verdict = _judge(case, program, limits, waivers, only_stage)
    except GoldenError as error:
        case_verdict = verdict.unreadable(folder.name, error)
    traces = files.write_traces(out, case_verdict)
    reproduce = f"{command} --case {case_verdict.name}"
    if case_verdict.first:
        reproduce += f" --stage {case_verdict.first['stage']}"
    return case_verdict, verdict_json.case_document(case_verdict, case, traces, time.monotonic() - begin, reproduce)


def _judge(case: Case, program: Candidate, limits: Limits, waivers: Waivers, only_stage: str | None) -> CaseVerdict:
    taken = program.takes(case)
    judged = program if taken else DeclinedCase(program)
    judgment = Judgment(
        case,
        limits,
        waivers,
        candidate=judged,
        only_stage=only_stage,
        counterfactuals=counterfactual.RvcCounterfactuals(case, judged),
    )
    case_verdict = verdict.judge(judgment)
    verdict.match_profiles(judgment, case_verdict)
    if not taken:
        case_verdict.state, case_verdict.outside = CaseState.DECLINED, True
        case_verdict.sentence = f"the candidate does not declare the profile {case.profile}"
    elif case_verdict.state is CaseState.NOTHING and _offers_nothing(judged, case):
        case_verdict.state = CaseState.DECLINED
    if case_verdict.state is CaseState.DIFFERS and (other := cache.other_than_recorded(case.voice)):
        case_verdict.sentence = f"{case_verdict.sentence}; {other}"
    return case_verdict


def _offers_nothing(program: Candidate, case: Case) -> bool:
    """Whether the candidate declares beforehand that it has none of the case's stages."""
    return not program.chains and not any(program.offers(stage) for stage, _ in candidate.steps(case))
