"""A measured result put where it is kept: python -m bench.keeping [out/bench].

The figures go to bench/results, named after the day, the original and the length; the pictures to docs/images, and the
tables between their marks in docs/performance.md.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import table
from bench.workload import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
MARKED = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
PLACES = {  # mark → the sections whose tables stand there
    "offline": ("offline",), "growth": ("growth-ours", "growth-original"), "rivals": ("rivals",), "kinds": ("kinds",),
    "live": ("live", "stream"), "load": ("load",),
}  # fmt: skip


def name_of(result: Mapping[str, Any]) -> str:
    """2026-11-22_webui-2026_30s, for example."""
    sections = result["sections"]
    seconds = f"_{sections['offline']['seconds_of_audio']:g}s" if "offline" in sections else ""
    return f"{str(result['measured'])[:10]}_{result['original']}{seconds}"


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """What stands at each mark of the document."""
    sections = result["sections"]
    found = {"goals": f"{table.head(result)}.\n\n{table.goals(table.judged(result))}"}
    for mark, names in PLACES.items():
        shown = [table.SHOWN[name](sections[name]) for name in names if name in sections]
        missing = [f"Not measured in this sitting: `nox -s bench -- {name}`." for name in names if name not in sections]
        found[mark] = "\n\n".join(shown + missing)
    return found


def filled(text: str, found: Mapping[str, str]) -> str:
    """A document with a result's tables between its marks; raises KeyError for a mark that nothing belongs to."""
    return MARKED.sub(lambda mark: f"{mark[1]}{found[mark[2]]}\n{mark[3]}", text)


def main() -> int:
    """0 kept, 2 there is nothing to keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.keeping", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("out/bench"))
    folder: Path = parser.parse_args().folder
    source = folder / "result.json"
    if not source.exists():
        print(f"{source} does not exist, so there is nothing to keep; run: nox -s bench", file=sys.stderr)
        return 2
    result = json.loads(source.read_text(encoding="utf-8"))
    target = ROOT / "bench" / "results" / f"{name_of(result)}.json"
    shutil.copy(source, target)
    print(target)
    for picture in folder.glob("*.svg"):
        print(shutil.copy(picture, ROOT / "docs" / "images" / f"performance-{picture.name}"))
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8"), tables(result)), encoding="utf-8")
    print(DOCUMENT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
