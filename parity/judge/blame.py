"""The blame of each stage: clean, origin, amplifies, inherited, knife-edge or not tested.

Run alone, a stage reads the golden's own inputs, so that an error there is its own. In a chain the error of the inputs
is added; how much of an error is inherited is measured by running the stage again on the candidate's own inputs.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from parity import stages
from parity.candidates import candidate
from parity.errors import ParityError
from parity.goldens.arrays import Array, NamedArrays, Tensors
from parity.goldens.store import Case
from parity.judge import metrics
from parity.judge.diagnosis.registry import Cause
from parity.judge.judgment import Judgment
from parity.judge.ledger import Cell
from parity.judge.metrics import Worst
from parity.judge.states import Blame, CellState, Mode, Tier
from parity.stages import Scope, TensorName

# Output error divided by input error, each in multiples of its limit. A stage whose output is beyond its limit and
# whose inputs are within theirs is blamed "amplifies" up to this factor, and "origin" above it. It is a choice, not a
# measurement.
AMPLIFIED = 100.0
# Relative RMS up to which two runs of one stage on the same inputs count as equal; smaller than every limit of a chain.
SAME_RUN = 1e-5
_LISTED = 5  # names that a sentence lists; the rest are counted


@dataclass
class StageVerdict:
    """The judgment of one stage under one prefix.

    Attributes:
        stage: The stage.
        prefix: Where it ran.
        tensors: The full names of its outputs.
        blame: Its role in what differs.
        cells: The cells of its outputs.
        sentence: The blame as a sentence for the report; None for a clean stage.
        reads: The full names of its inputs.
        own: The relative RMS error on the golden's own inputs.
        inherited: The relative RMS by which the candidate's own inputs move the candidate's own stage.
        first: The first frame beyond the limit.
        shape: How the error is distributed over time: kind and sentence.
        cause: The most likely cause, for an origin.
        drift: For a waveform, the drift of F0 in cents.
        magnitude: For a waveform, the relative RMS of its short-time magnitudes.
        tier: The best tier whose limits all its cells meet; None where nothing was compared or rated.
        shares: The title of an earlier stage that is wrong alone too and makes the same unrecorded tensor as this one;
            None where there is none.
    """

    stage: stages.Stage
    prefix: str
    tensors: list[str]
    blame: Blame
    cells: list[Cell]
    sentence: str | None = None
    reads: tuple[str, ...] = ()
    own: float | None = None
    inherited: float | None = None
    first: Worst | None = None
    shape: Mapping[str, str] | None = None
    cause: Cause | None = None
    drift: float | None = None
    magnitude: float | None = None
    tier: Tier | None = None
    shares: str | None = None

    @property
    def failed(self) -> bool:
        """Whether any of its cells failed."""
        return any(cell.failed for cell in self.cells)

    def failed_in(self, mode: Mode) -> list[Cell]:
        """The failed cells of one mode."""
        return [cell for cell in self.cells if cell.failed and cell.mode is mode]

    def times_limit(self, mode: str) -> float | None:
        """The largest value / limit of its cells in one mode; None where there is no number."""
        times = [cell.times_limit for cell in self.cells if cell.mode == mode and cell.times_limit is not None]
        return max(times, default=None)

    @property
    def title(self) -> str:
        """The stage with its prefix: `seg0.flow`, or `rt.0.rt.flow` for a stage of a stream."""
        return f"{self.prefix}{self.stage.name}" if self.prefix else self.stage.name


def blame_stages(judgment: Judgment) -> list[StageVerdict]:
    """The blame of every stage of a case that has cells, in flow order."""
    case, chain = judgment.case, judgment.chained.tensors
    continued = judgment.after_chain()
    verdicts: list[StageVerdict] = []
    for stage, prefix in candidate.steps(case):
        names = [prefix + row.name for row in stage.makes]
        cells = judgment.ledger.of(names)
        if not cells:
            continue
        reads = tuple(stages.reads(stage, prefix, set(case) | set(chain)))
        verdict = StageVerdict(stage, prefix, names, Blame.CLEAN, cells, reads=reads)
        _blame(judgment, verdict, continued)
        _blame_shared(judgment, verdict, verdicts)
        verdicts.append(verdict)
    return verdicts


def _blame_shared(judgment: Judgment, verdict: StageVerdict, earlier: list[StageVerdict]) -> None:
    """Blame the first of several stages that make a tensor themselves which no golden holds.

    The gated input of a stream is such a tensor: run alone, both the resampled ring and the loudness mix make it of the
    blocks. An error of the gate is one fault, and not one for each stage that needs the tensor.
    """
    if verdict.blame is not Blame.ORIGIN or not verdict.failed_in(Mode.ISOLATED):
        return
    before = {stage.name for stage in itertools.takewhile(lambda each: each != verdict.stage, stages.every())}
    for name in _made_inside(judgment.case, verdict):
        for other in earlier:
            is_other = other.stage.name in before and name in _made_inside(judgment.case, other)
            if is_other and other.failed_in(Mode.ISOLATED):
                verdict.blame, verdict.shares = Blame.INHERITED, other.title
                verdict.sentence = (
                    f"{verdict.title} and {other.title} both differ alone, and both make {name}, which no golden "
                    f"holds; mend {other.title} first"
                )
                return


def _made_inside(case: Case, verdict: StageVerdict) -> set[str]:
    """The local names of optional tensors that a stage reads, and makes of others where the golden lacks them."""
    names: set[str] = set()
    for read in verdict.stage.reads:
        first, *others = stages.alternatives(read)
        name = verdict.prefix + first
        if others and name not in case and stages.tensor(name).optional:
            names.add(first)
    return names


def _provided_sources(judgment: Judgment, verdict: StageVerdict) -> tuple[set[str], list[str]]:
    """What a stage depends on in the chain, as far as the candidate provides it.

    A tensor that is not provided is replaced by what its own stage reads.

    Returns:
        The nearest tensors that were judged, and the names of those that are not provided between.
    """
    absent = {
        cell.tensor
        for cell in judgment.ledger.cells
        if cell.mode is Mode.CHAINED and cell.state is CellState.NOT_PROVIDED
    }
    sources, between, todo = set[str](), list[str](), [*verdict.reads, *_of_block_before(verdict)]
    present = set(judgment.case) | set(judgment.chained.tensors)
    while todo:
        name = todo.pop()
        if name in sources or name in between or name in verdict.tensors:
            continue
        if name not in absent:
            sources.add(name)
            continue
        between.append(name)
        stage = stages.stage_of(name)
        todo += stages.reads(stage, TensorName.parse(name).prefix, present) if stage else []
    return sources, between


def _blame(judgment: Judgment, verdict: StageVerdict, continued: Case) -> None:
    """Set blame and sentence; `continued` is the case whose streams continue from the candidate's chain."""
    sources, between = _provided_sources(judgment, verdict)
    inputs_failed = judgment.ledger.any_failed(sources, Mode.CHAINED)
    replaced = [name for name in verdict.reads if _is_another_input(judgment, name)]
    tested_alone = any(not cell.state.untested for cell in verdict.cells if cell.mode is Mode.ISOLATED)
    title = verdict.title
    if all(cell.state.untested for cell in verdict.cells):
        verdict.blame, verdict.sentence = Blame.NOT_TESTED, verdict.cells[0].sentence
    elif verdict.failed_in(Mode.ISOLATED):
        crashed = all(cell.state is CellState.ERROR for cell in verdict.failed_in(Mode.ISOLATED))
        verdict.blame = Blame.ORIGIN
        verdict.sentence = f"{title} {'fails' if crashed else 'differs'} on the golden's own inputs"
    elif not verdict.failed_in(Mode.CHAINED):
        if any(cell.state is CellState.EXPLAINED for cell in verdict.cells):
            verdict.blame = Blame.KNIFE_EDGE
            verdict.sentence = f"{title} decided otherwise where the golden stood on the edge"
    elif _is_crash(verdict):
        _blame_crash(judgment, verdict, inputs_failed)
    elif replaced:
        verdict.blame = Blame.INHERITED
        verdict.sentence = (
            f"{title} read another {replaced[0]} than the golden; use the golden's own, since no two programs draw the "
            "same noise"
        )
    elif between and not inputs_failed and tested_alone and (wrong := _wrong_alone(judgment, between)):
        verdict.blame = Blame.INHERITED
        verdict.sentence = (
            f"{title} is right on the golden's inputs; its error arises in {_listed(wrong)}, which is wrong alone and "
            "which the conversion does not provide"
        )
    elif between and not inputs_failed:
        verdict.blame = Blame.ORIGIN
        verdict.sentence = (
            f"{title} is the first to differ of what is provided; the error arises in it or before it, in "
            f"{_listed(between)}, which the candidate does not provide"
        )
    elif not tested_alone and not inputs_failed and (edge := _not_replayed_behind(judgment, verdict, sources)):
        verdict.blame = Blame.INHERITED
        verdict.sentence = (
            f"{title} follows {edge}, which differs within its margin; the stage could not be run again with the "
            "golden's decision, so that no error of its own is known"
        )
    elif not tested_alone:
        verdict.blame = Blame.INHERITED if inputs_failed else Blame.ORIGIN
        verdict.sentence = (
            f"{title} differs and so do its inputs; alone it was not tested"
            if inputs_failed
            else f"{title} is the first to differ: what it reads is within its limits"
        )
    else:
        _blame_chain(judgment, verdict, inputs_failed, continued)


def _not_replayed_behind(judgment: Judgment, verdict: StageVerdict, sources: set[str]) -> str | None:
    """The explained decision that a stage reads, where it was not run again with the golden's; None without one."""
    if (verdict.stage.name, verdict.prefix) in judgment.replayed:
        return None
    explained = [cell.tensor for cell in judgment.ledger.of(sources, Mode.CHAINED) if cell.state is CellState.EXPLAINED]
    return explained[0] if explained else None


def _wrong_alone(judgment: Judgment, names: list[str]) -> list[str]:
    """The tensors, of those given, that differ from the golden's where their stage runs alone."""
    return [name for name in names if judgment.ledger.any_failed({name}, Mode.ISOLATED)]


def _listed(names: list[str]) -> str:
    """The first names of a list in flow order; the rest are counted."""
    rest = len(names) - _LISTED
    return ", ".join(names[::-1][:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _is_crash(verdict: StageVerdict) -> bool:
    """Whether the stage failed in the chain because the conversion ended with an error."""
    failed = verdict.failed_in(Mode.CHAINED)
    return bool(failed) and all(cell.state is CellState.ERROR for cell in failed)


def _blame_crash(judgment: Judgment, verdict: StageVerdict, inputs_failed: bool) -> None:
    """Blame the stage in which a conversion ended, unless its inputs are wrong: then the crash is inherited."""
    crash = judgment.chained.crash
    here = crash is not None and crash.is_at(verdict.stage, verdict.prefix)
    if crash is not None and here and inputs_failed:
        verdict.blame = Blame.INHERITED
        verdict.sentence = (
            f"the whole conversion ended in {verdict.title}, whose inputs differ from the golden's: {crash.reason}"
        )
    elif crash is not None and here:
        verdict.blame = Blame.ORIGIN
        verdict.sentence = (
            f"the whole conversion ended in {verdict.title}, the first stage that it did not make: {crash.reason}"
        )
    else:
        verdict.blame = Blame.INHERITED
        verdict.sentence = (
            f"the whole conversion ended before {verdict.title} was made; where is not known, because it handed over "
            "no tensor"
        )


def _of_block_before(verdict: StageVerdict) -> list[str]:
    """For a stage of a stream, its inputs and outputs of the block before, from which its state comes."""
    if stages.scope_of(verdict.prefix) is not Scope.BLOCK or stages.index_of(verdict.prefix) == 0:
        return []
    before = stages.prefix(Scope.BLOCK, stages.index_of(verdict.prefix) - 1)
    return [before + TensorName.parse(name).local for name in (*verdict.reads, *verdict.tensors)]


def _is_another_input(judgment: Judgment, name: str) -> bool:
    """Whether a dump holds an input of the conversion (audio, noise) that differs from the golden's."""
    case, chain = judgment.case, judgment.chained.tensors
    if name not in case or name not in chain or not stages.is_input(name):
        return False
    return chain[name].shape != case[name].shape or not bool((chain[name] == case[name]).all())


def _blame_chain(judgment: Judgment, verdict: StageVerdict, inputs_failed: bool, continued: Case) -> None:
    """Blame a stage that is right alone and wrong in the chain, by running it alone on the chain's own inputs."""
    chain = judgment.chained.tensors
    again = _run_again(judgment, verdict, continued)
    consistent = again is None or all(
        name not in again or name not in chain or _agree(again[name], chain[name]) for name in verdict.tensors
    )
    title = verdict.title
    if not consistent:
        verdict.blame = Blame.ORIGIN
        verdict.sentence = (
            f"{title} is right on the golden's inputs, but within the chain it does not make "
            "of its inputs what it makes of them alone: is a slice, a state or an option wrong?"
        )
    elif inputs_failed:
        verdict.blame = Blame.INHERITED
        verdict.sentence = f"{title} is right on the golden's inputs; its error came with what it reads"
    elif _gain(judgment, verdict) > AMPLIFIED:
        verdict.blame = Blame.ORIGIN
        verdict.sentence = f"{title} differs in the chain although what it reads is far within its limits"
    else:
        verdict.blame = Blame.AMPLIFIES
        verdict.sentence = f"{title} makes a failure of an input error that is within its limits"
    if again is not None:
        verdict.inherited = _inherited(judgment.case, verdict, again)


def _run_again(judgment: Judgment, verdict: StageVerdict, continued: Case) -> Tensors | None:
    """The stage's outputs on the chain's own inputs; None where it cannot be run alone."""
    program, chain = judgment.candidate, judgment.chained.tensors
    if program is None or not program.offers(verdict.stage):
        return None
    if any(name not in chain and not stages.is_input(name) for name in verdict.reads):
        return None  # an input that the candidate did not hand over
    try:
        inputs = candidate.inputs(continued, verdict.stage, verdict.prefix, chain)
        return program.run_stage(continued, verdict.stage, verdict.prefix, inputs)
    except (ParityError, KeyError):
        return None


def _agree(one: Array, other: Array) -> bool:
    """Whether two runs of one stage differ by far less than any limit."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return metrics.relative(other, one) <= SAME_RUN


def _gain(judgment: Judgment, verdict: StageVerdict) -> float:
    """The stage's chained error over that of its inputs, both in times their limits."""
    inputs = judgment.ledger.of({*verdict.reads, *_of_block_before(verdict)}, Mode.CHAINED)
    own = max((cell.times_limit or 0 for cell in verdict.cells if cell.mode is Mode.CHAINED), default=0)
    read = max((cell.times_limit or 0 for cell in inputs), default=0)
    return metrics.ratio(own, read)


def _inherited(case: Case, verdict: StageVerdict, again: NamedArrays) -> float | None:
    """The largest relative RMS by which the candidate's own inputs move the outputs of its own stage."""
    errors = []
    for name in verdict.tensors:
        if name in again and name in case and again[name].shape == case[name].shape and case[name].dtype.kind == "f":
            errors.append(metrics.relative(case[name], again[name]))
    return metrics.number(max(errors)) if errors else None
