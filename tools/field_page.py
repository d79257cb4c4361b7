"""Make the pages of public implementations from field/field.json.

python -m tools.field_page [--write]

- docs/field.md: the verdicts, the matrix of stages, the divergences of each program, and the faults of faults.toml;
- docs/field-matrix.html: the same matrix as `python -m reports` makes it, with colors;
- README.md: between its two markers, one line for each program.

Without `--write` nothing is changed. The exit code is 0 if all are up to date (or written), 1 if one is not, 2 if
field.json or a TOML file is not valid.
"""

import argparse
import sys
import tomllib
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from field import programs, reproductions
from field.reproductions import Fault
from parity.errors import ParityError
from reports.data import field_results
from reports.data.field_results import Result
from reports.pages import assembly, field
from tools.made_files import ROOT, between, settle

RESULTS = ROOT / "field" / "field.json"
PAGE, MATRIX, README = Path("docs/field.md"), Path("docs/field-matrix.html"), Path("README.md")

HEAD = """# Public implementations

Each program ran unmodified, in an environment of its own, beside what an original program computed at each stage.
`nox -s field` repeats it; [`field/`](architecture.md) holds the adapters. This page is made from `field/field.json`.
[The same matrix with colors](field-matrix.html).

**Verdict.** *pass*: every stage of every golden holds. *partial*: nothing that the program offers differs, and it does
not offer everything. *differs*: at least one stage makes a mistake. *not installed*: it could not be run here.
*does not answer*: it runs, and its adapter gave no answer to the first request.
**Profile.** The original whose goldens the program is compared with.
"""
LEGEND = (
    "✓ passes · ✗ makes a mistake, with the number of the [divergence](divergences.md) · ↑ amplifies the error that it "
    "reads · ← only inherits an error · ≈ within rounding of a decision's edge · · not offered or not tested"
)

FAULTS = """## Faults with a minimal reproduction

Each runs in the environment of the program, and in the checkout of a program that lives in a repository.
`nox -s field -- --faults` runs all of them (names of programs after `--faults`: theirs) and compares what they print.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def first_origin(result: Result) -> str:
    """The first origin of a result in words, or why there is none."""
    if result.reason:
        return result.reason
    if not result.origins:
        return "–"
    origin = result.origins[0]
    number = f" ({origin.divergence})" if origin.divergence else ""
    return f"{origin.stage}: {origin.cause or 'cause unknown'}{number}"


def page(results: Sequence[Result], entries: Sequence[Fault]) -> str:
    """docs/field.md."""
    return "\n".join([HEAD, *_summary(results), *_matrix(results), *_programs(results), *_faults(entries)])


def _summary(results: Sequence[Result]) -> list[str]:
    about = programs.programs()
    rows = []
    for result in results:
        program = about.get(result.name)
        terms = f"{program.language}, {program.license}" if program else ""
        row = [result.name, result.version, terms, result.profile, result.verdict, first_origin(result)]
        rows.append([*row, f"{result.expectation}", result.date])
    head = ["program", "version", "language, license", "profile", "verdict", "first origin", "expected", "date"]
    count = field.expectations(results)
    return [
        table(head, rows),
        "What `about.toml` expected before the run, from the program's own behavior: "
        f"{count['right']} right, {count['wrong']} wrong, {count['unknown']} undecided.\n",
        *_corrections(results),
    ]


def _corrections(results: Sequence[Result]) -> list[str]:
    """Each wrong expectation, and which of expectation and judge was corrected."""
    about = programs.programs()
    lines = []
    for result in (result for result in results if result.expectation == "wrong"):
        expected = about[result.name].expected[result.profile]
        number = f" ({expected.divergence})" if expected.divergence else ""
        place = f"{expected.stage}{number} as the first origin" if expected.stage else f"the verdict {expected.verdict}"
        lines.append(f"- {result.name}, {result.profile}: {place} was expected. {expected.corrected or 'Open.'}")
    return ["Where the two disagree:\n\n" + "\n".join(lines) + "\n"] if lines else []


def _matrix(results: Sequence[Result]) -> list[str]:
    judged = [result for result in results if result.stages]
    columns = field.columns_of(judged)
    rows = [
        [stage, *(field.cell_text(result, stage) for result in judged)]
        for stage in columns
        if any(result.stages.get(stage, "not_tested") != "not_tested" for result in judged)
    ]
    head = ["stage", *(f"{result.name}, {result.profile}" for result in judged)]
    return ["## Stages\n", LEGEND + "\n", table(head, rows)]


def _programs(results: Sequence[Result]) -> list[str]:
    lines = ["## What each program does otherwise\n"]
    for name, group in groupby((result for result in results if result.origins), key=lambda result: result.name):
        lines.append(f"### {name}\n")
        rows, of_program = [], list(group)
        for result in of_program:
            for one in field.deviations(result):
                number = f"{one.number}: {one.title}" if one.number else "not numbered"
                measured = one.effect or "not measured"
                rows.append([result.profile, one.stage, one.cause, number, one.audible, measured, ", ".join(one.cases)])
        head = ["profile", "stage", "cause", "divergence", "what a person notices", "measured", "goldens"]
        lines.append(table(head, rows))
        lines += [_sounds(result) for result in of_program if result.sounds]
    return lines


def _sounds(result: Result) -> str:
    """How each whole conversion sounds, as a list."""
    lines = [f"- {case}: {text}." for case, text in result.sounds.items()]
    return f"Its conversions beside the goldens of {result.profile}:\n\n" + "\n".join(lines) + "\n"


def _faults(entries: Sequence[Fault]) -> list[str]:
    lines = [FAULTS] if entries else []
    for number, fault in enumerate(entries, 1):
        name = f" ({fault.divergence})" if fault.divergence else ""
        lines += [
            f"### {number}. {fault.program}: {fault.title}{name}\n",
            f"In `{fault.where}`:\n",
            f"```python\n{fault.reproduce.strip()}\n```\n",
            f"It prints `{fault.prints.strip()}`. Expected: {fault.expected.strip()}\n",
        ]
    return lines


def summary(results: Sequence[Result]) -> str:
    """The README's table: one line for each program, with the verdict of each profile."""
    rows = []
    for name, group in groupby(results, key=lambda result: result.name):
        of_program = list(group)
        verdicts = "; ".join(f"{result.profile}: {result.verdict}" for result in of_program)
        differing = next((result for result in of_program if result.origins), None)
        rows.append([f"{name} {of_program[0].version}", verdicts, first_origin(differing) if differing else "–"])
    return table(["program", "verdict beside each profile", "first origin"], rows)


def made() -> dict[Path, str]:
    """Each file that repeats the results, with the content that it must have.

    Raises:
        ParityError: field.json, an about.toml or faults.toml is not valid.
    """
    results = field_results.read(RESULTS)
    return {
        PAGE: page(results, reproductions.faults()),
        MATRIX: assembly.field_page(field.build(results)),
        README: between((ROOT / README).read_text(encoding="utf-8"), summary(results), "tools/field_page.py", README),
    }


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: up to date or written; 1: a file differs; 2: an input is not valid."""
    parser = argparse.ArgumentParser(prog="python -m tools.field_page", description=_first_line(__doc__))
    parser.add_argument("--write", action="store_true", help="write the files instead of comparing them")
    options = parser.parse_args(arguments)
    try:
        files = made()
    except (ParityError, tomllib.TOMLDecodeError) as error:
        print(f"field: {error}", file=sys.stderr)
        return 2
    return settle(files, "field/field.json", "tools.field_page", options.write)


def _first_line(text: Any) -> str:
    return str(text).split("\n", 1)[0]


if __name__ == "__main__":
    sys.exit(main())
