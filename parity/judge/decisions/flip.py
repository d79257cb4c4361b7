"""A flip: one element of a decision that differs from the golden's, as verdict.json holds it."""

from typing import TypedDict


class Flip(TypedDict):
    """A differing decision with its margin.

    Attributes:
        index: The position of the element.
        ours: The candidate's decision; None where it is not one element.
        golden: The golden's decision.
        margin: How far the golden was from the other decision, in the unit of the quantity that is decided on; None
            where no margin is known.
        upstream: How far the errors of the candidate's own inputs can have moved that quantity, in the same unit.
        explained: Whether the upstream error reaches the margin.
        sentence: The flip as a sentence, for the report.
    """

    index: list[int]
    ours: float | None
    golden: float | None
    margin: float | None
    upstream: float | None
    explained: bool
    sentence: str


def flip(
    index: tuple[int, ...], ours: float | None, golden: float | None, margin: float, upstream: float, what: str
) -> Flip:
    """A flip whose margin is known. `what` is the beginning of its sentence, which ends with the upstream error."""
    explained = margin <= upstream
    word = "reaches" if explained else "does not reach"
    return Flip(
        index=list(index),
        ours=ours,
        golden=golden,
        margin=margin,
        upstream=upstream,
        explained=explained,
        sentence=f"{what}; the upstream error {upstream:.2g} {word} it",
    )


def without_margin(index: tuple[int, ...], ours: float, golden: float, sentence: str) -> Flip:
    """A flip for which no margin is known, so that nothing explains it."""
    return Flip(
        index=list(index), ours=ours, golden=golden, margin=None, upstream=None, explained=False, sentence=sentence
    )


def unexplained(
    index: tuple[int, ...], ours: float, golden: float, margin: float, upstream: float, sentence: str
) -> Flip:
    """A flip whose margin is known, but which does not follow from the candidate's own quantities."""
    return Flip(
        index=list(index),
        ours=ours,
        golden=golden,
        margin=margin,
        upstream=upstream,
        explained=False,
        sentence=f"the golden was {margin:.2g} from deciding otherwise; {sentence}",
    )
