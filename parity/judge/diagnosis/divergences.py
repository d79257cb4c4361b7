"""The registry of divergences: number, what it is and does, and the causes that name it by stage.

docs/divergences.toml is the source; `tools/divergences.py --write` makes from it parity/data/divergences.json, which is
read here. A cause that is not listed has no number; a new numbered cause is one more name in the TOML.
"""

import json
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parents[2] / "data" / "divergences.json"


@dataclass(frozen=True)
class Causes:
    """Names of causes that name one divergence.

    Attributes:
        stages: The stages whose causes these are, without `rt.`; () for all.
        names: The names of the causes.
    """

    stages: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Divergence:
    """One numbered divergence.

    Attributes:
        number: Such as "D1": its heading in docs/divergences.md.
        title: What differs, in a few words.
        who: Names of the programs that have it.
        since: The version that introduced it; "" where unknown.
        effect: How large it is, and where.
        audible: What a person who listens to the output notices.  # literal
        causes: The causes that name it.
    """

    number: str
    title: str
    who: tuple[str, ...]
    since: str
    effect: str
    audible: str
    causes: tuple[Causes, ...]


def _read() -> tuple[Divergence, ...]:
    rows = json.loads(DATA.read_text(encoding="utf-8"))
    return tuple(
        Divergence(
            row["number"],
            row["title"],
            tuple(row["who"]),
            row["since"],
            row["effect"],
            row["audible"],
            tuple(Causes(tuple(part["stages"]), tuple(part["names"])) for part in row["causes"]),
        )
        for row in rows
    )


REGISTRY = _read()


def number_of(stage: str, cause: str) -> str | None:
    """The number of a cause in docs/divergences.md.

    Args:
        stage: The stage in which the mistake is made, with or without `rt.`.
        cause: The name of the cause.
    Returns:
        Such as "D13"; None where the register has no such divergence.
    """
    local = stage.removeprefix("rt.")
    for row in REGISTRY:
        for part in row.causes:
            if cause in part.names and (not part.stages or local in part.stages):
                return row.number
    return None


def entry(number: str) -> Divergence:
    """The divergence with a number such as "D13".

    Raises:
        KeyError: there is none.
    """
    return next((row for row in REGISTRY if row.number == number), None) or _missing(number)


def _missing(number: str) -> Divergence:
    raise KeyError(f"{number} is not in docs/divergences.toml")
