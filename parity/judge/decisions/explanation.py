"""Decisions that differ within their margin: their cells are explained, and what follows is judged with the
golden's."""

from dataclasses import replace

from parity import stages
from parity.candidates import candidate
from parity.goldens.arrays import NamedArrays, Tensors
from parity.goldens.store import Case
from parity.judge import ledger as cells
from parity.judge.decisions import margins, voicing
from parity.judge.judgment import Judgment
from parity.judge.replay import Replay, Unavailable
from parity.judge.states import CellState, Metric, Mode
from parity.stages import TensorName

# Decision → tensors whose rows belong to what was chosen in the same row.
_BELONGING = {"retrieval.ids": ("retrieval.distances",)}


def explain_flips(judgment: Judgment) -> None:
    """Mark every decision whose differing elements are all explained.

    In a chain, the stages that follow an explained decision are run again with the golden's decision, by the candidate
    or by `rvc` in its place, and their cells are those of that run.
    """
    chain: Tensors = judgment.chained.tensors
    settled = _explain_pitch(judgment)
    if settled:
        chain = _judge_followers(judgment, chain, settled)
    case, ledger = judgment.case, judgment.ledger
    settled = {}
    for cell in list(ledger.cells):
        if cell.metric is not Metric.UNEQUAL or cell.state is not CellState.DIFFERS:
            continue
        chained = cell.mode is Mode.CHAINED
        made = chain if chained else {**case, **judgment.isolated.tensors}
        flips = margins.flips(cell.tensor, case, made, chained, case.options)
        upstream = stages.upstream(cell.tensor, case) if chained else set()
        # In a reduced tier the originals' own decisions differ by some that no margin explains; else none is allowed.
        allowed = judgment.limits.find(cell.tensor, cell.mode, cell.metric, judgment.network_f0).limit
        unexplained = (cell.value or 0) - sum(bool(flip["explained"]) for flip in flips)
        explained = (
            not ledger.any_failed(_siblings(cell.tensor) | upstream, cell.mode)
            and bool(flips)
            and unexplained <= allowed
        )
        if explained and chained:
            settled |= golden_decision(case, chain, cell.tensor)
        state = CellState.EXPLAINED if explained else cell.state
        ledger.put(replace(cell, flips=tuple(flips[: margins.MOST_LISTED]), state=state))
    if settled:
        _judge_followers(judgment, chain, settled)


def golden_decision(case: Case, chain: NamedArrays, name: str) -> Tensors:
    """The golden's decision, with what belongs to it in the rows where the chain decided otherwise."""
    settled: Tensors = {name: case[name]}
    for local in _BELONGING.get(TensorName.parse(name).local, ()):
        other = str(TensorName.parse(name).sibling(local))
        if other in chain and other in case and chain[other].shape == case[other].shape:
            rows = (chain[name] != case[name]).any(axis=-1)
            settled[other] = chain[other].copy()
            settled[other][rows] = case[other][rows]
    return settled


def _siblings(name: str) -> set[str]:
    """The other outputs of the stage that makes a tensor."""
    stage, prefix = stages.stage_of(name), TensorName.parse(name).prefix
    return {prefix + row.name for row in stage.makes} - {name} if stage else set()


def _explain_pitch(judgment: Judgment) -> Tensors:
    """Explain the frames of a pitch track in which the network decided on the edge.

    Returns:
        The track of the chain with the golden's decisions in those frames; nothing where they are not all explained.
    """
    case, ledger, name = judgment.case, judgment.ledger, "f0.raw"
    settled: Tensors = {}
    if judgment.counterfactuals is None:
        return settled
    for mode in Mode:
        made = judgment.run(mode).tensors
        differing = [cell for cell in ledger.of([name], mode) if cell.state is CellState.DIFFERS]
        if not differing or "padded" not in case or ledger.any_failed(stages.upstream(name, case), mode):
            continue
        frames = voicing.changed(case[name], made[name])
        if not 0 < len(frames) <= max(1, voicing.FEW * case[name].size):
            continue
        corrected = made[name].copy()
        corrected[frames] = case[name][frames]
        rest, _ = cells.judge_tensor(case, name, mode, corrected, judgment.limits)
        theirs = judgment.counterfactuals.salience(case["padded"])
        own = theirs
        if mode is Mode.CHAINED and "padded" in made:
            own = judgment.counterfactuals.salience(made["padded"])
        if theirs is None or own is None or any(cell.failed for cell in rest):
            continue
        flips = voicing.flips(case[name], made[name], theirs, own)
        explained = all(flip["explained"] for flip in flips)
        for cell in differing:
            state = CellState.EXPLAINED if explained else cell.state
            ledger.put(replace(cell, flips=tuple(flips[: margins.MOST_LISTED]), state=state))
        if explained and mode is Mode.CHAINED:
            settled[name] = corrected
    return settled


def _judge_followers(judgment: Judgment, chain: Tensors, settled: Tensors) -> Tensors:
    """Run the stages that follow explained decisions again, and enter their cells.

    A stage runs on the candidate's inputs and on those with the golden's decisions. What the candidate's conversion
    made differs from the former by the stage's own error, which is added to the latter. Where a tensor between was not
    provided, it is what the stage makes alone. The cells of a stage that nobody can run again stay as they are.

    Args:
        judgment: The judgment.
        chain: The tensors of its whole conversion.
        settled: The decisions to use in place of the chain's.
    Returns:
        The tensors of the chain as they are then.
    """
    case = judgment.case
    made: Tensors = {**chain, **settled}
    replay = Replay(judgment, dict(chain), is_exact=True)
    changed = set(settled)
    for stage, prefix in candidate.steps(case):
        if not changed & set(stages.reads(stage, prefix, made)):
            continue
        if replay.missing_inputs(stage, prefix, replay.made) or replay.missing_inputs(stage, prefix, made):
            continue
        try:
            fresh = replay.with_own_error(stage, prefix, made)
            if any(name not in replay.made for name in fresh):
                replay.made = replay.compute(stage, prefix, replay.made) | replay.made
        except Unavailable:
            continue
        judgment.replayed.add((stage.name, prefix))
        for name in (prefix + row.name for row in stage.makes):
            if name in fresh and name in case and name not in settled:
                made[name] = fresh[name]
                changed.add(name)
                if name not in chain:
                    continue
                for cell in cells.judge_tensor(case, name, Mode.CHAINED, fresh[name], judgment.limits)[0]:
                    judgment.ledger.put(cell)
    return made
