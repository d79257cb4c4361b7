"""The command `docs`, which prints a page of the documentation that this installation holds."""

import argparse
import difflib
from pathlib import Path

from parity.cli.command import Command
from parity.errors import UsageError
from parity.goldens import golden_set

_NEEDED = "python -m pip install rvc-parity-goldens"


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "page", nargs="?", metavar="PAGE", help="a page, such as tutorial or spec/00-overview; without it, all pages"
    )


def pages(folder: Path) -> dict[str, Path]:
    """The name of each page below a folder of documentation, as messages of the judge state it, and its file."""
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.md"))}


def _docs(options: argparse.Namespace) -> int:
    folder = golden_set.documentation()
    if folder is None:
        raise UsageError(f"the documentation is not installed; it comes with the goldens: {_NEEDED}")
    known = pages(folder)
    if options.page is None:
        titles = {
            name: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for name, path in known.items()
        }
        width = max(map(len, titles))
        print("\n".join(f"{name:{width}}  {title}" for name, title in titles.items()))
        print(f"\nthe files: {folder}")
        return 0
    name = options.page.removeprefix("docs/").removesuffix(".md")
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else "; the list of all pages: rvc-parity docs"
        raise UsageError(f"there is no page {options.page!r}{hint}")
    print(known[name].read_text(encoding="utf-8"), end="")
    return 0


DOCS = Command(
    "docs",
    "print a page of the documentation and of the specification",
    """Print a page of the documentation, as Markdown. Without PAGE, list all pages and the folder of their files.

  rvc-parity docs
  rvc-parity docs tutorial
  rvc-parity docs spec/00-overview

exit codes: 0 printed, 2 usage or bad input""",
    _add_options,
    _docs,
)
