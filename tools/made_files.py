"""Files and marked sections that a program makes from a source: compared with what is on disk, or written."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from parity.errors import ParityError

ROOT = Path(__file__).parents[1]


def between(text: str, inner: str, maker: str, path: Path) -> str:
    """The text with `inner` between the two marker lines of a program.

    Args:
        text: the content of the file.
        inner: what belongs between the markers.
        maker: the name of the program that the markers name, such as "tools/divergences.py".
        path: the path of the file, for the message.
    Raises:
        ParityError: the text lacks a marker.
    """
    begin, end = f"<!-- made by {maker}: begin -->", f"<!-- made by {maker}: end -->"
    if begin not in text or end not in text:
        raise ParityError(f"{path} lacks the lines {begin!r} and {end!r}; put them where {maker} writes")
    pattern = f"{re.escape(begin)}.*{re.escape(end)}"
    return re.sub(pattern, lambda _: f"{begin}\n\n{inner}\n{end}", text, count=1, flags=re.DOTALL)


def settle(files: Mapping[Path, str], source: str, module: str, write: bool) -> int:
    """Compare files with the content that they must have, or write them.

    Args:
        files: path below the root → content.
        source: what the files repeat, for the message.
        module: the program to run, such as "tools.divergences".
        write: write each file that differs, and print its path.
    Returns:
        the exit code: 0 all are up to date or written, 1 one differs.
    """
    different = [path for path, text in files.items() if not _holds(ROOT / path, text)]
    for path in different:
        if write:
            (ROOT / path).write_text(files[path], encoding="utf-8")
            print(path)
        else:
            print(f"{path} does not repeat {source}; run python -m {module} --write", file=sys.stderr)
    return 1 if different and not write else 0


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
