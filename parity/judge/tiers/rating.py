"""The best tier that each stage of a case reaches, and the whole case."""

from parity.judge import verdict
from parity.judge.blame import StageVerdict
from parity.judge.judgment import Judgment
from parity.judge.ledger import Cell, Ledger
from parity.judge.states import CellState, Tier
from parity.judge.tiers import tier_limits
from parity.judge.verdict import CaseVerdict
from parity.judge.waivers import Waivers


def rate(judgment: Judgment, judged: CaseVerdict) -> None:
    """Set the tier of a case and of each of its stages; of those that were not tested, none.

    What the candidate made is judged by the limits of each tier in turn, the best one first, until every stage is
    within one. A waiver is no part of a tier: its cell counts as it was measured.

    Args:
        judgment: the judgment of the case.
        judged: its result.
    """
    if judged.setup_failed:
        return
    pending = [stage for stage in judged.stages if any(not cell.state.untested for cell in stage.cells)]
    for stage in pending:
        stage.tier = Tier.BIT_EXACT if all(map(_is_same, stage.cells)) else None
    for tier in (Tier.FLOAT32, *tier_limits.REDUCED):
        rest = [stage for stage in pending if stage.tier is None]
        if not rest:
            break
        cells = _cells(judgment, judged.ledger, tier)
        for stage in rest:
            if all(_passes(cell) for cell in cells.of(stage.tensors)):
                stage.tier = tier
    for stage in pending:
        stage.tier = stage.tier or Tier.NONE
    judged.tier = max((_tier(stage) for stage in pending), key=lambda tier: tier.rank, default=None)


def _tier(stage: StageVerdict) -> Tier:
    return stage.tier or Tier.NONE


def _is_same(cell: Cell) -> bool:
    return cell.state is CellState.SAME or cell.state.untested


def _passes(cell: Cell) -> bool:
    return (cell.state.passes and cell.state is not CellState.WAIVED) or cell.state.untested


def _cells(judgment: Judgment, ledger: Ledger, tier: Tier) -> Ledger:
    """The cells of a case by the limits of a tier."""
    if judgment.limits.tier is tier:
        return ledger
    other = Judgment(
        judgment.case,
        tier_limits.load(tier, device=judgment.limits.device),
        Waivers(),
        judgment.candidate,
        judgment.only_stage,
        judgment.counterfactuals,
        judgment.modes,
        judgment.isolated,
        judgment.chained,
    )
    verdict.compare(other)
    return other.ledger
