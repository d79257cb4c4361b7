"""Which value classes the goldens reach, and the range and length of every tensor of a stage.

The classes are declared in `parity/calibration/value_classes.py`. A class that no golden reaches must state why.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity import stages
from parity.calibration import value_classes
from parity.calibration.value_classes import Place, ValueClass
from parity.candidates import candidate
from parity.goldens import store
from parity.goldens.store import Case
from parity.stages import Stage, TensorKind, TensorName

FORMAT = "rvc-value-coverage/1"
_LISTED = 3  # goldens that a line of the table names; the rest are counted


@dataclass
class Range:
    """The values and lengths of one tensor over all goldens.

    Attributes:
        tensor: Its name without the number of its segment or block.
        least, greatest: Of all its values.
        shortest, longest: Of its time axis; 0 for a tensor without one.
        goldens: The number of goldens that hold it.
    """

    tensor: str
    least: float = np.inf
    greatest: float = -np.inf
    shortest: int = np.iinfo(np.int64).max
    longest: int = 0
    goldens: set[str] = field(default_factory=set)

    def add(self, case: Case, name: str) -> None:
        """Widen the range by one tensor of a golden."""
        value, axis = case[name], stages.tensor(name).time_axis
        if not value.size:
            return
        self.least, self.greatest = min(self.least, float(value.min())), max(self.greatest, float(value.max()))
        length = 0 if axis is None else Place(case, TensorName.parse(name).prefix).length(TensorName.parse(name).local)
        self.shortest, self.longest = min(self.shortest, length), max(self.longest, length)
        self.goldens.add(case.name)

    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "tensor": self.tensor,
            "least": self.least,
            "greatest": self.greatest,
            "shortest": self.shortest,
            "longest": self.longest,
            "goldens": len(self.goldens),
        }


@dataclass
class ValueCoverage:
    """What the goldens reach.

    Attributes:
        reached: Class → the names of the goldens that reach it, in the order of the registry.
        ranges: Name of a tensor → its range.
    """

    reached: dict[ValueClass, list[str]]
    ranges: dict[str, Range] = field(default_factory=dict)

    @property
    def missing(self) -> list[ValueClass]:
        """The classes that no golden reaches and that must be reached."""
        return [one for one, names in self.reached.items() if not names and one.not_recorded is None]

    @property
    def outdated(self) -> list[ValueClass]:
        """The classes that a golden reaches although they state why none does."""
        return [one for one, names in self.reached.items() if names and one.not_recorded is not None]

    def document(self) -> dict[str, Any]:
        """The coverage as JSON."""
        values = [
            {"stage": one.stage, "class": one.name, "goldens": names, "not_recorded": one.not_recorded}
            for one, names in self.reached.items()
        ]
        return {"format": FORMAT, "values": values, "ranges": [each.document() for each in self.ranges.values()]}


def measure(goldens: Path, classes: Iterable[ValueClass] | None = None) -> ValueCoverage:
    """The coverage of the goldens below a folder.

    Args:
        goldens: the folder.
        classes: the value classes; those of the registry unless given.
    """
    by_stage: dict[str, list[ValueClass]] = {}
    chosen = value_classes.CLASSES if classes is None else list(classes)
    coverage = ValueCoverage({one: [] for one in chosen})
    for one in chosen:
        by_stage.setdefault(one.stage, []).append(one)
    for folder in store.cases(goldens):
        case = store.open_case(folder)
        for stage, prefix in candidate.steps(case):
            _add_ranges(coverage.ranges, case, stage, prefix)
            for one in by_stage.get(stage.name, []):
                names = coverage.reached[one]
                if case.name not in names and _reaches(one, Place(case, prefix)):
                    names.append(case.name)
    return coverage


def is_reached(one: ValueClass, case: Case) -> bool:
    """Whether some segment or block of a golden reaches a class."""
    steps = [prefix for stage, prefix in candidate.steps(case) if stage.name == one.stage]
    return any(_reaches(one, Place(case, prefix)) for prefix in steps)


def _reaches(one: ValueClass, place: Place) -> bool:
    try:
        return bool(one.reached(place))
    except KeyError:  # the golden lacks a tensor that the class is about
        return False


def _add_ranges(ranges: dict[str, Range], case: Case, stage: Stage, prefix: str) -> None:
    for row in stage.makes:
        name = prefix + row.name
        if name in case and row.kind not in (TensorKind.NOISE, TensorKind.INPUT):
            tensor = TensorName.parse(name).unnumbered
            ranges.setdefault(tensor, Range(tensor)).add(case, name)


def lines(coverage: ValueCoverage) -> Iterable[str]:
    """The tables as text: classes with their goldens, then ranges."""
    yield f"{'stage':22}{'values':52}goldens"
    for one, names in coverage.reached.items():
        rest = len(names) - _LISTED
        held = ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
        reason = f"not reached: {one.not_recorded}" if one.not_recorded else "NOT REACHED"
        yield f"{one.stage:22}{one.name:52}{held or reason}"
    yield ""
    yield f"{'tensor':26}{'least':>14}{'greatest':>14}{'shortest':>10}{'longest':>10}{'goldens':>9}"
    for each in coverage.ranges.values():
        yield (
            f"{each.tensor:26}{each.least:14.6g}{each.greatest:14.6g}{each.shortest:10}{each.longest:10}"
            f"{len(each.goldens):9}"
        )


def report(goldens: Path, out: Path | None = None) -> int:
    """Print the tables and the counts.

    Args:
        goldens: the folder of goldens.
        out: the path of a JSON file to which the coverage is written too; None writes no file.
    Returns:
        0, or 1 where a class is not reached without a reason, or is reached although it states why it is not.
    """
    coverage = measure(goldens)
    print("\n".join(lines(coverage)))
    reached = sum(bool(names) for names in coverage.reached.values())
    print(f"\nvalues: {reached} of {len(coverage.reached)} classes reached")
    for one in coverage.missing:
        print(f"not reached: {one.stage}: {one.name}")
    for one in coverage.outdated:
        print(f"reached, although it states that no golden is: {one.stage}: {one.name}")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(coverage.document(), indent=1) + "\n", encoding="utf-8")
    return 1 if coverage.missing or coverage.outdated else 0
