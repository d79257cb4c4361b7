"""The chain continued after its first origin, with the golden's values in the place of what is wrong.

The first wrong stage of a conversion hides the faults of later stages, because their inputs differ from the golden's.
Therefore its outputs are replaced by the golden's, and the later stages are run again. The first one that is then wrong
is the next origin. The share of an origin in the error is how much nearer to the golden the waveform becomes.

A stage is run again by the candidate, or by `rvc` in its place (parity/judge/replay.py).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.goldens.arrays import Array, NamedArrays, Tensors
from parity.judge import ledger, metrics, replay
from parity.judge.blame import StageVerdict
from parity.judge.decisions import margins, phase_wraps
from parity.judge.judgment import Judgment
from parity.judge.replay import Place, Replay
from parity.judge.states import Blame, CellState, Mode
from parity.stages import Scope, Stage

MOST_REPAIRED = 4  # origins of one chain; each costs a run of the stages behind it


@dataclass
class Allowance:
    """How many chains of a run are continued: those of further cases with the same first origin show the same faults.

    Attributes:
        most: The number of chains for each stage that is the first to differ.
        taken: Stage → the number of chains that were continued.
    """

    most: int = 3
    taken: Counter[str] = field(default_factory=Counter)

    def take(self, verdicts: Iterable[StageVerdict]) -> bool:
        """Whether this chain is continued; it then counts."""
        first = next((verdict.stage.name for verdict in verdicts if verdict.failed_in(Mode.CHAINED)), None)
        if first is None or self.taken[first] >= self.most:
            return False
        self.taken[first] += 1
        return True


@dataclass(frozen=True)
class Repair:
    """One origin of a chain, and what the waveform gains with the golden's values in its place.

    Attributes:
        stage: The stage, which is repaired in every segment and block.
        prefix: The first segment or block in which it is wrong.
        before: The waveform's distance from the golden without this repair, in dB below the golden; None where it was
            not made, has another length, or equals the golden.
        after: The waveform's distance from the golden with this stage and those before it repaired, in the same unit.
        is_exact: Whether the waveform then equals the golden bit by bit.
    """

    stage: Stage
    prefix: str
    before: float | None
    after: float | None
    is_exact: bool

    def document(self) -> dict[str, object]:
        """The repair as verdict.json holds it."""
        return {
            "stage": self.stage.name,
            "prefix": self.prefix,
            "before_db": self.before,
            "after_db": self.after,
            "exact": self.is_exact,
        }


@dataclass(frozen=True)
class Continuation:
    """The origins of one chain.

    Attributes:
        repairs: The origins, in the order of the conversion.
        note: Why the chain was not continued to its end; None where it was.
    """

    repairs: tuple[Repair, ...] = ()
    note: str | None = None

    @property
    def sentence(self) -> str | None:
        """The repairs, such as "f0.raw repaired: 12 → 31 dB; f0.filled too: → 94 dB"; None where there was none."""
        parts = []
        for number, repair in enumerate(self.repairs):
            name = repair.stage.name
            after = "exact" if repair.is_exact else _decibels(repair.after)
            parts.append(f"{name} too: → {after}" if number else f"{name} repaired: {_from(repair)}{after}")
        return "; ".join([*parts, *([self.note] if self.note else [])]) or None


def _decibels(value: float | None) -> str:
    return "no waveform to compare" if value is None else f"{value:.0f} dB"


def _from(repair: Repair) -> str:
    return "→ " if repair.before is None else f"{repair.before:.0f} → "


@dataclass
class _Chain:
    """A candidate's chain with some stages repaired."""

    judgment: Judgment
    verdicts: dict[Place, StageVerdict]
    settled: set[Place]  # stages whose explained decisions are replaced by the golden's
    repaired: list[str] = field(default_factory=list)  # stages that are the golden's in every segment and block
    replay: Replay = field(init=False)

    def __post_init__(self) -> None:
        self.replay = Replay(self.judgment, self.judgment.chained.tensors)

    @property
    def made(self) -> Tensors:
        """What the candidate's own conversion made."""
        return self.judgment.chained.tensors

    def steps(self) -> Iterator[tuple[Place, Stage, list[str]]]:
        """Each stage with its outputs that the golden has."""
        case = self.judgment.case
        for stage, prefix in candidate.steps(case):
            yield (stage.name, prefix), stage, [prefix + row.name for row in stage.makes if prefix + row.name in case]

    def run(self) -> tuple[Tensors, Place | None]:
        """The chain with the repaired stages, and the stage to be repaired next.

        That is the first one which is wrong in this chain, or one before it which is wrong on the golden's own inputs:
        its error may be within the wider limits of a chain, and make the other one wrong.

        Raises:
            replay.Unavailable: A stage that has to be run again cannot be.
        """
        case = self.judgment.case
        tensors: Tensors = {}
        changed: set[str] = set()
        wrong: Place | None = None
        alone: Place | None = None  # the first stage that is wrong alone, and within the chain's wider limits
        for place, stage, names in self.steps():
            provided = {name: self.made[name] for name in names if name in self.made}
            if stage.name in self.repaired or place in self.settled:
                fresh: Tensors = {name: case[name] for name in names}
            elif not self.repaired:
                fresh = provided
            elif self.missing_inputs(place, tensors):
                continue
            elif changed & set(stages.reads(stage, place[1], case)) or len(provided) < len(names):
                fresh = self._follow(stage, place, tensors)
            else:
                fresh = provided
            changed |= {name for name in fresh if not _is_equal(fresh[name], self.made.get(name))}
            tensors |= fresh
            if wrong is not None or stage.name in self.repaired:
                continue
            if self._is_wrong(names, tensors):
                wrong = place
            elif alone is None and self._is_wrong_alone(place):
                alone = place
        return tensors, wrong and (alone or wrong)

    def _is_wrong_alone(self, place: Place) -> bool:
        verdict = self.verdicts.get(place)
        is_blamed = verdict is not None and (verdict.blame is Blame.ORIGIN or verdict.shares is not None)
        return verdict is not None and is_blamed and bool(verdict.failed_in(Mode.ISOLATED))

    def missing_inputs(self, place: Place, tensors: NamedArrays) -> list[str]:
        """The inputs of a stage that the golden has and a chain lacks; optional ones are not needed."""
        stage = stages.stage_named(place[0])
        return self.replay.missing_inputs(stage, place[1], tensors) if stage else []

    def _is_wrong(self, names: list[str], tensors: Tensors) -> bool:
        case = self.judgment.case
        required = [name for name in names if not stages.tensor(name).optional]
        if not self.repaired:  # the candidate's own chain is judged already
            return self.judgment.ledger.any_failed(names, Mode.CHAINED)
        return any(name not in tensors for name in required) or any(
            not _holds(self.judgment, name, case, tensors) for name in names if name in tensors
        )

    def _follow(self, stage: Stage, place: Place, tensors: Tensors) -> Tensors:
        """What a stage makes of the repaired chain, with its own error where the candidate's stage alone lacks it."""
        verdict, program = self.verdicts.get(place), self.judgment.candidate
        only_in_chain = verdict is not None and verdict.blame is Blame.ORIGIN and not verdict.failed_in(Mode.ISOLATED)
        if program is not None and program.offers(stage) and not only_in_chain:
            self.replay.own_errors.setdefault(place, {})
            return self.replay.compute(stage, place[1], tensors)
        return self.replay.with_own_error(stage, place[1], tensors)

    def only_follows(self, place: Place) -> bool:
        """Whether a stage is right alone and makes in the conversion what it makes alone, so that its error was read.

        What it read in the repaired chain was within its limits, but not the golden's.
        """
        verdict = self.verdicts.get(place)
        return verdict is not None and not verdict.failed_in(Mode.ISOLATED) and self.replay.own_errors.get(place) == {}


def continue_chain(judgment: Judgment, verdicts: list[StageVerdict]) -> Continuation | None:
    """Name every origin of a judged chain; None where no chain was judged, or nothing of it differs.

    A stage that is blamed as inherited, and that is wrong when everything before it is repaired, becomes an origin.

    Args:
        judgment: The judgment, whose ledger is complete.
        verdicts: Its stages.
    """
    own = judgment.ledger
    if judgment.only_stage is not None or not judgment.chained.tensors:
        return None
    if not any(cell.failed and cell.mode is Mode.CHAINED for cell in own.cells):
        return None
    settled = {
        (verdict.stage.name, verdict.prefix)
        for verdict in verdicts
        if any(cell.mode is Mode.CHAINED and cell.state is CellState.EXPLAINED for cell in verdict.cells)
    }
    chain = _Chain(judgment, {(verdict.stage.name, verdict.prefix): verdict for verdict in verdicts}, settled)
    repairs: list[Repair] = []
    blamed: list[Place] = []
    note: str | None = None
    try:
        tensors, wrong = chain.run()
        before = _distance(judgment, tensors)
        while wrong is not None and len(repairs) < MOST_REPAIRED:
            if missing := chain.missing_inputs(wrong, tensors):
                note = f"{wrong[0]} was not repaired: the error may lie before it, in {missing[0]}"
                return Continuation(tuple(repairs), f"{note}, which is not provided")
            chain.repaired.append(wrong[0])
            blamed.append(wrong)
            stage, prefix = stages.stage_named(wrong[0]), wrong[1]
            assert stage is not None
            tensors, wrong = chain.run()
            after = _distance(judgment, tensors)
            repairs.append(Repair(stage, prefix, _finite(before), _finite(after), after == math.inf))
            before = after
        if wrong is not None:
            note = f"{wrong[0]} is wrong too; what lies behind it was not tried"
    except replay.Unavailable:
        first = chain.repaired[-1] if chain.repaired else "the first origin"
        note = f"whether more is wrong behind {first} could not be tried: the stages cannot be run alone"
    for place in blamed[: len(repairs)]:
        if not chain.only_follows(place):
            _accuse(chain.verdicts.get(place))
    return Continuation(tuple(repairs), note)


def _accuse(verdict: StageVerdict | None) -> None:
    """Make an origin of a stage that is wrong although everything before it is repaired."""
    if verdict is not None and verdict.blame is Blame.INHERITED and verdict.shares is None:
        verdict.blame = Blame.ORIGIN
        verdict.sentence = f"{verdict.title} differs even with the golden's values in the place of what it reads"


def _holds(judgment: Judgment, name: str, case: NamedArrays, tensors: Tensors) -> bool:
    """Whether a tensor of a repaired chain is within its limits, or a decision that is explained."""
    golden = judgment.case
    if any(cell.state is CellState.WAIVED for cell in judgment.ledger.of([name], Mode.CHAINED)):
        return True
    cells, _ = ledger.judge_tensor(golden, name, Mode.CHAINED, tensors[name], judgment.limits)
    failed = [cell for cell in cells if cell.failed]
    if not failed:
        return True
    if any(cell.state is not CellState.DIFFERS for cell in failed):
        return False
    if replay.is_decision(name):
        flips = margins.flips(name, case, tensors, True, golden.options)
        return all(flip["explained"] for flip in flips)
    other = phase_wraps.otherwise(golden, name)
    return other is not None and replay.is_within(judgment, name, other[0], tensors[name])


def _is_equal(one: Array, other: Array | None) -> bool:
    return (
        other is not None and one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    )


def _distance(judgment: Judgment, tensors: Tensors) -> float | None:
    """The waveform's distance from the golden in dB below the golden; infinite where they are equal.

    Returns:
        None where the waveform was not made or has another length, or where the golden is silent.
    """
    case = judgment.case
    names = [name for name in case if stages.is_known(name) and stages.tensor(name).is_waveform]
    blocks = [name for name in names if stages.TensorName.parse(name).local == "out"]
    if judgment.case.facts.blocks:
        names = sorted(blocks, key=lambda name: stages.TensorName.parse(name).index)
    else:
        order = [row.name for stage in stages.offline() for row in stage.makes if stage.scope is Scope.FILE]
        names = sorted((name for name in names if name in order), key=order.index)[-1:]
    if not names or any(name not in tensors or tensors[name].shape != case[name].shape for name in names):
        return None
    golden = np.concatenate([case[name].ravel() for name in names]).astype(np.float64)
    gap = np.concatenate([tensors[name].ravel() for name in names]).astype(np.float64) - golden
    error, scale = metrics.rms(gap), metrics.rms(golden - golden.mean())
    if error == 0:
        return math.inf
    return 20 * math.log10(scale / error) if scale and math.isfinite(error) else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
