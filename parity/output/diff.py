"""What changed between two verdicts: cells that got better or worse, came or went."""

import json
from pathlib import Path
from typing import Any

from parity.errors import UsageError
from parity.output.documents import bad

Key = tuple[str, str, str, str]
NOTICED = 1.5  # a value that moved by less than this factor within its limit is noise


def read(path: Path) -> dict[str, Any]:
    """A verdict.json, or the one inside a folder."""
    path = path / "verdict.json" if path.is_dir() else path
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no {path}; make one with python -m parity run --out FOLDER") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{path} is not JSON ({error}); make it again with python -m parity run") from None
    if document.get("format") != "rvc-verdict/1":
        found = document.get("format", "no verdict")
        raise UsageError(f"{path} is {found!r}, expected rvc-verdict/1; make it again with python -m parity run")
    return document


def _cells(document: dict[str, Any]) -> dict[Key, dict[str, Any]]:
    return {
        (case["name"], cell["tensor"], cell["mode"], cell["metric"]): cell
        for case in document["cases"]
        for stage in case["stages"]
        for cell in stage["cells"]
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """broken, mended, gone, new, worse, better: lists of cells with both values."""
    old, new = _cells(before), _cells(after)
    kinds = ("broken", "mended", "gone", "new", "worse", "better")
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
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
            found[kind].append(row)
    return found


def _kind(a: dict[str, Any] | None, b: dict[str, Any] | None) -> str | None:
    if a is None or b is None:
        return "new" if a is None else "gone"
    if bad(a) != bad(b):
        return "broken" if bad(b) else "mended"
    x, y = a["value"], b["value"]
    if x is None or y is None or x == y:
        return None
    if y > NOTICED * x:
        return "worse"
    return "better" if x > NOTICED * y else None


def report(before: Path, after: Path, as_json: bool) -> int:
    """Print what changed; 0 when nothing broke and nothing went, else 1."""
    found = changes(read(before), read(after))
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        print(", ".join(f"{len(rows)} {kind}" for kind, rows in found.items()))
        for kind in ("broken", "gone", "mended", "new", "worse", "better"):
            for row in found[kind][:40]:
                sides = [
                    f"{side['state']} {_number(side['value'])}" if side else "absent"
                    for side in (row["before"], row["after"])
                ]
                print(f"{kind:7} {row['case']} {row['tensor']} {row['mode']} {row['metric']}: {sides[0]} → {sides[1]}")
    return 1 if found["broken"] or found["gone"] else 0


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
