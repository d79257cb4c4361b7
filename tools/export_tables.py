"""Make the tables of docs/exported-voice.md from the verdicts of `nox -s export`.

python tools/export_tables.py out/export-runs [--write docs/exported-voice.md]

Each folder in out/export-runs holds the verdict.json of one program, and is named after it.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

MARKS = ("<!-- {}: made by nox -s export -->", "<!-- /{} -->")
HALF = "float16"
# Name of a run → the head of its column.
PROGRAMS = {
    "rvc-graphs": "`rvc` with the graphs",
    "onnxruntime": "`rvc_onnx`, ONNX Runtime",
    "openvino": "`rvc_onnx`, OpenVINO",
    "example": "the example",
}
Verdict = Mapping[str, Any]


def verdicts(root: Path) -> dict[str, Verdict]:
    """Name of a run → its verdict."""
    files = sorted(root.glob("*/verdict.json"))
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in files}


def compared(cases: Iterable[Verdict]) -> Iterator[tuple[Verdict, Verdict]]:
    """Each stage with each of its cells that was compared with a limit."""
    for case in cases:
        for stage in case["stages"]:
            yield from ((stage, cell) for cell in stage["cells"] if cell["times_limit"] is not None)


def summary(cases: Sequence[Verdict]) -> str:
    """The largest share of a limit, the stage that has it, and the number of goldens, for one field of the table."""
    cells = [(cell["times_limit"], stage["stage"]) for stage, cell in compared(cases)]
    if not cells:
        return "–"
    largest, stage = max(cells)
    goldens = sum(any(cell["times_limit"] is not None for s in case["stages"] for cell in s["cells"]) for case in cases)
    return f"{largest:.0%} ({stage}), {goldens}"


def kinds_table(runs: Mapping[str, Verdict]) -> str:
    """Rows: kinds of voices; columns: programs; fields: see `summary`."""
    programs = {name: head for name, head in PROGRAMS.items() if name in runs}
    kinds = sorted({case["voice"]["kind"] for name in programs for case in runs[name]["cases"]})
    rows = [["voice", *programs.values()]]
    for kind in [*kinds, "all"]:
        rows.append([kind])
        for name in programs:
            cases = [case for case in runs[name]["cases"] if kind in (case["voice"]["kind"], "all")]
            rows[-1].append(summary(cases))
    return markdown(rows)


def half_table(run: Verdict) -> str:
    """Rows: stages; the largest relative RMS of float16 in each, alone and in the conversion, and float32's limit."""
    rows = [["stage", "alone", "in the conversion", "limit of float32"]]
    stages = dict.fromkeys(stage["stage"] for stage, _ in compared(run["cases"]))
    for name in stages:
        largest = {"isolated": "–", "chained": "–"}
        limits = []
        for mode in largest:
            cells = [
                cell
                for stage, cell in compared(run["cases"])
                if (stage["stage"], cell["mode"], cell["metric"]) == (name, mode, "relative_rms")
            ]
            limits += [cell["limit"] for cell in cells if mode == "isolated"]
            if cells:
                largest[mode] = f"{max(cell['value'] for cell in cells):.1e}"
        if set(largest.values()) != {"–"}:
            rows.append([f"`{name}`", *largest.values(), f"{max(limits):.1e}" if limits else "–"])
    return markdown(rows)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def replace(text: str, mark: str, table: str) -> str:
    """The text with a table between two marks.

    Raises:
        ValueError: it does not have both marks once.
    """
    start, end = (part.format(mark) for part in MARKS)
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(f"the document must hold {start} and {end} once each; put them where the table belongs")
    before, _, rest = text.partition(start)
    return f"{before}{start}\n{table}\n{end}{rest.partition(end)[2]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, help="the folder that holds a folder with verdict.json for each program")
    parser.add_argument("--write", type=Path, help="a Markdown file with the tables' marks")
    options = parser.parse_args(arguments)
    runs = verdicts(options.runs)
    if not set(runs) & {*PROGRAMS, HALF}:
        print(f"{options.runs} holds no verdict of nox -s export; run that first", file=sys.stderr)
        return 2
    tables = {"kinds": kinds_table(runs)} | ({HALF: half_table(runs[HALF])} if HALF in runs else {})
    for name, table in tables.items():
        print(table, end="\n\n")
        if options.write:
            text = options.write.read_text(encoding="utf-8")
            options.write.write_text(replace(text, name, table), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
