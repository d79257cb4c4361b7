"""The programs of docs/tutorial.md get the outputs that the page shows, and every printed command parses."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from documented import shows

from parity.cli import main as command_line

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = ("rvc-parity", "python -m parity", "rvc", "python -m rvc", "python -m reports")


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of each fenced block."""
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        yield match[1], match[2]


@pytest.mark.slow
def test_the_tutorial_shows_what_its_programs_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "goldens").symlink_to(ROOT / "goldens")
    tried = 0
    for language, content in blocks((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")):
        if language == "python":
            (tmp_path / "port.py").write_text(content)
        if language != "console":
            continue
        command, *expected = content.splitlines()
        program, *arguments = shlex.split(command.removeprefix("$ "))
        assert program == "rvc-parity"
        arguments = [argument.replace("python port.py", f"{sys.executable} port.py") for argument in arguments]
        code = command_line.main(arguments)
        printed = capsys.readouterr().out.replace(f"{sys.executable} port.py", "python port.py")
        assert shows(expected, printed), f"{command}\n{printed}"
        assert "…" not in expected, "the tutorial shows complete outputs"
        assert code == (1 if "FIX" in content or "differs: " in content else 4 if "partial: " in content else 0)
        tried += 1
    assert tried == 6


def commands() -> Iterator[tuple[str, str]]:
    """Page and command line of every call of a program of this project in a block."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for _, content in blocks(text) for line in content.splitlines()]
        for line in lines:
            for program in PROGRAMS:
                command = line.removeprefix("$ ").strip()
                if re.match(rf"{program} [a-z]", command):
                    yield str(page.relative_to(ROOT)), command
                    break


def arguments_of(command: str) -> list[str]:
    """The words after the program, without the remark that stands behind two spaces or a number sign."""
    command = re.split(r"\s{2,}(?=[^\s\"'-])|\s#|\s&&|\s;", command)[0]
    words = shlex.split(command)
    return words[1:] if not command.startswith("python") else words[3:]


@pytest.mark.parametrize(("page", "command"), sorted(set(commands())))
def test_every_printed_command_parses(page: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = arguments_of(command)
    try:
        if command.startswith(("rvc-parity", "python -m parity")) and not command.startswith("python -m parity."):
            command_line._parser(arguments[0]).parse_args(arguments)
        elif command.startswith(("rvc ", "python -m rvc ")):
            from rvc.cli import main as rvc_main  # imports torch

            rvc_main.build().parse_args(arguments)
    except SystemExit as left:
        assert left.code == 0, f"{page}: {command}\n{capsys.readouterr().err}"
