"""The adapter skeletons: each compiles without a warning, is accepted by the doctor, and its two stages are right."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from toolchains import starts

from parity import __main__ as command_line
from parity import stages
from parity.adapters import skeletons
from parity.candidates import external
from parity.candidates.candidate import NotOffered
from parity.candidates.process import AdapterProcess, ProtocolError
from parity.goldens import text
from parity.runs import doctor
from parity.runs import run as running

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
CASE = "v2-40k-rmvpe-rpy"  # 0.45 s of speech, with an index
TOOLS = {"rust": "cargo", "cpp": "g++", "c": "cc", "javascript": "node"}
STRICT = {"CFLAGS": "-O1 -Wall -Wextra -Werror", "CXXFLAGS": "-O1 -Wall -Wextra -Werror", "RUSTFLAGS": "-D warnings"}
ODD = 'ü "quoted" \\ tab\t line\n 😀 \x01'  # a name that a parser and a writer of JSON have to keep

Build = Callable[[str], str]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A function that writes and builds the skeleton of a language once, and returns the command that starts it."""
    root, commands = tmp_path_factory.mktemp("skeletons"), dict[str, str]()

    def built(name: str) -> str:
        if not starts(TOOLS[name]):
            pytest.skip(f"{TOOLS[name]} is not installed, or has no toolchain for this user")
        if name not in commands:
            language, folder = skeletons.LANGUAGES[name], root / name
            skeletons.write(name, folder)
            if language.build:
                done = subprocess.run(
                    language.build, shell=True, cwd=folder, env=os.environ | STRICT, capture_output=True, text=True
                )
                assert done.returncode == 0, done.stderr
            commands[name] = language.command.format(folder=folder)
        return commands[name]

    return built


@pytest.mark.parametrize("language", skeletons.LANGUAGES)
def test_a_skeleton_is_accepted_and_its_two_stages_hold(build: Build, language: str, tmp_path: Path) -> None:
    goldens = tmp_path / "goldens"
    shutil.copytree(GOLDENS / CASE, goldens / CASE)
    with external.External(build(language), lambda case: {}, 60.0) as program:
        findings = list(doctor.examine(program, goldens))
        assert [finding.sentence for finding in findings if not finding.well] == []
        assert [finding.where for finding in findings] == ["handshake", "limits", "content.upsampled", "z_p"]
        document = running.run(program, goldens, tmp_path / "out")
    assert document["state"] == "partial", document["sentence"]
    tested = {stage["stage"] for stage in document["cases"][0]["stages"] if stage["blame"] == "clean"}
    assert tested == {"content.upsampled", "z_p"}


@pytest.mark.parametrize("language", skeletons.LANGUAGES)
def test_a_skeleton_reads_and_writes_any_text_and_every_dtype(build: Build, language: str, tmp_path: Path) -> None:
    values = np.linspace(-2, 2, 12, dtype=np.float32).reshape(1, 3, 4)
    others = {"f16": np.float16, "f64": np.float64, "i64": np.int64, "i16": np.int16}
    odd = {name: np.arange(5).astype(dtype) for name, dtype in others.items()}
    save_file({"hubert.features": values, **odd, "empty": np.zeros((0, 4), np.float32)}, tmp_path / "in.safetensors")
    files = {"inputs": str(tmp_path / "in.safetensors"), "outputs": str(tmp_path / "out.safetensors")}
    case = {"name": ODD, "options": {"window": [1.0, -6e-1, 38, None], "transpose": True}, "files": {}}
    process = AdapterProcess(build(language), 60.0)
    try:
        process.request("hello", protocol="rvc-parity/1")
        process.request("run_stage", stage="content.upsampled", prefix=ODD, case=case, **files)
        made = load_file(tmp_path / "out.safetensors")
        assert list(made) == [f"{ODD}content.upsampled"]
        np.testing.assert_array_equal(made[f"{ODD}content.upsampled"], values.repeat(2, axis=1), strict=True)
        with pytest.raises(NotOffered) as lacking:
            process.request("run_stage", stage=ODD, prefix="", case=case, **files)
        assert str(lacking.value) == text.printable(f"this adapter has no stage {ODD}")
        with pytest.raises(NotOffered, match=r"^this adapter does not implement time$"):
            process.request("time", case=case, inputs=files["inputs"], repeat=1)
        with pytest.raises(ProtocolError, match=r"the adapter refused run_stage: the inputs hold no (seg0\.)?enc_p\.m"):
            process.request("run_stage", stage="z_p", prefix="seg0.", case=case, **files)
        (tmp_path / "in.safetensors").write_bytes((tmp_path / "in.safetensors").read_bytes()[:-40])
        with pytest.raises(ProtocolError, match="the adapter refused run_stage"):
            process.request("run_stage", stage="content.upsampled", prefix="", case=case, **files)
        assert process.running
    finally:
        process.stop()


@pytest.mark.parametrize("language", skeletons.LANGUAGES)
def test_a_skeleton_has_a_place_for_each_stage(language: str, tmp_path: Path) -> None:
    written = skeletons.write(language, tmp_path / "port")
    table = next(path for path in written if path.stem == "stages")
    lines = (tmp_path / "port" / table).read_text(encoding="utf-8").splitlines()
    rules = skeletons.LANGUAGES[language]
    for stage in stages.every():
        entry = rules.entry.format(name=stage.name, function=rules.absent)
        implemented = stage.name in rules.implemented
        assert [line.strip() for line in lines].count(entry) == (0 if implemented else 1)
    assert max(map(len, lines)) <= 120


def test_the_command_names_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my port"
    assert command_line.main(["init", "cpp", str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-5:] == [
        f"  (cd '{folder}' && make)",
        f"  rvc-parity doctor --candidate ''\"'\"'{folder}'\"'\"'/adapter'",
        f"  rvc-parity check --candidate ''\"'\"'{folder}'\"'\"'/adapter'",
        "",
        "the specification and a tutorial: docs",
    ]
    assert (folder / ".gitignore").read_text() == "/adapter\n"


def test_a_folder_with_files_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "note.txt").write_text("mine")
    assert command_line.main(["init", "c", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"parity: {tmp_path} exists and is not an empty folder; name one that does not exist yet\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    written = skeletons.write("javascript", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
