"""One judgment: a case, a candidate, what they are compared by, and what the candidate made in both modes."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate
from parity.goldens.arrays import Array, NamedArrays, Tensors
from parity.goldens.store import Case
from parity.judge.decisions.voicing import Salience
from parity.judge.diagnosis.registry import Guess
from parity.judge.ledger import Ledger
from parity.judge.limits import Limits, network_f0
from parity.judge.states import CellState, Mode, NotTried
from parity.judge.waivers import Waivers


class Counterfactuals(Protocol):
    """What networks would make of a case under a known mistake, on other audio, or under another profile."""

    @property
    def refused(self) -> bool:
        """Whether the last call of `guesses` was for a network that is not available."""
        ...

    @property
    def not_tried(self) -> Collection[NotTried]:
        """What the calls so far left out because torch or `rvc` is not installed."""
        ...

    def guesses(self, case: Case, stage: str, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
        """Predictions for one output of a stage, by the stage's name and the tensor's full name."""
        ...

    def salience(self, padded: Array) -> Salience | None:
        """What the case's pitch network decides on, for padded audio at 16 kHz; None where it is not available."""
        ...

    def convert(self, case: Case) -> Tensors:
        """The whole conversion of a case; raises CandidateError where its voice is not available."""
        ...

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors | None:
        """What the stage of `rvc` makes of these inputs; None where the golden's network is not available."""
        ...


@dataclass(frozen=True)
class Absence:
    """Why a tensor was not made.

    Attributes:
        state: NOT_TESTED where the candidate lacks the stage or ended before it, NOT_PROVIDED where it handed over
            other tensors only, ERROR where the stage failed.
        sentence: The reason as a sentence, for the report.
    """

    state: CellState
    sentence: str


@dataclass(frozen=True)
class Crash:
    """A whole conversion that ended with an error.

    Attributes:
        reason: The error.
        stage: The first stage that was not made although its inputs were; None where no tensor shows the place.
        prefix: The prefix of that stage.
    """

    reason: str
    stage: stages.Stage | None = None
    prefix: str = ""

    def is_at(self, stage: stages.Stage, prefix: str) -> bool:
        """Whether the conversion ended in this stage."""
        return (self.stage, self.prefix) == (stage, prefix)


@dataclass(frozen=True)
class ModeRun:
    """What a candidate made in one mode.

    Attributes:
        tensors: Full name → value.
        absences: Full name of a tensor that was not made → why.
        absence: Why any other tensor was not made; None where the candidate did not make it without failing.
        failures: Name of a stage, or "run" → the reason for which that call failed.
        answered: Whether any call was answered with tensors.
        extra: Names of tensors that the candidate returned although they were not requested.
        crash: How the whole conversion ended; None where it did not fail.
    """

    tensors: Tensors = field(default_factory=dict)
    absences: Mapping[str, Absence] = field(default_factory=dict)
    absence: Absence | None = None
    failures: Mapping[str, str] = field(default_factory=dict)
    answered: bool = False
    extra: tuple[str, ...] = ()
    crash: Crash | None = None

    def why_absent(self, name: str) -> Absence | None:
        """Why a tensor was not made; None where it was made, or is missing without a failure."""
        return None if name in self.tensors else self.absences.get(name, self.absence)


@dataclass
class Judgment:
    """Everything that the judgment of one case reads and writes.

    Attributes:
        case: The golden.
        limits: The limits of its cells.
        waivers: Known failures.
        candidate: The implementation; None for two dumps, where no stage can be run.
        only_stage: Only this stage, or these, separated by commas, are judged; None for all.
        counterfactuals: Predictions by networks; None without them.
        modes: The modes that can be judged; two dumps show the chained one only.
        isolated: What the candidate made of the golden's own inputs.
        chained: What it made within a whole conversion.
        ledger: The cells.
        replayed: Name and prefix of each stage whose chained cells are those of a run with the golden's decisions,
            after an explained one.
    """

    case: Case
    limits: Limits
    waivers: Waivers = field(default_factory=Waivers)
    candidate: Candidate | None = None
    only_stage: str | None = None
    counterfactuals: Counterfactuals | None = None
    modes: tuple[Mode, ...] = tuple(Mode)
    isolated: ModeRun = field(default_factory=ModeRun)
    chained: ModeRun = field(default_factory=ModeRun)
    ledger: Ledger = field(init=False)
    replayed: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.case.name)

    @property
    def network_f0(self) -> bool:
        """Whether the F0 of the case comes from a network."""
        return network_f0(self.case.options)

    def judges(self, mode: Mode) -> bool:
        """Whether this judgment can judge a mode at all: two dumps show the chained run only."""
        return mode in self.modes

    @property
    def modes_of_case(self) -> tuple[Mode, ...]:
        """The modes in which the case has cells: a golden of stages recorded alone has no conversion."""
        return (Mode.ISOLATED,) if self.case.facts.isolated else tuple(Mode)

    def run(self, mode: Mode) -> ModeRun:
        """What the candidate made in a mode."""
        return self.isolated if mode is Mode.ISOLATED else self.chained

    def after_chain(self, made: NamedArrays | None = None) -> Case:
        """The case whose stages continue from the candidate's own chain.

        A stage of a realtime stream keeps state from the block before. In a chain that state is the candidate's own,
        so that the tensors of the chain (or `made`) take the golden's place.
        """
        if not self.case.facts.blocks:
            return self.case
        return self.case.after(self.chained.tensors if made is None else made)

    def inputs(self, stage: stages.Stage, prefix: str, made: NamedArrays | None = None) -> Tensors:
        """What a stage reads: the golden's tensors, or those `made` in a chain."""
        return candidate.inputs(self.case, stage, prefix, made)
