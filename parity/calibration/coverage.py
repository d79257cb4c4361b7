"""Which cells of kinds × F0 methods × profiles the goldens cover, and which they leave out: python -m parity.coverage.

A cell exists where an original can do it. All of them are not recorded, for size: a fault lies in one part (a kind's
network, a method's tracker, a profile's choice) or between two of them, so every single value and every pair of values
must be covered, and each cell that is left out is listed with the goldens that hold its three pairs.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from parity.goldens import store
from parity.stages.profile_table import METHODS, PROFILES, methods_without_original
from parity.voices import KINDS

NO_METHOD = "no F0"
Pair = tuple[str, str]
Covered = dict["Cell", list[str]]  # cell → names of its goldens


@dataclass(frozen=True, order=True)
class Cell:
    """One thing an original can do."""

    kind: str
    method: str
    profile: str

    def sides(self) -> tuple[Pair, Pair, Pair]:
        """Kind and method, kind and profile, method and profile."""
        return (self.kind, self.method), (self.kind, self.profile), (self.method, self.profile)

    def pairs(self) -> set[Pair]:
        """Every two of its values, the kind whole and also as version, rate and F0."""
        version, rate, f0 = self.kind.split("-")
        return {*self.sides(), *itertools.combinations((version, rate, f0, self.method, self.profile), 2)}

    def values(self) -> set[str]:
        """Each of its values alone."""
        return {self.kind, self.method, self.profile, *self.kind.split("-")}


def existing() -> list[Cell]:
    """Every cell there is."""
    cells = [
        Cell(kind, method, profile.name)
        for kind in KINDS
        for profile in PROFILES.values()
        for method in (profile.methods if not kind.endswith("nof0") else (NO_METHOD,))
    ]
    return sorted(cells)


def covered(goldens: Path) -> Covered:
    """The cells of the offline goldens; each golden is judged isolated and chained."""
    found: Covered = {}
    for folder in store.cases(goldens, None):
        case = store.open_case(folder)
        if "realtime" in case.options:
            continue
        kind = str(case.voice["kind"])
        method = NO_METHOD if kind.endswith("nof0") else str(case.options.get("f0_method", "rmvpe"))
        found.setdefault(Cell(kind, method, case.profile), []).append(case.name)
    return found


def missing_values(cells: Iterable[Cell], have: Iterable[Cell]) -> list[str]:
    """Single values that some cell has and no golden."""
    wanted = set().union(*(cell.values() for cell in cells))
    return sorted(wanted - set().union(*(cell.values() for cell in have)))


def missing_pairs(cells: Iterable[Cell], have: Iterable[Cell]) -> list[Pair]:
    """Pairs of values that some cell has and no golden."""
    wanted = set().union(*(cell.pairs() for cell in cells))
    return sorted(wanted - set().union(*(cell.pairs() for cell in have)))


def state(cell: Cell, have: Covered) -> str:
    """What the table says of a cell: how many goldens, left out, that there is no original, or no such cell ("·")."""
    if cell.kind.endswith("nof0") != (cell.method == NO_METHOD):
        return "·"
    if cell.method not in (*PROFILES[cell.profile].methods, NO_METHOD):
        return "no original"
    count = len(have.get(cell, ()))
    return f"{count} golden{'s' if count > 1 else ''}" if count else "left out"


def table(profile: str, have: Covered) -> str:
    """A row for each kind, a column for each method."""
    methods = (*METHODS, NO_METHOD)
    lines = [f"{profile:14}" + "".join(f"{method:>13}" for method in methods)]
    for kind in KINDS:
        lines.append(f"{kind:14}" + "".join(f"{state(Cell(kind, method, profile), have):>13}" for method in methods))
    return "\n".join(lines)


def left_out(cells: Iterable[Cell], have: Covered) -> Iterator[str]:
    """A line for each cell without a golden: which goldens hold its pairs."""
    witness: dict[Pair, str] = {}
    for cell, names in sorted(have.items()):
        for pair in cell.sides():
            witness[pair] = max(witness.get(pair, ""), max(names))  # a golden named after its cell sorts last
    for cell in cells:
        if cell not in have:
            held = "  ".join(f"{witness.get(pair, 'NO GOLDEN'):22}" for pair in cell.sides())
            yield f"{cell.kind:12}{cell.method:9}{cell.profile:15}{held}".rstrip()


def report(goldens: Path) -> int:
    """Print the tables, the cells without a golden, and the counts.

    Returns:
        0, or 1 where a value or a pair of values is not covered.
    """
    cells, have = existing(), covered(goldens)
    for profile in PROFILES:
        print(table(profile, have) + "\n")
    print(
        f"{'left out':12}{'method':9}{'profile':15}{'kind × method held by':24}"
        f"{'kind × profile held by':24}method × profile held by"
    )
    print("\n".join(left_out(cells, have)))
    print(f"no original at all has {' or '.join(methods_without_original())}: extensions, measured by parity.accuracy")
    values, pairs = missing_values(cells, have), missing_pairs(cells, have)
    counts = [len(set().union(*(kind(cell) for cell in cells))) for kind in (Cell.values, Cell.pairs)]
    print(
        f"\ncoverage: {len(have.keys() & set(cells))} of {len(cells)} cells, "
        f"{counts[0] - len(values)} of {counts[0]} values, {counts[1] - len(pairs)} of {counts[1]} pairs of values"
    )
    for value in values:
        print(f"not covered: {value}")
    for pair in pairs:
        print(f"not covered: {' with '.join(pair)}")
    return 1 if values or pairs else 0
