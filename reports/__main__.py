"""python -m reports VERDICT_DIR... OUT_DIR: pages to look at and listen to, made from verdicts and traces alone."""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from parity.errors import ParityError
from reports.data import load
from reports.data.load import Json
from reports.errors import ReportError
from reports.pages import assembly, index, matrix
from reports.pages import case as page
from reports.panels import costs


def main(arguments: list[str] | None = None) -> int:
    """Render every page; returns the exit code, 0 or 2 for a usage or input error."""
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument(
        "verdicts",
        nargs="+",
        type=Path,
        metavar="VERDICT_DIR",
        help="a folder with verdict.json and traces/; several are compared side by side",
    )
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="where the pages go")
    parser.add_argument("--case", help="only the cases whose name contains this; the index still lists all")
    parser.add_argument("--golden", type=Path, help="the golden or trace that `parity compare` was given")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    try:
        entry = run(options.verdicts, options.out, options.case, options.golden, options.quiet)
    except ParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"open {entry}")
    return 0


def run(
    folders: list[Path], out: Path, only: str | None = None, golden: Path | None = None, quiet: bool = False
) -> Path:
    """Write all pages below `out` and return the one to open; raises ReportError."""
    verdicts = {folder: load.verdict(folder) for folder in folders}
    places = dict(zip(folders, _places(folders, list(verdicts.values())), strict=True)) if len(folders) > 1 else {}
    work = [
        (folder, case)
        for folder, found in verdicts.items()
        for case in found["cases"]
        if only is None or only in case["name"]
    ]
    if only is not None and not work:
        raise ReportError(
            f"no case has {only!r} in its name; the verdict holds {', '.join(_names(verdicts)) or 'none'}"
        )
    for folder, case in tqdm(work, desc="pages", unit="case", disable=quiet or None):
        built = page.build(case, verdicts[folder], load.evidence(case, folder, golden))
        assembly.write(out / places.get(folder, "") / f"{case['name']}.html", assembly.case_page(built))
    for folder, found in verdicts.items():
        up = "../index.html" if places else ""
        text = assembly.index_page(index.build(found), costs.build(found.get("speed")), up)
        assembly.write(out / places.get(folder, "") / "index.html", text)
    if places:
        assembly.write(
            out / "index.html",
            assembly.matrix_page(matrix.build({places[folder]: found for folder, found in verdicts.items()})),
        )
    return out / "index.html"


def _names(verdicts: dict[Path, Json]) -> Iterator[str]:
    for found in verdicts.values():
        yield from (case["name"] for case in found["cases"])


def _places(folders: list[Path], verdicts: list[Json]) -> list[str]:
    """A folder name for each candidate: its own name, with the verdict folder's or a number where two share it."""
    wanted = [re.sub(r"[^\w.]+", "-", found["candidate"]["name"]).strip("-.") or "candidate" for found in verdicts]
    if len(set(wanted)) < len(wanted):
        wanted = [f"{name}-{folder.resolve().name}" for name, folder in zip(wanted, folders, strict=True)]
    return [name if wanted.count(name) == 1 else f"{name}-{number + 1}" for number, name in enumerate(wanted)]


if __name__ == "__main__":
    sys.exit(main())
