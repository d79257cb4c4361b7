"""The states of a verdict as enumerations. Their values are the strings of verdict.json."""

from enum import StrEnum


class Mode(StrEnum):
    """How a stage was run."""

    ISOLATED = "isolated"  # on the golden's own inputs
    CHAINED = "chained"  # within a whole conversion


class Metric(StrEnum):
    """What a cell measures."""

    FORM = "form"  # dtype, shape and presence
    RELATIVE_RMS = "relative_rms"  # RMS of the difference over RMS of the golden
    WORST_FRAME = "worst_frame"  # RMS of the difference in its largest frame, over RMS of the golden
    UNEQUAL = "unequal"  # the number of decisions that differ
    STEPS = "steps"  # the largest difference of two 16-bit samples


class CellState(StrEnum):
    """The result of one check."""

    SAME = "same"  # equal bit by bit
    CLOSE = "close"  # within the limit
    EXPLAINED = "explained"  # a decision that differs within its margin
    DIFFERS = "differs"  # beyond the limit
    MISSING = "missing"  # a declared stage or conversion made no tensor at all, or the golden lacks it
    SHAPE = "shape"
    DTYPE = "dtype"
    NAN = "nan"
    EMPTY = "empty"
    ERROR = "error"  # the stage failed, crashed or timed out
    WAIVED = "waived"  # beyond the limit, and a waiver names the cell
    NOT_TESTED = "not tested"  # the candidate declares that it lacks the stage, or ended before it
    NOT_PROVIDED = "not provided"  # the candidate ran and handed over other tensors, but not this one

    @property
    def untested(self) -> bool:
        """Whether nothing was compared: the cell is no failure, and its run is partial."""
        return self in UNTESTED

    @property
    def passes(self) -> bool:
        """Whether the cell was compared, or waived, and is accepted."""
        return self in PASSING

    @property
    def failed(self) -> bool:
        """Whether the cell makes its case differ."""
        return self not in PASSING and self not in UNTESTED


UNTESTED = (CellState.NOT_TESTED, CellState.NOT_PROVIDED)
PASSING = (CellState.SAME, CellState.CLOSE, CellState.EXPLAINED, CellState.WAIVED)


class Blame(StrEnum):
    """The role of a stage in what differs."""

    CLEAN = "clean"
    ORIGIN = "origin"  # the error arises here
    AMPLIFIES = "amplifies"  # an input error within its limit becomes an output error beyond it
    INHERITED = "inherited"  # the error came with the inputs
    KNIFE_EDGE = "knife-edge"  # a decision differs within its margin
    NOT_TESTED = "not tested"


class NotTried(StrEnum):
    """What a judgment needs networks for, and leaves out where torch or `rvc` is not installed."""

    CAUSES = "known mistakes inside networks"
    SALIENCE = "margins of the decisions of pitch networks"
    PROFILES = "conversions under the other profiles"
    CONTINUATION = "stages behind the first wrong one of a conversion"
    OTHER_INPUTS = "answers to other inputs than the goldens'"


class CaseState(StrEnum):
    """The result of one case, and of a run (`PASS`, `PARTIAL`, `DIFFERS` or `NOTHING`)."""

    PASS = "pass"
    PARTIAL = "partial"  # nothing failed, and not everything was compared
    DIFFERS = "differs"
    UNREADABLE = "unreadable"  # the golden cannot be opened
    NOTHING = "nothing"  # no cell was compared
    DECLINED = "declined"  # the candidate declares that it does not support the case


class Tier(StrEnum):
    """How near to the original's float32 result something is, best first; the originals in that precision are as near.

    `NONE` is farther than every tier.
    """

    BIT_EXACT = "bit-exact"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    NONE = "none"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Tier).index(self)


PASS_MARKS = tuple(tier for tier in Tier if tier is not Tier.NONE)  # the tiers that a run can require
