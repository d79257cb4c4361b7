"""Which cells of voice kind × F0 method × profile the goldens cover, and which they leave out.

A cell exists where an original offers the method. Not all cells are recorded, because goldens are large. A bug lies in
one component (the network of a kind, the tracker of a method, a choice of a profile) or between two of them, so every
single value and every pair of values must be covered. Each cell without a golden is listed with the goldens that cover
its three pairs.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from parity.goldens import store
from parity.stages.profile_table import METHODS, PROFILES, methods_without_original
from parity.voices import KINDS

NO_METHOD = "no F0"  # the method of a voice without F0
Pair = tuple[str, str]
Covered = dict["Cell", list[str]]  # cell → names of its goldens


@dataclass(frozen=True, order=True)
class Cell:
    """One combination that an original can run."""

    kind: str
    method: str
    profile: str

    def sides(self) -> tuple[Pair, Pair, Pair]:
        """Kind and method, kind and profile, method and profile."""
        return (self.kind, self.method), (self.kind, self.profile), (self.method, self.profile)

    def pairs(self) -> set[Pair]:
        """Every pair of its values; the kind counts as one value and also as version, rate and F0."""
        version, rate, f0 = self.kind.split("-")
        return {*self.sides(), *itertools.combinations((version, rate, f0, self.method, self.profile), 2)}

    def values(self) -> set[str]:
        """Each of its values; the kind counts as one value and also as version, rate and F0."""
        return {self.kind, self.method, self.profile, *self.kind.split("-")}


def existing() -> list[Cell]:
    """Every cell that an original can run, sorted."""
    cells = [
        Cell(kind, method, profile.name)
        for kind in KINDS
        for profile in PROFILES.values()
        for method in (profile.methods if not kind.endswith("nof0") else (NO_METHOD,))
    ]
    return sorted(cells)


def covered(goldens: Path) -> Covered:
    """The cells of the offline goldens; each golden is judged isolated and chained."""
    cells: Covered = {}
    for folder in store.cases(goldens):
        case = store.open_case(folder)
        if case.facts.blocks or case.facts.isolated:
            continue
        kind = str(case.voice["kind"])
        if kind not in KINDS:  # a voice to be judged by ear, whose kind other goldens have
            continue
        method = NO_METHOD if kind.endswith("nof0") else str(case.options.get("f0_method", "rmvpe"))
        cells.setdefault(Cell(kind, method, case.profile), []).append(case.name)
    return cells


def missing_values(cells: Iterable[Cell], have: Iterable[Cell]) -> list[str]:
    """Single values of `cells` that no cell of `have` has."""
    wanted = set().union(*(cell.values() for cell in cells))
    return sorted(wanted - set().union(*(cell.values() for cell in have)))


def missing_pairs(cells: Iterable[Cell], have: Iterable[Cell]) -> list[Pair]:
    """Pairs of values of `cells` that no cell of `have` has."""
    wanted = set().union(*(cell.pairs() for cell in cells))
    return sorted(wanted - set().union(*(cell.pairs() for cell in have)))


def state(cell: Cell, have: Covered) -> str:
    """The entry of a cell in the table.

    Returns:
        the number of its goldens, "left out", "no original" where the profile lacks the method, or "·" where a voice
        without F0 meets a method or a voice with F0 meets none.
    """
    if cell.kind.endswith("nof0") != (cell.method == NO_METHOD):
        return "·"
    if cell.method not in (*PROFILES[cell.profile].methods, NO_METHOD):
        return "no original"
    count = len(have.get(cell, ()))
    return f"{count} golden{'s' if count > 1 else ''}" if count else "left out"


def table(profile: str, have: Covered) -> str:
    """The table of a profile: one line for each kind, one column for each method."""
    methods = (*METHODS, NO_METHOD)
    lines = [f"{profile:14}" + "".join(f"{method:>13}" for method in methods)]
    for kind in KINDS:
        lines.append(f"{kind:14}" + "".join(f"{state(Cell(kind, method, profile), have):>13}" for method in methods))
    return "\n".join(lines)


def left_out(cells: Iterable[Cell], have: Covered) -> Iterator[str]:
    """One line for each cell without a golden, with a golden for each of its three pairs."""
    witness: dict[Pair, str] = {}
    for cell, names in sorted(have.items()):
        for pair in cell.sides():
            witness[pair] = max(witness.get(pair, ""), max(names))  # a golden named after its cell sorts last
    for cell in cells:
        if cell not in have:
            witnesses = "  ".join(f"{witness.get(pair, 'NO GOLDEN'):22}" for pair in cell.sides())
            yield f"{cell.kind:12}{cell.method:9}{cell.profile:15}{witnesses}".rstrip()


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
    extensions = " or ".join(methods_without_original())
    print(f"no original at all has {extensions}: extensions, measured by rvc-parity accuracy")
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
