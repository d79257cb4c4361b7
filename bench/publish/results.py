"""What was measured, put where it is kept: python -m bench.keeping [out/bench …].

The figures go to bench/results, named after the day, the original and the length; the pictures to docs/images, and the
tables between their marks in docs/performance.md. Of several sittings the last to measure a section counts.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.measure.workload import ROOT
from bench.publish import plot, table

DOCUMENT = ROOT / "docs" / "performance.md"
MARKED = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
PLACES = {  # mark → the sections whose tables stand there
    "offline": ("offline",),
    "growth": ("growth-ours", "growth-original"),
    "rivals": ("rivals",),
    "kinds": ("kinds",),
    "live": ("live", "stream"),
    "load": ("load",),
}


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


def together(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several sittings as one, which names the earlier ones' commits; ValueError where they cannot be compared."""
    *before, last = results
    whole = {**last, "sections": {}, "unit_ms": {}, "not_measured": {}, "earlier": []}
    for result in results:
        for name in ("original", "quick"):
            if result[name] != last[name]:
                raise ValueError(f"a sitting has {name} {result[name]}, the last {last[name]}; keep them apart")
        for name in ("processor", "threads", "torch"):
            if result["machine"][name] != last["machine"][name]:
                found, wanted = result["machine"][name], last["machine"][name]
                raise ValueError(f"a sitting has {name} {found}, the last {wanted}; measure its sections here too")
        whole["sections"] |= result["sections"]
        whole["unit_ms"] |= result["unit_ms"]
        whole["not_measured"] |= result["not_measured"]
    whole["not_measured"] = {k: why for k, why in whole["not_measured"].items() if k not in whole["sections"]}
    newer = set(last["sections"])
    for result in reversed(before):
        found = sorted(set(result["sections"]) - newer)
        newer |= set(found)
        whole["earlier"].append({"commit": result["commit"], "measured": result["measured"], "sections": found})
    whole["figures"] = [line.table() for line in table.judged(whole)]
    return whole


def main() -> int:
    """0 kept, 2 there is nothing to keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.keeping", description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="*", default=[Path("out/bench")], help="the newest last")
    sources = [folder / "result.json" for folder in parser.parse_args().folders]
    for source in sources:
        if not source.exists():
            print(f"{source} does not exist, so there is nothing to keep; run: nox -s bench", file=sys.stderr)
            return 2
    try:
        result = together([json.loads(source.read_text(encoding="utf-8")) for source in sources])
    except ValueError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    target = ROOT / "bench" / "results" / f"{name_of(result)}.json"
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(target)
    with tempfile.TemporaryDirectory(prefix="rvc-bench-") as scratch:
        plot.draw(result["sections"], Path(scratch))
        for picture in Path(scratch).glob("*.svg"):
            kept = ROOT / "docs" / "images" / f"performance-{picture.name}"
            kept.write_bytes(picture.read_bytes())
            print(kept)
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8"), tables(result)), encoding="utf-8")
    print(DOCUMENT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
