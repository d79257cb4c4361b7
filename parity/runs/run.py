"""The run: every golden against one candidate, one after another, then everything that is written about it."""

import datetime
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, Tensors
from parity.errors import GoldenError, UsageError
from parity.goldens import store
from parity.goldens.store import Case
from parity.judge import limits as tolerance
from parity.judge import verdict, waivers
from parity.judge.verdict import CaseVerdict
from parity.output import documents as render
from parity.rvc_bridge import counterfactual
from parity.voices import cache

GOLDENS = Path("goldens") / "cases"
OUT = Path("out") / "parity"


def run(
    program: Candidate,
    goldens: Path = GOLDENS,
    out: Path = OUT,
    only_case: str | None = None,
    only_stage: str | None = None,
    command: str = "python -m parity run",
    waive: waivers.Waivers | None = None,
    limits: tolerance.Limits | None = None,
) -> dict[str, Any]:
    """Judge every golden below `goldens`; writes into `out` and returns verdict.json's document.

    Raises UsageError where there is no golden, no case of that name, no stage of that name, or no case with that stage.
    """
    verdict.refuse_unknown(only_stage)
    folders = store.cases(goldens, only_case)
    if not folders:
        what = f"case whose name contains {only_case!r}" if only_case else "case"
        raise UsageError(f"there is no {what} below {goldens}; is this the root of the repository?")
    folders = [folder for folder in folders if _has(folder, only_stage)]
    if not folders:
        raise UsageError(f"none of the cases asked for has the stage {only_stage}; leave out --case to find one")
    limits = limits if limits is not None else tolerance.load()
    waive = waive if waive is not None else waivers.load()
    started, begin = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    documents: list[dict[str, Any]] = []
    verdicts: list[CaseVerdict] = []
    networks: dict[str, bool] = {}
    for folder in tqdm(_ordered(folders), desc="parity", unit="case", file=sys.stderr, disable=not sys.stderr.isatty()):
        found, document = _one(folder, program, limits, waive, only_stage, out, command)
        networks[found.name] = tolerance.network_f0(document.get("options", {}))
        found.traces.clear()
        verdicts.append(found)
        documents.append(document)
    state = verdict.overall(verdicts, waive, only_case is None and only_stage is None)
    whole = render.document(
        state,
        program.about,
        documents,
        verdicts,
        render.limits_used(verdicts, limits, networks),
        waive.document(),
        started,
        time.monotonic() - begin,
    )
    render.write(out, whole)
    return whole


def _has(folder: Path, only_stage: str | None) -> bool:
    """Whether a golden has the stage; one that cannot be opened stays, to be called unreadable."""
    try:
        return verdict.has(store.open_case(folder), only_stage)
    except GoldenError:
        return True


class Declined:
    """A candidate on a case whose profile it does not declare: every cell reads "not tested"."""

    chains = False

    def __init__(self, program: Candidate) -> None:
        self.about = program.about

    def offers(self, stage: stages.Stage) -> bool:
        """Nothing."""
        return False

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """Never called."""
        raise NotImplementedError

    def run(self, case: Case) -> Tensors:
        """Never called."""
        raise NotImplementedError


def _ordered(folders: Sequence[Path]) -> list[Path]:
    """Cases of one voice together, so that each voice is loaded once."""

    def voice(folder: Path) -> str:
        try:
            return str(store.open_case(folder).voice.get("kind"))
        except GoldenError:
            return ""

    return sorted(folders, key=lambda folder: (voice(folder), folder.name))


def _one(
    folder: Path,
    program: Candidate,
    limits: tolerance.Limits,
    waive: waivers.Waivers,
    only_stage: str | None,
    out: Path,
    command: str,
) -> tuple[CaseVerdict, dict[str, Any]]:
    begin = time.monotonic()
    case: Case | None = None
    try:
        case = store.open_case(folder).check()
        declined = not getattr(program, "takes", lambda case: True)(case)
        program = Declined(program) if declined else program
        found = verdict.judge(
            case,
            program,
            limits,
            waive,
            only_stage,
            counterfactual.Ours(case, program),
            counterfactual.hear(case, program),
        )
        found.match(case, limits, counterfactual.conversion(case, program))
        if (
            found.state == "nothing"
            and not program.chains
            and not any(program.offers(stage) for stage, _ in candidate.steps(case))
        ):
            found.state = "declined"  # it says beforehand that it has none of these stages
        if declined:
            found.state, found.sentence = "declined", f"the candidate does not declare the profile {case.profile}"
        if found.state == "differs" and (other := cache.other_than_recorded(case.voice)):
            found.sentence = f"{found.sentence}; {other}"
    except GoldenError as error:
        found = verdict.unreadable(folder.name, error)
    traces = render.write_traces(out, found)
    reproduce = f"{command} --case {found.name}" + (f" --stage {found.first['stage']}" if found.first else "")
    return found, render.case_document(found, case, traces, time.monotonic() - begin, reproduce)


def report(document: dict[str, Any], as_json: bool, say: Callable[[str], None] = print) -> int:
    """Print the table or the JSON; returns the exit code."""
    import json

    if as_json:
        say(json.dumps(document, indent=1))
    else:
        say(render.table(document))
        say("")
        say(render.closing(document))
    return int(document["exit_code"])
