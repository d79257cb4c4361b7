"""Which cells of kinds × F0 methods × profiles the goldens cover, and which they leave out: python -m parity.coverage.

A cell exists where an original can do it. All of them are not recorded, for size; every pair of values and so every
single value must be, and what is missing is listed.
"""

import argparse
import itertools
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from parity import store
from parity.errors import ParityError
from parity.run import GOLDENS
from parity.voices import KINDS

METHODS = {  # docs/spec/03 §3.1, offline
    "webui-2026": ("pm", "rmvpe", "fcpe"),
    "webui-classic": ("pm", "harvest", "crepe", "rmvpe"),
    "rvc-python": ("pm", "harvest", "crepe", "rmvpe"),
}
NO_METHOD = "no F0"


@dataclass(frozen=True, order=True)
class Cell:
    """One thing an original can do."""

    kind: str
    method: str
    profile: str

    def pairs(self) -> set[tuple[str, str]]:
        """Every two of its values, the kind also as version, rate and F0."""
        version, rate, f0 = self.kind.split("-")
        return set(itertools.combinations((version, rate, f0, self.method, self.profile), 2))


def existing() -> list[Cell]:
    """Every cell there is."""
    cells = [
        Cell(kind, method, profile)
        for kind in KINDS
        for profile, methods in METHODS.items()
        for method in (methods if not kind.endswith("nof0") else (NO_METHOD,))
    ]
    return sorted(set(cells))


def covered(goldens: Path) -> set[Cell]:
    """The cells of the offline goldens."""
    found = set()
    for folder in store.cases(goldens, None):
        case = store.open_case(folder)
        if "realtime" in case.options:
            continue
        kind = str(case.voice["kind"])
        method = NO_METHOD if kind.endswith("nof0") else str(case.options.get("f0_method", "rmvpe"))
        found.add(Cell(kind, method, case.profile))
    return found


def missing_pairs(cells: Iterable[Cell], have: Iterable[Cell]) -> list[tuple[str, str]]:
    """Pairs of values that some cell has and no golden."""
    wanted = set().union(*(cell.pairs() for cell in cells))
    return sorted(wanted - set().union(*(cell.pairs() for cell in have)))


def table(cells: Sequence[Cell], have: set[Cell]) -> str:
    """A row for each kind, a column for each method, the profiles' initials in the middle."""
    short = {"webui-2026": "2026", "webui-classic": "classic", "rvc-python": "rpy"}
    methods = list(dict.fromkeys([*itertools.chain(*METHODS.values()), NO_METHOD]))
    lines = [f"{'kind':14}" + "".join(f"{method:>18}" for method in methods)]
    for kind in sorted({cell.kind for cell in cells}):
        row = f"{kind:14}"
        for method in methods:
            names = [short[cell.profile] for cell in sorted(have) if (cell.kind, cell.method) == (kind, method)]
            row += f"{' '.join(names) or '·':>18}"
        lines.append(row)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 every pair of values is covered, 1 one is not, 2 the goldens cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m parity.coverage", description=__doc__.split("\n")[0])
    parser.add_argument("--goldens", type=Path, default=GOLDENS)
    given = parser.parse_args(arguments)
    try:
        cells, have = existing(), covered(given.goldens)
    except ParityError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2
    print(table(cells, have))
    left = missing_pairs(cells, have)
    print(f"\ncoverage: {len(have & set(cells))} of {len(cells)} cells; "
          f"{'every pair of values' if not left else f'{len(left)} pairs of values missing'}")
    for pair in left:
        print(f"not covered: {' with '.join(pair)}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
