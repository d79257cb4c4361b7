"""Make from docs/divergences.toml the pages and the table that repeat it.

python -m tools.divergences [--write]

- docs/divergences.md: between its two markers, each divergence in full;
- docs/verifying-a-port.md: between the same markers, the stages and causes of each;
- parity/data/divergences.json: what the judge and the report need (number, title, effect, names of causes by stage).

Without `--write` nothing is changed. The exit code is 0 if all three are up to date (or written), 1 if one is not, 2 if
the registry is not valid: the message names the entry.
"""

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from parity.errors import ParityError
from tools.made_files import ROOT, between, settle

SOURCE = Path("docs/divergences.toml")
PAGE = Path("docs/divergences.md")
GUIDE = Path("docs/verifying-a-port.md")
DATA = Path("parity/data/divergences.json")

MAKER = "tools/divergences.py"
TEXTS = ("number", "title", "since", "probe", "effect", "audible", "text")
LISTS = ("stages", "who", "evidence")
EVIDENCE = {"read", "measured", "claimed"}


class Invalid(ParityError):
    """An entry of the registry is not as the page's head describes it."""


def read(root: Path = ROOT) -> list[dict[str, Any]]:
    """The registry's entries, in the order of the file.

    Raises:
        Invalid: a field is missing, unknown or of another type; a number is out of order.
    """
    document = tomllib.loads((root / SOURCE).read_text(encoding="utf-8"))
    if document.get("format") != "rvc-divergences/1":
        raise Invalid(f"format is {document.get('format')!r}, expected 'rvc-divergences/1'")
    entries: list[dict[str, Any]] = document["divergence"]
    for position, entry in enumerate(entries, 1):
        name = entry.get("number", f"entry {position}")
        if name != f"D{position}":
            raise Invalid(f"{name} stands at place {position}, where D{position} is expected")
        if set(entry) != {*TEXTS, *LISTS, "causes"}:
            raise Invalid(f"{name} has the fields {sorted(entry)}, expected {sorted({*TEXTS, *LISTS, 'causes'})}")
        if not all(isinstance(entry[field], str) for field in TEXTS):
            raise Invalid(f"{name}: {', '.join(TEXTS)} are texts")
        if not all(isinstance(entry[field], list) and entry[field] for field in LISTS):
            raise Invalid(f"{name}: {', '.join(LISTS)} are lists of at least one text")
        if not set(entry["evidence"]) <= EVIDENCE:
            raise Invalid(f"{name}: evidence is one of {', '.join(sorted(EVIDENCE))}")
        if not all(entry[field] for field in TEXTS if field != "since"):
            raise Invalid(f"{name}: only 'since' may be empty")
    return entries


def page(entries: list[dict[str, Any]]) -> str:
    """The divergences in full, as docs/divergences.md has them."""
    return "\n".join(map(_section, entries))


def _section(entry: dict[str, Any]) -> str:
    since = f" *Since:* {entry['since']}." if entry["since"] else ""
    return (
        f"**{entry['number']}. {entry['title']}.** {entry['text'].strip()}\n\n"
        f"*Who:* {', '.join(entry['who'])}.{since} *Audible as:* {entry['audible']} *Effect:* {entry['effect']}.\n"
    )


def table(entries: list[dict[str, Any]]) -> str:
    """The guide's table: number, stages with a probe, causes that name it."""
    rows = [f"| {entry['number']} | {', '.join(entry['stages'])} | {entry['probe']} |" for entry in entries]
    return "\n".join(["| | stage with the probe | cause that names it |", "|---|---|---|", *rows]) + "\n"


def data(entries: list[dict[str, Any]]) -> str:
    """What the judge and the report read, as JSON."""
    kept = ("number", "title", "who", "since", "effect", "audible", "causes")
    return (
        json.dumps([{field: entry[field] for field in kept} for entry in entries], indent=1, ensure_ascii=False) + "\n"
    )


def made(root: Path = ROOT) -> dict[Path, str]:
    """Each file that repeats the registry, with the content that it must have."""
    entries = read(root)
    return {
        PAGE: between((root / PAGE).read_text(encoding="utf-8"), page(entries), MAKER, PAGE),
        GUIDE: between((root / GUIDE).read_text(encoding="utf-8"), table(entries), MAKER, GUIDE),
        DATA: data(entries),
    }


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: up to date or written; 1: a file differs; 2: the registry is not valid."""
    parser = argparse.ArgumentParser(prog="python -m tools.divergences", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--write", action="store_true", help="write the files instead of comparing them")
    options = parser.parse_args(arguments)
    try:
        files = made()
    except (ParityError, tomllib.TOMLDecodeError) as error:
        print(f"{SOURCE}: {error}", file=sys.stderr)
        return 2
    return settle(files, str(SOURCE), "tools.divergences", options.write)


if __name__ == "__main__":
    sys.exit(main())
