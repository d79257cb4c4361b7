"""The state of a run's repeated calls, and the calls themselves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from parity import stages
from parity.candidates.candidate import Candidate, NotOffered, Tensors
from parity.errors import GoldenError, ParityError
from parity.goldens.store import Case
from parity.judge import ledger
from parity.judge.limits import Limits
from parity.judge.states import Mode, NotTried
from parity.runs.repeat_findings import Finding, RepeatState

MOST_RESTARTS = 2  # restarts of the program in a run; loading its weights may take a minute


class Reference(Protocol):
    """A proven program: `rvc`, which is judged by the goldens itself."""

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """As `Candidate.run_stage`."""
        ...

    def run(self, case: Case) -> Tensors:
        """As `Candidate.run`."""
        ...


@dataclass
class JudgedCase:
    """A judged case with the answers that it was judged by."""

    case: Case
    isolated: Tensors
    chained: Tensors
    right: bool

    @property
    def is_file(self) -> bool:
        return is_file(self.case)


def is_file(case: Case) -> bool:
    """Whether a golden holds the conversion of a file: no stream, and no stages recorded alone."""
    return not case.facts.blocks and not case.facts.isolated


@dataclass
class RepeatedCalls:
    """The repeated calls of one run, and what they showed.

    Attributes:
        program: the candidate.
        reference: gives the proven program; None compares no answer to other inputs.
        limits: the limits of the run.
        only_stage: only this stage; None for all.
        findings: what was found.
        notes: what could not be compared, and why.
        not_tried: what was left out because torch or `rvc` is not installed.
        count: the number of repeated calls.
        seconds: the time that they took.
        called_again: the failed stages that were called again, and "run" for a conversion.
        calls_of: stage → the number of its calls, those of the judgment included.
    """

    program: Candidate
    limits: Limits
    reference: Callable[[], Reference] | None = None
    only_stage: str | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_tried: list[NotTried] = field(default_factory=list)
    count: int = 0
    seconds: float = 0.0
    called_again: set[str] = field(default_factory=set)
    calls_of: dict[str, int] = field(default_factory=dict)
    _restarts: int = 0

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors | None:
        """One repeated call of a stage; None where it fails."""
        self.count += 1
        self.calls_of[stage.name] = self.calls_of.get(stage.name, 0) + 1
        try:
            return self.program.run_stage(case, stage, prefix, {name: value.copy() for name, value in inputs.items()})
        except (GoldenError, NotOffered):
            raise
        except ParityError:
            return None

    def restart(self) -> bool:
        """Whether the program was started again, so that no earlier call can matter."""
        self._restarts += 1
        return self._restarts <= MOST_RESTARTS and self.program.restart()

    def report(self, state: RepeatState, case: Case, stage: str, sentence: str) -> None:
        """Add a finding, unless one of the same state and stage is held."""
        if not any((finding.state, finding.stage) == (state, stage) for finding in self.findings):
            self.findings.append(Finding(state, case.name, stage, sentence))

    def holds(self, case: Case, names: list[str], mode: Mode, made: Tensors | None) -> bool:
        """Whether an answer is within the limits of the golden."""
        return made is not None and all(
            not cell.failed
            for name in names
            for cell in ledger.judge_tensor(case, name, mode, made.get(name), self.limits)[0]
        )

    def do_without_reference(self) -> None:
        """Compare no other answer with the proven program, which is not installed, and note that once."""
        self.reference = None
        self.not_tried.append(NotTried.OTHER_INPUTS)
        self.notes.append("answers to other inputs were not compared with those of rvc: not tried without torch")


def names_of(case: Case, stage: stages.Stage, prefix: str) -> list[str]:
    """The tensors that a golden holds of a stage and that a candidate must make."""
    return [prefix + row.name for row in stage.makes if prefix + row.name in case and not row.optional]
