"""What changed between two verdicts: cells that broke, were mended, disappeared, are new, got worse or better."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parity.errors import UsageError
from parity.goldens.text import parse_file
from parity.judge.verdict_schema import FORMAT
from parity.output import recomputed
from parity.output.verdict_json import Json, cell_failed

Key = tuple[str, str, str, str]  # case, tensor, mode, metric
Row = dict[str, Any]  # case, tensor, mode, metric, before and after: {"state", "value"} None without the cell
NOTICED = 1.5  # factor by which a value must change to be listed; two runs on one machine differ by less
SHOWN = 40  # cells of each kind that `text` lists


def read(path: Path) -> Json:
    """The document of a verdict.json, or of the one in a folder.

    Raises:
        UsageError: there is no such file, or it is no verdict.
        ParityError: the verdict contradicts itself.
    """
    path = path / "verdict.json" if path.is_dir() else path
    try:
        document: Json = parse_file(path)
    except FileNotFoundError:
        raise UsageError(f"there is no {path}; make one with rvc-parity check --out FOLDER") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{path} is not JSON ({error}); make it again with rvc-parity check") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        other = document.get("format", "no verdict") if isinstance(document, dict) else "no verdict"
        raise UsageError(f"{path} is {other!r}, expected rvc-verdict/1; make it again with rvc-parity check")
    recomputed.refuse_edited(document, path)
    return document


def _cells(document: Json) -> dict[Key, Json]:
    return {
        (case["name"], cell["tensor"], cell["mode"], cell["metric"]): cell
        for case in document["cases"]
        for stage in case["stages"]
        for cell in stage["cells"]
    }


def changes(before: Json, after: Json) -> dict[str, list[Row]]:
    """Kind of change (broken, mended, gone, new, worse, better) → its cells, sorted."""
    old, new = _cells(before), _cells(after)
    kinds = ("broken", "mended", "gone", "new", "worse", "better")
    rows: dict[str, list[Row]] = {kind: [] for kind in kinds}
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        row = {
            "case": key[0],
            "tensor": key[1],
            "mode": key[2],
            "metric": key[3],
            "before": a and {"state": a["state"], "value": a["value"]},
            "after": b and {"state": b["state"], "value": b["value"]},
        }
        kind = _kind(a, b)
        if kind:
            rows[kind].append(row)
    return rows


def _kind(a: Json | None, b: Json | None) -> str | None:
    if a is None or b is None:
        return "new" if a is None else "gone"
    if cell_failed(a) != cell_failed(b):
        return "broken" if cell_failed(b) else "mended"
    x, y = a["value"], b["value"]
    if x is None or y is None or x == y:
        return None
    if y > NOTICED * x:
        return "worse"
    return "better" if x > NOTICED * y else None


def text(rows_by_kind: Mapping[str, Sequence[Row]]) -> str:
    """The counts of each kind, then at most SHOWN cells of each."""
    lines = [", ".join(f"{len(rows)} {kind}" for kind, rows in rows_by_kind.items())]
    for kind in ("broken", "gone", "mended", "new", "worse", "better"):
        for row in rows_by_kind[kind][:SHOWN]:
            before, after = _side(row["before"]), _side(row["after"])
            lines.append(f"{kind:7} {row['case']} {row['tensor']} {row['mode']} {row['metric']}: {before} → {after}")
    return "\n".join(lines)


def _side(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return "absent"
    value = cell["value"]
    return f"{cell['state']} {'' if value is None else f'{value:.3g}'}"
