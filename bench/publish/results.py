"""Copy results into the repository: python -m bench.keeping [out/bench …].

Measurements go to bench/results, named after day, original and length; charts to docs/images; tables between the marks
of docs/performance.md. Where several results are named, each section comes from the last that measured it.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.judge import goals
from bench.measure.workload import ROOT
from bench.publish import plot, table

DOCUMENT = ROOT / "docs" / "performance.md"
MARKED = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
SECTIONS_OF_MARK = {  # mark of the document → the sections whose tables it gets
    "offline": ("offline",),
    "caps": ("caps",),
    "choice": ("choice",),
    "growth": ("growth-ours", "growth-original"),
    "rivals": ("rivals",),
    "exported": ("exported",),
    "kinds": ("kinds",),
    "live": ("live", "stream"),
    "load": ("load",),
}


def name_of(result: Mapping[str, Any]) -> str:
    """The name of the file, for example 2026-11-22_webui-2026_30s."""
    sections = result["sections"]
    seconds = f"_{sections['offline']['seconds_of_audio']:g}s" if "offline" in sections else ""
    return f"{str(result['measured'])[:10]}_{result['original']}{seconds}"


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """The text of each mark of the document."""
    sections = result["sections"]
    texts = {"goals": f"{table.head(result)}.\n\n{table.goals(goals.judge_all(sections))}"}
    for mark, names in SECTIONS_OF_MARK.items():
        shown = [table.SECTIONS[name](sections[name]) for name in names if name in sections]
        missing = [f"Not measured in this run: `nox -s bench -- {name}`." for name in names if name not in sections]
        texts[mark] = "\n\n".join(shown + missing)
    return texts


def fill(text: str, tables_of_marks: Mapping[str, str]) -> str:
    """Replace the text between the marks of a document.

    Raises:
        KeyError: a mark has no text in `tables_of_marks`.
    """
    return MARKED.sub(lambda mark: f"{mark[1]}{tables_of_marks[mark[2]]}\n{mark[3]}", text)


def merge(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merge results; each section comes from the last that measured it.

    Returns:
        The merged result; `earlier` names commit, time and sections of all but the last.
    Raises:
        ValueError: the results are of different machines, originals or lengths.
    """
    *before, last = results
    merged = {**last, "sections": {}, "unit_ms": {}, "not_measured": {}, "earlier": []}
    for result in results:
        for name in ("original", "quick"):
            if result[name] != last[name]:
                raise ValueError(f"a result has {name} {result[name]}, the last {last[name]}; copy them separately")
        for name in ("processor", "threads", "torch"):
            if result["machine"][name] != last["machine"][name]:
                earlier, later = result["machine"][name], last["machine"][name]
                raise ValueError(f"a result has {name} {earlier}, the last {later}; measure its sections here too")
        merged["sections"] |= result["sections"]
        merged["unit_ms"] |= result["unit_ms"]
        merged["not_measured"] |= result["not_measured"]
    merged["not_measured"] = {k: why for k, why in merged["not_measured"].items() if k not in merged["sections"]}
    newer = set(last["sections"])
    for result in reversed(before):
        older = sorted(set(result["sections"]) - newer)
        newer |= set(older)
        merged["earlier"].append({"commit": result["commit"], "measured": result["measured"], "sections": older})
    merged["figures"] = [judged.document() for judged in goals.judge_all(merged["sections"])]
    return merged


def main() -> int:
    """Copy results; exit code 2 where there is none or they do not belong together, else 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.keeping", description=__doc__.split("\n")[0])
    parser.add_argument(
        "folders", type=Path, nargs="*", default=[Path("out/bench")], help="folders of results, the newest last"
    )
    sources = [folder / "result.json" for folder in parser.parse_args().folders]
    for source in sources:
        if not source.exists():
            print(f"{source} does not exist; measure first: nox -s bench", file=sys.stderr)
            return 2
    try:
        result = merge([json.loads(source.read_text(encoding="utf-8")) for source in sources])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    target = ROOT / "bench" / "results" / f"{name_of(result)}.json"
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(target)
    with tempfile.TemporaryDirectory(prefix="rvc-bench-") as scratch:
        plot.draw(result["sections"], Path(scratch))
        for picture in Path(scratch).glob("*.svg"):
            copy = ROOT / "docs" / "images" / f"performance-{picture.name}"
            copy.write_bytes(picture.read_bytes())
            print(copy)
    DOCUMENT.write_text(fill(DOCUMENT.read_text(encoding="utf-8"), tables(result)), encoding="utf-8")
    print(DOCUMENT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
