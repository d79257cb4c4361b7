"""The pages of docs/start: each command is run on what the page describes, and prints the lines that it shows."""

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from parity.cli.main import main
from tests.harness.test_tutorial import blocks
from tests.harness.test_two_sounds import RATE, VOICE

PAGES = Path(__file__).parents[2] / "docs" / "start"


def two_sounds(folder: Path) -> None:
    """original.wav, and mine.wav at half its level with 400 samples missing."""
    cut = round(0.9 * RATE)
    soundfile.write(folder / "original.wav", VOICE, RATE)
    soundfile.write(folder / "mine.wav", 0.5 * np.concatenate([VOICE[:cut], VOICE[cut + 400 :]]), RATE)


PREPARED: dict[str, tuple[Callable[[Path], None], int]] = {"two-sounds": (two_sounds, 1)}  # page → files, exit code


def test_every_page_is_run() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(PREPARED)


@pytest.mark.parametrize("page", PREPARED)
def test_the_commands_of_a_page_print_what_it_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare, expected_code = PREPARED[page]
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    shown = [content for language, content in blocks((PAGES / f"{page}.md").read_text()) if language == "console"]
    assert shown
    for content in shown:
        command, *lines = content.splitlines()
        program, *arguments = shlex.split(command.removeprefix("$ "))
        assert program == "rvc-parity"
        code = main(arguments)
        printed = capsys.readouterr().out
        at = 0
        for line in lines:  # lines may be left out and cut, but not changed or exchanged
            assert line in printed[at:], f"{command}\n{line}\nis not in\n{printed}"
            at += printed[at:].index(line) + len(line)
        assert code == expected_code
