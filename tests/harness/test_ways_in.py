"""The pages of docs/start: each command is run on what the page describes, and prints the lines that it shows."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from documented import shows

from parity.cli.main import main
from parity.goldens import store
from parity.voices import torch_file
from tests.harness.test_tutorial import blocks
from tests.harness.test_two_sounds import RATE, VOICE

PAGES = Path(__file__).parents[2] / "docs" / "start"


def two_sounds(folder: Path) -> None:
    """original.wav, and mine.wav at half its level with 400 samples missing."""
    cut = round(0.9 * RATE)
    soundfile.write(folder / "original.wav", VOICE, RATE)
    soundfile.write(folder / "mine.wav", 0.5 * np.concatenate([VOICE[:cut], VOICE[cut + 400 :]]), RATE)


CASE = "v1-40k-pm-classic"


def two_dumps(folder: Path) -> None:
    """dump/: some tensors of a golden under audio.cpp's names, as raw files with their shapes."""
    case, table = store.open_case(store.GOLDENS / CASE), {}
    (folder / "dump").mkdir()
    for own, name in (("hubert.features", "seg0.hubert.features"), ("synth.features", "seg0.content.protected")):
        (folder / "dump" / f"{own}.bin").write_bytes(case[name].tobytes())
        table[f"rvc.{own}"] = {"file": f"{own}.bin", "dtype": "float32", "shape": list(case[name].shape)}
    (folder / "dump" / "shapes.json").write_text(json.dumps(table))


def taps(folder: Path) -> None:
    """taps.pt: what the page's hooks record."""
    case = store.open_case(store.GOLDENS / CASE)
    names = ("seg0.enc_p.m", "seg0.enc_p.logs", "seg0.flow.z")
    torch_file.write({name: case[name] for name in names}, folder / "taps.pt")


def program(folder: Path) -> None:
    """adapter.py: the program of the page."""
    (content,) = [content for language, content in blocks((PAGES / "program.md").read_text()) if language == "python"]
    (folder / "adapter.py").write_text(content)


def nothing(folder: Path) -> None:
    """The page makes its files itself."""


# Page → what makes its files, and the exit code of its last command.
PREPARED: dict[str, tuple[Callable[[Path], None], int]] = {
    "program": (program, 4),
    "pytorch": (taps, 4),
    "two-dumps": (two_dumps, 4),
    "two-sounds": (two_sounds, 1),
    "phone": (nothing, 4),
}


def test_every_page_is_run() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(PREPARED)


@pytest.mark.parametrize("page", PREPARED)
def test_the_commands_of_a_page_print_what_it_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare, expected_code = PREPARED[page]
    prepare(tmp_path)
    goldens = store.GOLDENS.resolve()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "goldens").symlink_to(goldens.parent)
    code = None
    for language, content in blocks((PAGES / f"{page}.md").read_text()):
        if language == "python" and "requests/" in content:  # the device of the page on phones
            subprocess.run([sys.executable, "-c", content], check=True, timeout=120)
        if language != "console":
            continue
        command, *lines = content.splitlines()
        name, *arguments = shlex.split(command.removeprefix("$ "))
        assert name == "rvc-parity"
        code = main([argument.replace("python ", f"{sys.executable} ") for argument in arguments])
        printed = capsys.readouterr().out
        assert shows(lines, printed), f"{command}\n{printed}"
    assert code == expected_code
