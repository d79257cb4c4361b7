"""Who is to blame: each stage clean, origin, amplifies, inherited, knife-edge or not tested.

Isolation gives a stage the golden's own inputs, so what fails there is its own. In a chain the error of the inputs
comes along; how much of it is inherited is measured by running the stage once more, on the candidate's own inputs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, Tensors
from parity.errors import ParityError
from parity.goldens import time_axes
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge import ledger as cells
from parity.judge import limits as tolerance
from parity.judge import metrics
from parity.judge.decisions import margins, voicing
from parity.judge.diagnosis import causes, error_shape, realtime
from parity.judge.ledger import Cell, Ledger
from parity.judge.metrics import Worst

AMPLIFIED = 100.0  # an input error within its limit that fails here was multiplied; more than this is no amplification


@dataclass
class StageVerdict:
    """What one stage under one prefix came to."""

    stage: stages.Stage
    prefix: str
    tensors: list[str]
    blame: str
    cells: list[Cell]
    sentence: str | None = None
    reads: tuple[str, ...] = ()
    own: float | None = None
    inherited: float | None = None
    first: Worst | None = None
    shape: Mapping[str, str] | None = None
    cause: Mapping[str, Any] | None = None
    drift: float | None = None
    magnitude: float | None = None

    @property
    def failed(self) -> bool:
        """Whether any of its cells says no."""
        return any(cell.failed for cell in self.cells)

    def times_limit(self, mode: str) -> float | None:
        """The worst of its cells in one mode, in times the limit."""
        found = [cell.times_limit for cell in self.cells if cell.mode == mode and cell.times_limit is not None]
        return max(found, default=None)


def explain_flips(
    case: Case,
    ledger: Ledger,
    alone: Tensors,
    whole: Tensors,
    limits: tolerance.Limits,
    program: Candidate | None,
    hear: voicing.Hear | None = None,
) -> None:
    """Mark the decisions whose every flip is explained, and judge what follows with the golden's decision."""
    settled = {} if hear is None else _explain_pitch(case, ledger, alone, whole, limits, hear)
    if settled and program is not None:
        whole = _judge_what_follows(case, ledger, whole, settled, limits, program)
    settled = {}
    for cell in list(ledger.cells):
        if cell.metric != "unequal" or cell.state != "differs":
            continue
        chain = cell.mode == "chained"
        made = whole if chain else {**case, **alone}
        flips = margins.flips(cell.tensor, case, made, chain)
        stage, prefix = stages.stage_of(cell.tensor), stages.TensorName.parse(cell.tensor).prefix
        siblings = {prefix + row.name for row in stage.makes} - {cell.tensor} if stage else set()
        sources = siblings | (stages.upstream(cell.tensor, case) if chain else set())
        explained = (
            not any(other.failed for other in ledger.of(sources, cell.mode))
            and bool(flips)
            and all(flip["explained"] for flip in flips)
        )
        if explained and chain:
            settled[cell.tensor] = case[cell.tensor]
        ledger.put(replace(cell, flips=tuple(flips[:20]), state="explained" if explained else cell.state))
    if settled and program is not None:
        _judge_what_follows(case, ledger, whole, settled, limits, program)


def _explain_pitch(
    case: Case, ledger: Ledger, alone: Tensors, whole: Tensors, limits: tolerance.Limits, hear: voicing.Hear
) -> Tensors:
    """Mark a pitch whose every other frame is one that the network decided on the edge; returns the chain's pitch with
    the golden's decisions in those frames."""
    name, settled = "f0.raw", Tensors()
    for mode, made in (("isolated", alone), ("chained", whole)):
        wrong = [cell for cell in ledger.of([name], mode) if cell.state == "differs"]
        if (
            not wrong
            or "padded" not in case
            or any(cell.failed for cell in ledger.of(stages.upstream(name, case), mode))
        ):
            continue
        frames = voicing.changed(case[name], made[name])
        if not 0 < len(frames) <= max(1, voicing.FEW * case[name].size):
            continue
        mended = made[name].copy()
        mended[frames] = case[name][frames]
        left, _ = cells.judge_tensor(case, name, mode, mended, limits)
        there = hear(case["padded"])
        here = there if mode == "isolated" or "padded" not in made else hear(made["padded"])
        if there is None or here is None or any(cell.failed for cell in left):
            continue
        flips = voicing.flips(case[name], made[name], there, here)
        explained = all(flip["explained"] for flip in flips)
        for cell in wrong:
            ledger.put(replace(cell, flips=tuple(flips[:20]), state="explained" if explained else cell.state))
        if explained and mode == "chained":
            settled[name] = mended
    return settled


def _judge_what_follows(
    case: Case, ledger: Ledger, whole: Tensors, settled: Tensors, limits: tolerance.Limits, program: Candidate
) -> Tensors:
    """Run the stages after explained flips again with the golden's decision, and enter those numbers instead; returns
    the chain as it is then."""
    made: Tensors = {**whole, **settled}
    changed = set(settled)
    for stage, prefix in candidate.steps(case):
        names = [prefix + row.name for row in stage.makes]
        if not changed & set(stages.reads(stage, prefix, made)) or not program.offers(stage):
            continue
        try:
            past = case.after(made) if case.facts.blocks else case
            fresh = program.run_stage(past, stage, prefix, candidate.inputs(case, stage, prefix, made))
        except ParityError:
            continue
        for name in names:
            if name in fresh and name in case and name not in settled:
                made[name] = fresh[name]
                changed.add(name)
                for cell in cells.judge_tensor(case, name, "chained", fresh[name], limits)[0]:
                    ledger.put(cell)
    return made


def accuse(
    case: Case,
    ledger: Ledger,
    alone: Tensors,
    whole: Tensors,
    limits: tolerance.Limits,
    program: Candidate | None,
    oracle: causes.Oracle | None = None,
) -> list[StageVerdict]:
    """The verdict on every stage of a case, in flow order."""
    found: list[StageVerdict] = []
    past = case.after(whole) if case.facts.blocks else case  # what a stage of a stream remembers is the chain's own
    for stage, prefix in candidate.steps(case):
        names = [prefix + row.name for row in stage.makes]
        mine = ledger.of(names)
        if not mine:
            continue
        reads = tuple(stages.reads(stage, prefix, set(case) | set(whole)))
        verdict = StageVerdict(stage, prefix, names, "clean", mine, reads=reads)
        _blame(case, ledger, verdict, whole, program, past)
        ended = [cell.state == "error" for cell in verdict.cells if cell.mode == "chained" and cell.failed]
        if (
            verdict.blame not in ("clean", "not tested")
            and ended
            and all(ended)
            and not any(cell.failed for cell in verdict.cells if cell.mode == "isolated")
        ):
            guilty = any(other.blame == "origin" for other in found)
            verdict.blame = "inherited" if guilty else "origin"
            verdict.sentence = f"{_title(verdict)} was never reached: the conversion had ended before it"
        if verdict.failed:
            _describe(case, ledger, verdict, alone, whole, limits, oracle)
        found.append(verdict)
    return found


def _blame(
    case: Case, ledger: Ledger, verdict: StageVerdict, whole: Tensors, program: Candidate | None, past: Case
) -> None:
    alone_bad = any(cell.failed for cell in verdict.cells if cell.mode == "isolated")
    chain_bad = any(cell.failed for cell in verdict.cells if cell.mode == "chained")
    inputs_bad = any(cell.failed for cell in ledger.of({*verdict.reads, *_remembered(verdict)}, "chained"))
    other = [name for name in verdict.reads if _otherwise_given(case, whole, name)]
    alone_tested = any(cell.state != "not tested" for cell in verdict.cells if cell.mode == "isolated")
    if all(cell.state == "not tested" for cell in verdict.cells):
        verdict.blame, verdict.sentence = "not tested", verdict.cells[0].sentence
    elif alone_bad:
        verdict.blame = "origin"
        verdict.sentence = f"{_title(verdict)} differs on the golden's own inputs"
    elif not chain_bad:
        if any(cell.state == "explained" for cell in verdict.cells):
            verdict.blame = "knife-edge"
            verdict.sentence = f"{_title(verdict)} decided otherwise where the golden stood on the edge"
    elif other:
        verdict.blame = "inherited"
        verdict.sentence = (
            f"{_title(verdict)} was given another {other[0]} than the golden; hand over the golden's "
            "own, since no two programs draw the same noise"
        )
    elif not alone_tested:
        verdict.blame = "inherited" if inputs_bad else "origin"
        verdict.sentence = (
            f"{_title(verdict)} differs and so do its inputs; alone it was not tested"
            if inputs_bad
            else f"{_title(verdict)} is the first to differ: what it reads is within its limits"
        )
    else:
        _blame_chain(case, ledger, verdict, whole, program, inputs_bad, past)


def _remembered(verdict: StageVerdict) -> list[str]:
    """Of a stage of a stream, what it read and made in the block before: what it remembers comes from there."""
    block = re.fullmatch(r"rt\.(\d+)\.", verdict.prefix)
    if block is None or int(block[1]) == 0:
        return []
    before = f"rt.{int(block[1]) - 1}."
    return [before + stages.TensorName.parse(name).local for name in (*verdict.reads, *verdict.tensors)]


def _otherwise_given(case: Case, whole: Tensors, name: str) -> bool:
    """Whether a dump holds an input (the sound, a draw of noise) that is not the golden's."""
    if name not in case or name not in whole or stages.stage_of(name) is not None:
        return False
    return whole[name].shape != case[name].shape or not bool((whole[name] == case[name]).all())


def _blame_chain(
    case: Case,
    ledger: Ledger,
    verdict: StageVerdict,
    whole: Tensors,
    program: Candidate | None,
    inputs_bad: bool,
    past: Case,
) -> None:
    """A stage that is right alone and wrong in the chain: what does it make of the chain's own inputs?"""
    again = _again(past, verdict, whole, program)
    consistent = again is None or all(
        name not in again or name not in whole or _near(name, again[name], whole[name]) for name in verdict.tensors
    )
    if not consistent:
        verdict.blame = "origin"
        verdict.sentence = (
            f"{_title(verdict)} is right on the golden's inputs, but within the chain it does not make "
            "of its inputs what it makes of them alone: is a slice, a state or an option wrong?"
        )
    elif inputs_bad:
        verdict.blame = "inherited"
        verdict.sentence = f"{_title(verdict)} is right on the golden's inputs; its error came with what it reads"
    elif _gain(ledger, verdict) > AMPLIFIED:
        verdict.blame = "origin"
        verdict.sentence = f"{_title(verdict)} differs in the chain although what it reads is far within its limits"
    else:
        verdict.blame = "amplifies"
        verdict.sentence = f"{_title(verdict)} makes a failure of an input error that is within its limits"
    if again is not None:
        _split(case, verdict, again)


def _again(case: Case, verdict: StageVerdict, whole: Tensors, program: Candidate | None) -> Tensors | None:
    if program is None or not program.offers(verdict.stage):
        return None
    try:
        return program.run_stage(
            case, verdict.stage, verdict.prefix, candidate.inputs(case, verdict.stage, verdict.prefix, whole)
        )
    except (ParityError, KeyError):
        return None


def _near(name: str, one: Array, other: Array) -> bool:
    """Whether two runs of one stage agree far below any limit."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return metrics.rms(one.astype("f8") - other.astype("f8")) <= 1e-5 * metrics.rms(other)


def _gain(ledger: Ledger, verdict: StageVerdict) -> float:
    mine = max((cell.times_limit or 0 for cell in verdict.cells if cell.mode == "chained"), default=0)
    read = max(
        (cell.times_limit or 0 for cell in ledger.of({*verdict.reads, *_remembered(verdict)}, "chained")), default=0
    )
    return metrics.ratio(mine, read)


def _split(case: Case, verdict: StageVerdict, again: Tensors) -> None:
    """Own error: isolated. Inherited: how far the candidate's own inputs move the candidate's own stage."""
    errors = []
    for name in verdict.tensors:
        if name in again and name in case and again[name].shape == case[name].shape and case[name].dtype.kind == "f":
            errors.append(metrics.ratio(metrics.rms(again[name].astype("f8") - case[name]), metrics.rms(case[name])))
    verdict.inherited = metrics.number(max(errors)) if errors else None


def _describe(
    case: Case,
    ledger: Ledger,
    verdict: StageVerdict,
    alone: Tensors,
    whole: Tensors,
    limits: tolerance.Limits,
    oracle: causes.Oracle | None,
) -> None:
    mode = "isolated" if any(cell.failed and cell.mode == "isolated" for cell in verdict.cells) else "chained"
    made = alone if mode == "isolated" else whole
    bad = [cell for cell in verdict.cells if cell.failed and cell.mode == mode]
    name = bad[0].tensor
    own = [
        cell.value
        for cell in verdict.cells
        if cell.mode == "isolated" and cell.metric == "relative_rms" and cell.value is not None
    ]
    verdict.own = metrics.number(max(own)) if own else None
    if (mode, name) in ledger.numbers and name in made:
        row, axis = stages.tensor(name), time_axes.axis(name, case.document, case)
        if row.kind == "decision":
            verdict.first = metrics.first_above(row, case[name], made[name], 0.0, axis)
        else:
            limit = limits.find(name, mode, "worst_frame", tolerance.network_f0(case.options)).limit
            scale = metrics.rms(case[name].astype("f8") - (case[name].mean() if row.kind in ("wave", "pcm") else 0))
            verdict.first = metrics.first_above(row, case[name], made[name], limit * scale, axis)
        verdict.shape = _stream_shape(ledger, mode, name) or error_shape.shape(
            ledger.curves[mode, name], _seams(case, name)
        )
        if row.kind == "wave" and mode == "chained":
            verdict.drift = error_shape.drift_cents(whole, case, verdict.prefix)
            verdict.magnitude = metrics.number(error_shape.magnitude(made[name], case[name]))
    if verdict.blame == "origin":
        length = (
            realtime.other_length(case, verdict.stage.name, made[name], case[name])
            if name in made and (name in case)
            else None
        )
        verdict.cause = length or causes.suggest(case, verdict.stage, verdict.prefix, name, made, mode, oracle)
        if verdict.cause["name"] == "unknown" and getattr(oracle, "refused", False):
            verdict.cause = causes.suggest(case, verdict.stage, verdict.prefix, name, made, mode, None)


def _stream_shape(ledger: Ledger, mode: str, name: str) -> dict[str, str] | None:
    parsed = stages.TensorName.parse(name)
    if parsed.scope is not stages.Scope.BLOCK:
        return None
    blocks = [
        curve
        for (where, other), curve in ledger.curves.items()
        if where == mode and stages.TensorName.parse(other).unnumbered == parsed.unnumbered
    ]
    return error_shape.over_blocks(blocks)


def _seams(case: Case, name: str) -> list[int]:
    if stages.TensorName.parse(name).prefix or "segment.cuts" not in case:
        return []
    step = time_axes.axis(name, case.document, case).step
    return [int(cut / stages.SR16 / max(step or 0.01, 0.01)) for cut in case["segment.cuts"]]


def _title(verdict: StageVerdict) -> str:
    return f"{verdict.prefix}{verdict.stage.name}" if verdict.prefix else verdict.stage.name
