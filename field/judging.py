"""One program before the judge: its doctor, then its goldens, within a time limit."""

import json
import shlex
import time
from pathlib import Path
from typing import Any

from field.programs import Golden
from parity import stages
from parity.candidates.candidate import Tensors
from parity.candidates.external import External
from parity.goldens import golden_set
from parity.goldens.store import Case
from parity.output.verdict_json import Json
from parity.runs import doctor, journal
from parity.runs.run import RunOptions, run
from parity.rvc_bridge import voice_files

HANDSHAKE = ("cannot-start", "crash", "hang", "not-json", "wrong-id", "missing-field", "wrong-protocol")


class TimeUp(BaseException):
    """The time of a program is used up; what was judged until then is kept."""


class Limited(External):
    """A candidate that raises TimeUp at the first call after its deadline."""

    hello_timeout = 240.0  # these programs import PyTorch and half a dozen audio libraries

    def __init__(self, command: str, deadline: float) -> None:
        super().__init__(command, voice_files.paths, timeout=max(deadline - time.monotonic(), 1.0))
        self.deadline = deadline

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        self._check()
        return super().run_stage(case, stage, prefix, inputs)

    def run(self, case: Case) -> Tensors:
        self._check()
        return super().run(case)

    def _check(self) -> None:
        if time.monotonic() > self.deadline:
            raise TimeUp


def command_of(interpreter: Path, adapter: Path, checkout: Path | None) -> str:
    """The command line of an adapter."""
    return shlex.join(map(str, (interpreter, adapter, *([] if checkout is None else [checkout]))))


def examine(command: str, deadline: float) -> str | None:
    """What the doctor finds wrong with an adapter's handshake; None where it can be judged.

    The doctor also tries each declared stage; what it finds there, the judge finds as well, with a blame.
    """
    with Limited(command, deadline) as program:
        for finding in doctor.examine(program, golden_set.default_folder()):
            return None if finding.well else f"{finding.code}: {finding.sentence}"
    return "no-answer: the doctor examined nothing"


def judge(
    command: str, profile: str, goldens: list[Golden], out: Path, deadline: float, again: str, resume: bool = False
) -> Json:
    """Judge a program by the goldens of one profile.

    Args:
        command: the command line of its adapter.
        profile: the profile.
        goldens: the goldens of that profile.
        out: the folder of the run.
        deadline: when its time is used up, by time.monotonic().
        again: the command line that runs it again, for the report.
        resume: keep the finished goldens of an unfinished run in `out`.
    Returns:
        the document of verdict.json; `pending` names the goldens that the time did not reach.
    """
    names = tuple(golden.name for golden in goldens)
    options = RunOptions(profile=profile, names=names, resume=resume and (out / journal.FOLDER).is_dir())
    with Limited(command, deadline) as program:
        try:
            return run(program, golden_set.default_folder(), out, command=again, options=options)
        except TimeUp:
            path = out / "verdict.json"
            if path.is_file():
                document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                return document
            return {"cases": [], "pending": list(names), "failures": []}
