"""The commands that README and the pages of the documentation print, and which of them are run elsewhere.

A block with the language `sh` holds one command in each line; a remark follows `#`, and `\\` continues a line. Every
other block states another language: `text` for outputs and diagrams.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "examples", "goldens", "reference", "bench", "rvc", "rvc_onnx", "tests")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md"))),
]
# First words of a line that is a command; a block of text may not hold one at the beginning of a line.
PROGRAMS = ("rvc", "rvc-parity", "rvc-onnx", "python", "pip", "nox", "cc", "make", "cargo", "git", "docker", "dask")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: the page.
        language: what stands after the fence; "" where nothing does.
        lines: its content without the indentation of the fence.
    """

    page: Path
    language: str
    lines: list[str]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    for match in re.finditer(r"^( *)```(\w*)\n(.*?)^\1```$", page.read_text(encoding="utf-8"), re.M | re.S):
        yield Block(page, match[2], [line.removeprefix(match[1]) for line in match[3].splitlines()])


def shows(expected: Iterable[str], printed: str) -> bool:
    """Whether an output of a page is what a command prints.

    A line that is "…" stands for any lines, and a line that ends with "…" for one with that beginning; every other line
    is complete.
    """
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(line.removesuffix("…")) + (r".*\n" if line.endswith("…") else r"\n")
        for line in expected
    )
    return re.fullmatch(pattern, printed.rstrip("\n") + "\n") is not None


def outside_blocks(page: Path) -> str:
    """The text of a page without its fenced blocks."""
    return re.sub(r"^( *)```\w*\n.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def commands(block: Block) -> Iterator[str]:
    """The commands of a block of the language `sh`, without remarks."""
    for line in "\n".join(block.lines).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield re.split(r"\s+#\s", line)[0].strip()


def is_a_command(line: str) -> bool:
    """Whether a line begins with a program."""
    words = line.split()
    return len(words) > 1 and words[0].lstrip("(").removeprefix("$ ") in PROGRAMS


class Reason(StrEnum):
    """Why a printed command is not run where the others are."""

    NETWORK = "it installs packages"
    SESSION = "it makes an environment of its own and runs what other tests and CI run"
    ORIGINAL = "it needs an original"
    DEVICE = "it needs a sound device"
    SERVER = "it runs until it is stopped"
    LONG = "it takes more than 20 s of processor time"


@dataclass(frozen=True)
class Elsewhere:
    """A printed command, or all that begin with the same words, that is run elsewhere.

    Attributes:
        begins: the words with which it begins.
        reason: why.
        run_by: the test that runs it, as FILE::NAME; "" for NETWORK, SESSION and ORIGINAL, whose options are checked.
    """

    begins: str
    reason: Reason
    run_by: str = ""


ELSEWHERE = (
    Elsewhere("python -m pip install", Reason.NETWORK),
    Elsewhere("python -m nox", Reason.SESSION),
    Elsewhere("nox", Reason.SESSION),
    Elsewhere("python -m reference.", Reason.ORIGINAL),
    Elsewhere("python -m parity.spread", Reason.ORIGINAL),
    Elsewhere("rvc live --list-devices", Reason.DEVICE, "tests/unit/test_cli_stream.py::test_live_lists_devices"),
    Elsewhere("rvc live", Reason.DEVICE, "tests/unit/test_cli_stream.py::test_live_converts_between_devices"),
    Elsewhere(
        "dask",
        Reason.SERVER,
        "tests/unit/test_executors.py::test_a_cluster_of_dasks_own_tools_has_the_bytes_of_one_process",
    ),
    Elsewhere("rvc-parity run", Reason.LONG, "tests/parity/test_goldens.py::test_a_conversion_equals_the_golden"),
    Elsewhere(
        'rvc-parity check --candidate "python -m parity.adapters.onnx_runtime"',
        Reason.LONG,
        "tests/harness/test_adapters.py::test_the_onnx_adapter_is_accepted_and_passes",
    ),
)


def elsewhere(command: str) -> Elsewhere | None:
    """The entry of a command that is run elsewhere."""
    words = shlex.split(command)
    for entry in ELSEWHERE:
        begin = shlex.split(entry.begins)
        if words[: len(begin)] == begin or (entry.begins.endswith(".") and command.startswith(entry.begins)):
            return entry
    return None
