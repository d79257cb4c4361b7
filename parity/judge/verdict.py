"""Numbers to yes or no: every expected cell of a case judged, stages blamed, and the sentence that says it."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, CandidateError, NotOffered, Tensors
from parity.errors import GoldenError, ParityError, UsageError
from parity.goldens.store import Case
from parity.judge import blame
from parity.judge import ledger as cells
from parity.judge import limits as tolerance
from parity.judge.blame import StageVerdict
from parity.judge.decisions import phase_wraps
from parity.judge.decisions.voicing import Hear
from parity.judge.diagnosis.causes import Oracle
from parity.judge.ledger import Ledger
from parity.judge.other_profiles import Run, first_of, nearest
from parity.judge.verdict_schema import MODES
from parity.judge.waivers import Waivers


@dataclass
class CaseVerdict:
    """What one case came to."""

    name: str
    state: str  # pass, differs, unreadable, nothing, declined
    sentence: str | None
    ledger: Ledger
    stages: list[StageVerdict] = field(default_factory=list)
    first: Mapping[str, Any] | None = None
    traces: dict[str, Tensors] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)
    matches: str | None = None  # another profile under which it would have passed

    def match(self, case: Case, limits: tolerance.Limits, ours: Run) -> None:
        """Say so where the candidate's whole conversion is another profile's; `ours` converts a case."""
        whole = self.traces.get("chained", {})
        first = first_of(case, [cell for cell in self.ledger.cells if cell.failed])
        if self.state == "differs" and (found := nearest(case, whole, first, limits, ours)):
            self.matches, self.sentence = found.profile, f"{found.sentence}: {self.sentence}"


def isolated(case: Case, program: Candidate, only: str | None = None) -> tuple[Tensors, dict[str, str]]:
    """Each stage on the golden's own inputs; returns the tensors made, and for each tensor not made the reason."""
    made: Tensors = {}
    trouble: dict[str, str] = {}
    for stage, prefix in candidate.steps(case):
        if not wanted(stage, only):
            continue
        names = [prefix + row.name for row in stage.makes]
        if not program.offers(stage):
            trouble |= dict.fromkeys(names, f"not tested: the candidate does not offer {stage.name} alone")
            continue
        try:
            fresh = program.run_stage(case, stage, prefix, candidate.inputs(case, stage, prefix))
        except GoldenError:
            raise
        except NotOffered as error:
            trouble |= dict.fromkeys(names, f"not tested: {error}")
            continue
        except ParityError as error:
            trouble |= dict.fromkeys(names, f"{stage.name} failed in {case.name} (isolated): {error}")
            continue
        made |= {name: value for name, value in fresh.items() if name in names}
    return made, trouble


def chained(case: Case, program: Candidate) -> tuple[Tensors, str | None]:
    """The whole conversion; returns its tensors and, where it failed, the reason."""
    if not program.chains:
        return {}, "not tested: the candidate runs single stages only"
    try:
        return program.run(case), None
    except CandidateError as error:
        return error.partial, f"the whole conversion failed in {case.name} (chained): {error}"


def wanted(stage: stages.Stage, only: str | None) -> bool:
    """Whether a stage is meant by `--stage ONLY`: its name, or the beginning of it."""
    return only is None or stage.name == only or stage.name.startswith(only + ".")


def refuse_unknown(only: str | None) -> None:
    """Raise UsageError for a `--stage ONLY` that means no stage at all."""
    names = [stage.name for stage in stages.every()]
    if any(wanted(stage, only) for stage in stages.every()):
        return
    near = difflib.get_close_matches(str(only), names, 1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    raise UsageError(f"there is no stage {only!r}{meant}; the stages are {', '.join(names)}")


def has(case: Case, only: str | None) -> bool:
    """Whether a case has a stage that `--stage ONLY` means."""
    return only is None or any(wanted(stage, only) for stage, _ in candidate.steps(case))


def judge(
    case: Case,
    program: Candidate,
    limits: tolerance.Limits,
    waivers: Waivers,
    only: str | None = None,
    oracle: Oracle | None = None,
    hear: Hear | None = None,
) -> CaseVerdict:
    """Both modes of one case, every cell judged, every stage blamed or cleared."""
    alone, trouble = isolated(case, program, only)
    whole, failure = chained(case, program)
    return judge_tensors(case, alone, whole, limits, waivers, only, trouble, failure, program, oracle, hear)


def judge_tensors(
    case: Case,
    alone: Tensors,
    whole: Tensors,
    limits: tolerance.Limits,
    waivers: Waivers,
    only: str | None = None,
    trouble: Mapping[str, str] | None = None,
    failure: str | None = None,
    program: Candidate | None = None,
    oracle: Oracle | None = None,
    hear: Hear | None = None,
) -> CaseVerdict:
    """The verdict over tensors that are already there: `alone` made in isolation, `whole` by a chained run."""
    ledger = Ledger(case.name)
    trouble = trouble or {}
    extra = set(cells.optional_tensors(case))
    for name in [*cells.expected_tensors(case), *sorted(extra)]:
        stage = stages.stage_of(name)
        if stage is None or not wanted(stage, only):
            continue
        for mode, made, why in (("isolated", alone, trouble.get(name)), ("chained", whole, failure)):
            if name in extra and name not in made:
                continue
            _enter(ledger, case, name, mode, made, why, limits)
    for mode, made in (("isolated", alone), ("chained", whole)):
        phase_wraps.explain(case, ledger, mode, made, limits)
    blame.explain_flips(case, ledger, alone, whole, limits, program, hear)
    ledger.cells = [waivers.apply(case.name, cell) for cell in ledger.cells]
    found = blame.accuse(case, ledger, alone, whole, limits, program, oracle)
    strangers = sorted(name for name in {*alone, *whole} if not stages.is_known(name))
    return _conclude(case, ledger, found, {"isolated": alone, "chained": whole}, strangers)


def _enter(
    ledger: Ledger, case: Case, name: str, mode: str, made: Tensors, why: str | None, limits: tolerance.Limits
) -> None:
    if why is not None and name not in made:
        make = cells.untested if why.startswith("not tested") else cells.failed_call
        ledger.cells += make(name, mode, why)
        return
    fresh, numbers = cells.judge_tensor(case, name, mode, made.get(name), limits)
    ledger.cells += fresh
    if numbers is not None:
        ledger.curves[mode, name] = numbers.frames
        ledger.numbers[mode, name] = numbers


def _conclude(
    case: Case, ledger: Ledger, found: list[StageVerdict], traces: dict[str, Tensors], strangers: list[str]
) -> CaseVerdict:
    counts = ledger.counts()
    failed = [cell for cell in ledger.cells if cell.failed]
    state = "differs" if failed else "pass" if counts["compared"] else "nothing"
    sentence: str | None = None
    first = None
    if state == "nothing":
        sentence = f"{case.name}: nothing was compared; the candidate offers no stage that this case has"
    if failed:
        accused = [stage for stage in found if stage.blame == "origin"] or [s for s in found if s.failed]
        mine = [cell for cell in failed if accused and cell.tensor in accused[0].tensors] or failed
        # The form is named before numbers, isolation before the chain.
        mine.sort(key=lambda cell: (MODES.index(cell.mode), cell.metric != "form"))
        sentence = mine[0].sentence
        stage = stages.stage_of(mine[0].tensor)
        first = {
            "stage": stage.name if stage else mine[0].tensor,
            "tensor": mine[0].tensor,
            "mode": mine[0].mode,
            "frame": mine[0].worst.frame if mine[0].worst else None,
            "time_s": mine[0].worst.time_s if mine[0].worst else None,
        }
        if strangers and mine[0].state == "missing":
            sentence = f"{sentence}; it made {', '.join(strangers[:3])}, which the stage table does not know"
    return CaseVerdict(case.name, state, sentence, ledger, found, first, traces, strangers)


def unreadable(name: str, error: ParityError) -> CaseVerdict:
    """The verdict on a golden that cannot be opened: a failure of its own."""
    return CaseVerdict(name, "unreadable", f"{name} cannot be judged: {error}", Ledger(name))


def overall(verdicts: Iterable[CaseVerdict], waivers: Waivers, complete: bool) -> tuple[str, int, str]:
    """State, exit code and sentence of a run. A waiver that met nothing is a failure where the run was complete."""
    found = list(verdicts)
    total = cells.counts(cell for verdict in found for cell in verdict.ledger.cells)
    wrong = [verdict.name for verdict in found if verdict.state in ("differs", "unreadable")]
    stale = waivers.complaints(complete)
    if wrong or stale:
        text = f"{len(wrong)} of {len(found)} cases differ: {', '.join(wrong[:5])}" if wrong else stale[0]
        return "differs", 1, text
    if not total["compared"]:
        return "nothing", 3, "nothing was compared: no case has a stage that the candidate offers"
    idle = [verdict.name for verdict in found if verdict.state == "nothing"]
    if idle:
        return "differs", 1, f"nothing was compared in {', '.join(idle)}, although other cases were"
    return "pass", 0, f"all {total['compared']} cells of {len(found)} cases hold"
