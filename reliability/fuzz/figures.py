"""The committed figures of the campaign and their table in docs/reliability.md."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "campaign.json"
BEGIN, END = "<!-- campaign -->", "<!-- /campaign -->"  # lines around the table in docs/reliability.md


def merge(path: Path, document: Mapping[str, Any]) -> None:
    """Put the figures of a campaign in a file, in the place of those of the same readers."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"readers": []}
    fresh = {row["reader"]: row for row in document["readers"]}
    rows = [fresh.pop(row["reader"], row) for row in before["readers"]] + list(fresh.values())
    path.write_text(json.dumps({**document, "readers": rows}, indent=1) + "\n", encoding="utf-8")


def page(text: str, document: Mapping[str, Any]) -> str:
    """docs/reliability.md with the table of these figures."""
    before, _, rest = text.partition(f"{BEGIN}\n")
    return f"{before}{BEGIN}\n{table(document)}\n{END}{rest.partition(END)[2]}"


def table(document: Mapping[str, Any]) -> str:
    """The rows of docs/reliability.md."""
    lines = [
        "| reader | inputs | used | refused | defects left | slowest | lines reached |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in document["readers"]:
        share = f"{row['covered']} of {row['lines']}" if row["lines"] else "not measured"
        cells = (row["tried"], row["used"], row["refused"], len(row["defects"]), f"{row['longest']:.2f} s", share)
        lines.append(f"| {row['reader']} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
