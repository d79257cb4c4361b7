"""One program before the judge: its doctor, then its goldens, within a time limit."""

import contextlib
import json
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from field.programs import Golden
from parity import stages
from parity.candidates.candidate import Tensors
from parity.candidates.external import External
from parity.candidates.process import ProtocolError
from parity.goldens import golden_set
from parity.goldens.store import Case
from parity.output.verdict_json import Json
from parity.runs import doctor, journal
from parity.runs.run import RunOptions, run
from parity.rvc_bridge import voice_files

NOT_STARTED = ("cannot-start", "crash")  # findings of a handshake in which the program ended; with others it runs


class TimeUp(BaseException):
    """The time of a program is used up; what was judged until then is kept."""


class Limited(External):
    """A candidate that raises TimeUp at the first call after its deadline, and in a call that does not end by then."""

    most_hangs = None  # its deadline ends a program that does not answer
    hello_timeout = 240.0  # these programs import PyTorch and half a dozen audio libraries

    def __init__(self, command: str, deadline: float) -> None:
        """Nothing is started yet.

        Args:
            command: the command line of the adapter.
            deadline: when its time is used up, by time.monotonic().
        """
        super().__init__(command, voice_files.paths, timeout=max(deadline - time.monotonic(), 1.0))
        self.deadline = deadline

    def extend(self, deadline: float) -> None:
        """Set another deadline; the program goes on running."""
        self.deadline = deadline
        self._allow_what_is_left()

    def _allow_what_is_left(self) -> None:
        """Let the next call take no longer than the time that is left."""
        self.timeout = max(self.deadline - time.monotonic(), 1.0)
        if self._process is not None:
            self._process.timeout = self.timeout

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        with self._in_time():
            return super().run_stage(case, stage, prefix, inputs)

    def run(self, case: Case) -> Tensors:
        with self._in_time():
            return super().run(case)

    def run_final(self, case: Case) -> Tensors:
        with self._in_time():
            return super().run_final(case)

    @contextlib.contextmanager
    def _in_time(self) -> Iterator[None]:
        """Do not start a call after the deadline; a call that the deadline ends is no mistake of the program."""
        if time.monotonic() > self.deadline:
            raise TimeUp
        self._allow_what_is_left()
        try:
            yield
        except ProtocolError as error:
            if error.code == "hang" and time.monotonic() >= self.deadline:
                raise TimeUp from error
            raise


def command_of(interpreter: Path, adapter: Path, checkout: Path | None) -> str:
    """The command line of an adapter."""
    return shlex.join(map(str, (interpreter, adapter, *([] if checkout is None else [checkout]))))


@dataclass(frozen=True)
class Problem:
    """Why a program cannot be judged.

    Attributes:
        starts: whether it runs; False where its process ended or never began.
        sentence: what the doctor states about its handshake.
    """

    starts: bool
    sentence: str


def examine(program: Limited) -> Problem | None:
    """What the doctor finds wrong with an adapter's handshake; None where it can be judged.

    The doctor also tries each declared stage; what it finds there, the judge finds as well, with a blame.
    """
    for finding in doctor.examine(program, golden_set.default_folder()):
        return None if finding.well else Problem(finding.code not in NOT_STARTED, f"{finding.code}: {finding.sentence}")
    return Problem(True, "no-answer: the doctor examined nothing")


def judge(program: Limited, profile: str, goldens: list[Golden], out: Path, again: str, resume: bool = False) -> Json:
    """Judge a program by the goldens of one profile, until its deadline.

    Args:
        program: the program, which has answered `hello`.
        profile: the profile.
        goldens: the goldens of that profile.
        out: the folder of the run.
        again: the command line that runs it again, for the report.
        resume: keep the finished goldens of an unfinished run in `out`.
    Returns:
        the document of verdict.json; `pending` names the goldens that the time did not reach.
    """
    names = tuple(golden.name for golden in goldens)
    options = RunOptions(profile=profile, names=names, resume=resume and (out / journal.FOLDER).is_dir())
    path = out / "verdict.json"
    if not options.resume:  # an earlier verdict must not stand for goldens that this run does not reach
        path.unlink(missing_ok=True)
    try:
        return run(program, golden_set.default_folder(), out, command=again, options=options)
    except TimeUp:
        if path.is_file():
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return document
        return {"cases": [], "pending": list(names), "failures": []}
