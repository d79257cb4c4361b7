"""Make HTML pages from verdicts and traces, with pictures and audio of both sides."""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from parity.errors import ParityError
from parity.goldens.text import printable
from parity.waveforms import pair_output
from reports.data import field_results, load
from reports.data.load import Json
from reports.errors import ReportError
from reports.pages import assembly, field, index, matrix, sounds
from reports.pages import case as case_page
from reports.panels import costs


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0, or 2 for a usage or input error.
    """
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    parser.add_argument(
        "verdicts",
        nargs="+",
        type=Path,
        metavar="VERDICT_DIR",
        help="a folder with verdict.json and traces/; several are compared side by side; "
        "or the folder of field.json, the results of public implementations, or that of sounds.json, two sounds",
    )
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="folder of the pages")
    parser.add_argument(
        "--case", metavar="TEXT", help="only pages of cases whose name contains TEXT; the index still lists all cases"
    )
    parser.add_argument("--golden", type=Path, help="the golden or trace that `parity compare` compared with")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    try:
        if len(options.verdicts) == 1 and (options.verdicts[0] / pair_output.FILE).is_file():
            entry = run_sounds(options.verdicts[0], options.out)
        elif len(options.verdicts) == 1 and (options.verdicts[0] / field_results.FILE).is_file():
            entry = run_field(options.verdicts[0], options.out, options.quiet)
        else:
            entry = run(options.verdicts, options.out, options.case, options.golden, options.quiet)
    except ParityError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that cannot be written
        print(
            f"error: the system refused: {printable(str(error))}; choose another place, or make room", file=sys.stderr
        )
        return 2
    print(f"open {entry}")
    return 0


def run(
    folders: list[Path], out: Path, only: str | None = None, golden: Path | None = None, quiet: bool = False
) -> Path:
    """Write all pages.

    Args:
        folders: folders with verdict.json; several are compared side by side.
        out: folder of the pages.
        only: makes pages only for cases whose name contains this.
        golden: the golden or trace to compare with, where the verdict names none.
        quiet: no progress bar.
    Returns:
        The page to open first.
    Raises:
        ReportError: a verdict cannot be read, or no case has `only` in its name.
    """
    folders = list(dict.fromkeys(folders))  # a folder that is named twice is one candidate
    verdicts = {folder: load.verdict(folder) for folder in folders}
    places = (
        dict(zip(folders, _folder_names(folders, list(verdicts.values())), strict=True)) if len(folders) > 1 else {}
    )
    selected = [
        (folder, case)
        for folder, verdict in verdicts.items()
        for case in verdict["cases"]
        if only is None or only in case["name"]
    ]
    if only is not None and not selected:
        raise ReportError(
            f"no case has {only!r} in its name; the verdict holds {', '.join(_names(verdicts)) or 'none'}"
        )
    for folder, case in tqdm(selected, desc="pages", unit="case", disable=quiet or None):
        page = case_page.build(case, verdicts[folder], load.evidence(case, folder, golden))
        assembly.write(out / places.get(folder, "") / f"{case['name']}.html", assembly.case_page(page))
    for folder, verdict in verdicts.items():
        up = "../index.html" if places else ""
        text = assembly.index_page(index.build(verdict), costs.build(verdict.get("speed")), up)
        assembly.write(out / places.get(folder, "") / "index.html", text)
    if places:
        comparison = matrix.build({places[folder]: verdict for folder, verdict in verdicts.items()})
        assembly.write(out / "index.html", assembly.matrix_page(comparison))
    return out / "index.html"


def run_field(folder: Path, out: Path, quiet: bool = False) -> Path:
    """Write the matrix of public implementations, and the pages of each run whose verdict stands beside it.

    Args:
        folder: holds field.json, and NAME/PROFILE/verdict.json for each run that is to have pages.
        out: folder of the pages.
        quiet: no progress bar.
    Returns:
        The page to open first.
    Raises:
        ReportError: field.json or a verdict cannot be read.
    """
    results = field_results.read(folder / field_results.FILE)
    for result in results:
        judged = folder / result.name / result.profile
        if (judged / "verdict.json").is_file():
            run([judged], out / result.name / result.profile, quiet=quiet)
    assembly.write(out / "index.html", assembly.field_page(field.build(results, out)))
    return out / "index.html"


def run_sounds(folder: Path, out: Path) -> Path:
    """Write the page of two sounds, which `rvc-parity compare A.wav B.wav --out FOLDER` compared.

    Args:
        folder: holds sounds.json and the aligned sounds.
        out: folder of the page.
    Returns:
        The page.
    Raises:
        ReportError: sounds.json or an aligned sound cannot be read.
    """
    assembly.write(out / "index.html", assembly.sounds_page(sounds.build(folder)))
    return out / "index.html"


def _names(verdicts: dict[Path, Json]) -> Iterator[str]:
    for verdict in verdicts.values():
        yield from (case["name"] for case in verdict["cases"])


def _folder_names(folders: list[Path], verdicts: list[Json]) -> list[str]:
    """A folder name for each candidate: its name, with the verdict folder's name or a number where two are equal."""
    wanted = [re.sub(r"[^\w.]+", "-", verdict["candidate"]["name"]).strip("-.") or "candidate" for verdict in verdicts]
    if len(set(wanted)) < len(wanted):
        wanted = [f"{name}-{folder.resolve().name}" for name, folder in zip(wanted, folders, strict=True)]
    return [name if wanted.count(name) == 1 else f"{name}-{number + 1}" for number, name in enumerate(wanted)]


if __name__ == "__main__":
    sys.exit(main())
