"""Goldens judged in several processes at once.

A golden that fails is judged again by the process of the run, in the order of the run: what is repeated and continued
after a failure depends on the failures before it.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from parity.candidates.candidate import Candidate
from parity.errors import GoldenError
from parity.goldens import store
from parity.goldens.store import Case
from parity.judge.candidate_runs import Observer, unobserved
from parity.judge.states import CaseState
from parity.judge.verdict import CaseVerdict
from parity.output.verdict_json import Json
from parity.runs.journal import Journal
from parity.runs.parallel import expected_duration
from parity.runs.parallel.helpers import Helpers
from parity.runs.progress import Progress


class AfterCase(Protocol):
    """What is done after a golden is judged."""

    def after_case(self, case: Case, judged: CaseVerdict) -> None:
        """As `Repetition.after_case`."""
        ...


class Finished(Protocol):
    """One judged golden, as `parity.runs.run.Judged`."""

    @property
    def verdict(self) -> CaseVerdict:
        """The verdict of the golden."""

    @property
    def document(self) -> Json:
        """The golden's part of verdict.json."""

    @property
    def network_f0(self) -> bool:
        """Whether its F0 comes from a network."""

    @property
    def failed(self) -> bool:
        """Whether it makes the run fail."""


class JudgeGolden(Protocol):
    """Judges one golden, without what depends on other goldens. It can be pickled."""

    def __call__(self, folder: Path, program: Candidate, observe: Observer, after: AfterCase | None) -> Finished:
        """The judged golden."""


ShareCores = Callable[[int], AbstractContextManager[None]]  # takes the number of processes


def all_cores(processes: int) -> AbstractContextManager[None]:
    """Limit nothing: each process uses as many cores as a single process would."""
    return nullcontext()


@dataclass(frozen=True)
class Judging:
    """What every process needs to judge goldens, beside the candidate. It can be pickled.

    Attributes:
        judge_golden: judges one.
        journal: keeps those that pass.
        share_cores: lets a process use its share of the cores while it judges one.
    """

    judge_golden: JudgeGolden
    journal: Journal
    share_cores: Callable[[], AbstractContextManager[None]]

    def judge(self, folder: Path, program: Candidate, observe: Observer, after: AfterCase | None = None) -> bool:
        """Judge a golden, and keep it in the journal where nothing fails; whether something does."""
        with self.share_cores():
            each = self.judge_golden(folder, program, observe, after)
        if not each.failed:
            self.journal.add(folder, each.verdict, each.document, each.network_f0)
        return each.failed


@dataclass(frozen=True)
class _AfterPassed:
    """Passes cases that do not differ to a repetition; the others are judged again."""

    repetition: AfterCase

    def after_case(self, case: Case, judged: CaseVerdict) -> None:
        if judged.state is not CaseState.DIFFERS:
            self.repetition.after_case(case, judged)


@dataclass
class _Helper:
    """Starts to judge in another process."""

    judging: Judging
    make: Callable[[], Candidate]

    def __call__(self) -> Callable[[str], bool]:
        program = self.make()
        return lambda folder: self.judging.judge(Path(folder), program, unobserved)


@dataclass
class _Tasks:
    """The goldens that no process has taken yet, in the order in which they are taken."""

    folders: list[Path]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> str | None:
        """The next one; None where none is left."""
        with self.lock:
            return str(self.folders.pop(0)) if self.folders else None


def judge_in_parallel(
    folders: Sequence[Path],
    judging: Judging,
    program: Candidate,
    make: Callable[[], Candidate],
    jobs: int,
    fail_fast: bool,
    repetition: AfterCase | None,
    progress: Progress,
) -> set[str]:
    """Judge goldens in this process and `jobs - 1` others.

    This process begins with the golden whose calls are repeated at the end of the run, so that others lie between.

    Args:
        folders: the goldens, in the order of the run.
        judging: judges one.
        program: the candidate of this process.
        make: makes the candidate of another one; picklable.
        jobs: the number of processes, with this one.
        fail_fast: end after the first golden that fails.
        repetition: repeats calls after a golden that passes in this process.
        progress: shows what is finished.
    Returns:
        the names of those that fail.
    Raises:
        HelperDied: another process ended.
    """
    failed: set[str] = set()
    after = _AfterPassed(repetition) if repetition is not None else None
    mine = next((folder for folder in folders if _is_file(folder)), None) if repetition is not None else None
    tasks = _Tasks(expected_duration.in_order([folder for folder in folders if folder != mine]))
    with Helpers(jobs - 1, _Helper(judging, make), tasks.take) as helpers:
        task = str(mine) if mine is not None else tasks.take()
        while task is not None:
            folder = Path(task)
            progress.start(folder.name)
            if judging.judge(folder, program, progress.stage, after):
                failed.add(folder.name)
            progress.finish(folder.name)
            _count(helpers, failed, progress)
            if fail_fast and failed:
                break
            task = tasks.take()
        while not (fail_fast and failed):
            ended = helpers.wait(0.2)
            _count(helpers, failed, progress)
            if ended:
                break
    return failed


def _count(helpers: Helpers, failed: set[str], progress: Progress) -> None:
    """Enter what other processes have judged."""
    for task, fails in helpers.answers():
        name = Path(task).name
        progress.start(name)
        progress.finish(name)
        if fails:
            failed.add(name)


def _is_file(folder: Path) -> bool:
    """Whether a golden holds the conversion of a file."""
    try:
        facts = store.open_case(folder).facts
    except GoldenError:
        return False
    return not facts.blocks and not facts.isolated
