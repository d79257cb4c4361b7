"""Waivers: cells that are known to differ, each with a reason and its last day.

`parity/data/waivers.json` is a list of {"cell": "case/tensor/mode/metric", "because": TEXT, "until": "YYYY-MM-DD"}.
Tensor and metric may hold `*`. Case and mode are written out, so that a waiver covers no case that is added later. The
last day lies at most a year ahead. A waiver that has ended is a failure, and so is one that no failed cell of a
complete run uses.
"""

import datetime
import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.errors import UsageError
from parity.goldens import closed_schema
from parity.goldens.text import parse_file
from parity.judge.ledger import Cell
from parity.judge.states import CellState, Mode

LONGEST = datetime.timedelta(days=366)  # from the day of the run to the last day of a waiver
_WILDCARDS = "*?["
FILE = Path(__file__).parents[1] / "data" / "waivers.json"

_FIELDS = {
    "cell": {"type": "string", "pattern": "^[^/]+/[^/]+/[^/]+/[^/]+$"},
    "because": {"type": "string", "pattern": ".{10,}"},
    "until": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
}
_SCHEMA = {
    "type": "array",
    "items": {"type": "object", "required": list(_FIELDS), "properties": _FIELDS, "additionalProperties": False},
}


class Waivers:
    """The waivers of a run, and how often each was used."""

    def __init__(self, rows: Sequence[Mapping[str, str]] = (), today: datetime.date | None = None) -> None:
        """Check the waivers.

        Args:
            rows: The waivers, as the file holds them.
            today: The day to compare with; None for the current one.
        Raises:
            UsageError: A row lacks its cell, its reason or its last day, has another field, covers several cases or
                modes, or lasts for more than a year.
        """
        if wrong := closed_schema.check(list(rows) if isinstance(rows, tuple) else rows, _SCHEMA):
            raise UsageError(f"a waiver needs cell, because and until: {wrong[0]}")
        self._today = today or datetime.date.today()
        for row in rows:
            _refuse_broad(row, self._today)
        self._rows = [dict(row) for row in rows]
        self._used = [0] * len(self._rows)

    @property
    def rows(self) -> list[dict[str, str]]:
        """The waivers, as the file holds them."""
        return [dict(row) for row in self._rows]

    def apply(self, case: str, cell: Cell) -> Cell:
        """The cell; a failed one that a valid waiver names becomes waived, and the use is counted."""
        if not cell.failed:
            return cell
        address = f"{case}/{cell.tensor}/{cell.mode}/{cell.metric}"
        for place, row in enumerate(self._rows):
            if fnmatch.fnmatchcase(address, row["cell"]) and not self._ended(row):
                self._used[place] += 1
                return replace(cell, state=CellState.WAIVED, waiver=row["because"])
        return cell

    def _ended(self, row: Mapping[str, str]) -> bool:
        return datetime.date.fromisoformat(row["until"]) < self._today

    def complaints(self, complete: bool) -> list[str]:
        """A sentence for each waiver that has ended, and after a complete run for each that was not used."""
        ended = [
            f"the waiver for {row['cell']} ended on {row['until']}; mend what it waives, or renew it with a reason"
            for row in self._rows
            if self._ended(row)
        ]
        return ended + [
            f"the waiver for {row['cell']} waives nothing any more; delete it"
            for row, used in zip(self._rows, self._used, strict=True)
            if complete and not used and not self._ended(row)
        ]

    def document(self) -> list[dict[str, Any]]:
        """The waivers as verdict.json holds them."""
        return [{**row, "used": used} for row, used in zip(self._rows, self._used, strict=True)]


def _refuse_broad(row: Mapping[str, str], today: datetime.date) -> None:
    """Raise UsageError for a waiver of several cases or modes, or one that lasts for more than a year."""
    case, _, mode, _ = row["cell"].split("/")
    if any(character in case for character in _WILDCARDS):
        raise UsageError(f"the waiver for {row['cell']} covers several cases; write one waiver for each case")
    if mode not in list(Mode):
        raise UsageError(f"the waiver for {row['cell']} has the mode {mode!r}; write {' or '.join(Mode)}")
    try:
        until = datetime.date.fromisoformat(row["until"])
    except ValueError:
        raise UsageError(
            f"the waiver for {row['cell']} ends on {row['until']}, which is no day; write YYYY-MM-DD"
        ) from None
    if until > today + LONGEST:
        raise UsageError(
            f"the waiver for {row['cell']} ends on {row['until']}; write a day within a year, and renew it then"
        )


def load(path: Path = FILE) -> Waivers:
    """The waivers of a file; none where there is no such file.

    Raises:
        UsageError: The file is no JSON, or a waiver is incomplete.
    """
    if not path.is_file():
        return Waivers()
    try:
        return Waivers(parse_file(path))
    except json.JSONDecodeError as error:
        raise UsageError(f"{path} is not JSON ({error}); it is a list of waivers") from None
