"""How each state of verdict.json is shown: mark, symbol, label, and its place in the order of severity.

The states are those of `parity.judge.states`; tests/reports/test_states.py compares the tables below with the
schema, so that a state added there needs a row here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from parity.judge.states import Blame, CaseState, CellState

NOT_TESTED = CellState.NOT_TESTED
NO_CELL = "none"  # a cell of a table for a tensor that the case does not have; not a state of the schema


class Mark(StrEnum):
    """The three ways in which a state can look; style sheets and scripts use these values."""

    GOOD = "good"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True)
class Rendering:
    """How one state is shown.

    Attributes:
        mark: decides the color.
        symbol: one character in front of names.
        label: the state in a sentence or a list.
        severity: 0 for the mildest state; the most severe state of a group represents the group.
        headline: the headline of a case's page, where it does not depend on the stages; "" for states of cells.
    """

    mark: Mark
    symbol: str
    label: str
    severity: int
    headline: str = ""


# State, symbol and label of a cell, the mildest first.
_CELLS = (
    (CellState.NOT_TESTED, "·", "not tested"),
    (CellState.NOT_PROVIDED, "·", "not provided"),
    (CellState.SAME, "=", "bit for bit the same"),
    (CellState.CLOSE, "✓", "within its limit"),
    (CellState.WAIVED, "w", "waived"),
    (CellState.EXPLAINED, "≈", "explained"),
    (CellState.DIFFERS, "✗", "differs"),
    (CellState.EMPTY, "✗", "empty"),
    (CellState.DTYPE, "✗", "dtype"),
    (CellState.SHAPE, "✗", "shape"),
    (CellState.MISSING, "✗", "missing"),
    (CellState.ERROR, "✗", "error"),
    (CellState.NAN, "✗", "nan"),
)


def _cell_mark(state: CellState) -> Mark:
    if state.passes:
        return Mark.GOOD
    return Mark.BAD if state.failed else Mark.QUIET


CELLS: Mapping[str, Rendering] = {
    state: Rendering(_cell_mark(state), symbol, label, severity)
    for severity, (state, symbol, label) in enumerate(_CELLS)
}

# In the order in which the index offers them as filters.
CASES: Mapping[str, Rendering] = {
    CaseState.DIFFERS: Rendering(Mark.BAD, "✗", "differs", 2),
    CaseState.PASS: Rendering(Mark.GOOD, "✓", "passes", 1),
    CaseState.PARTIAL: Rendering(Mark.QUIET, "◐", "partial", 1, "Partial: nothing failed, not everything was compared"),
    CaseState.UNREADABLE: Rendering(Mark.BAD, "✗", "unreadable", 3, "Could not be judged"),
    CaseState.NOTHING: Rendering(Mark.BAD, "✗", "nothing compared", 3, "Nothing was compared"),
    CaseState.DECLINED: Rendering(Mark.QUIET, "–", "declined", 0, "Not judged: the candidate declines this case"),
}

VERDICTS: Mapping[str, Rendering] = {
    CaseState.PASS: Rendering(Mark.GOOD, "✓", "pass", 0),
    CaseState.PARTIAL: Rendering(Mark.QUIET, "◐", "partial", 1),
    CaseState.DIFFERS: Rendering(Mark.BAD, "✗", "differs", 1),
    CaseState.NOTHING: Rendering(Mark.BAD, "✗", "nothing", 2),
}

# Titles of the cards of blamed stages. Stages with another blame get no card of their own.
BLAME_TITLES: Mapping[str, str] = {
    Blame.ORIGIN: "Origin",
    Blame.AMPLIFIES: "Amplifies its input's error",
    Blame.KNIFE_EDGE: "On a knife's edge",
}
BLAME_ORDER = (
    Blame.ORIGIN,
    Blame.AMPLIFIES,
    Blame.KNIFE_EDGE,
    Blame.INHERITED,
    Blame.CLEAN,
    Blame.NOT_TESTED,
)
"""The blame of a tensor with several segments is the first of these that one of its segments has."""
