"""The command line of the judge: every command has a help text, and the aliases run the same commands."""

import datetime
import json
import runpy
import sys
from pathlib import Path

import pytest
from small_case import changed, golden, tensors

from parity.cli import main as command_line
from parity.goldens import trace_file

UNTIL = (datetime.date.today() + datetime.timedelta(days=30)).isoformat()
NAMES = [command.name for command in command_line.COMMANDS]


def test_the_commands_are_those_of_the_documentation() -> None:
    first = "run check cases doctor compare report init docs diff badge"
    measuring = "coverage accuracy calibrate spread exact inputs"
    assert f"{first} {measuring} manifest mutants voices own-noise live".split() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_a_help_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command_line.main([name, "--help"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: rvc-parity {name} ")
    assert "python -m parity " not in out


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["--help"])
    out = capsys.readouterr().out
    assert [name for name in NAMES if f"\n    {name}" not in out] == []


@pytest.mark.parametrize("arguments", [[], ["judge"], ["check"], ["run", "--nonsense"]])
def test_a_wrong_use_has_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command_line.main(arguments)
    assert left.value.code == 2


@pytest.mark.parametrize("alias", ["parity", "parity.voices", "parity.mutants", "parity.coverage", "parity.accuracy"])
def test_an_alias_runs_as_a_module(
    alias: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [alias, "--help"])
    for module in (alias, f"{alias}.__main__"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(SystemExit) as left:
        runpy.run_module(alias, run_name="__main__")
    assert left.value.code == 0
    assert "usage: " in capsys.readouterr().out


def waiver(folder: Path, cell: str) -> str:
    path = folder / "waivers.json"
    path.write_text(json.dumps([{"cell": cell, "because": "a known failure of this port", "until": UNTIL}]))
    return str(path)


def test_compare_reads_waivers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = golden(tmp_path)
    made = changed("waveform.final", tensors()["waveform.final"] + 40)
    trace = trace_file.Trace(made).write(tmp_path / "mine.safetensors")
    arguments = ["compare", str(case.folder), str(trace), "--stage", "final", "--json"]
    assert command_line.main(arguments) == 1
    capsys.readouterr()
    arguments += ["--waivers", waiver(tmp_path, "small/waveform.final/chained/*")]
    assert command_line.main(arguments) == 4  # one stage is chosen
    document = json.loads(capsys.readouterr().out)
    assert document["counts"]["waived"] > 0 and document["waivers"][0]["used"] == document["counts"]["waived"]


def test_a_missing_file_of_waivers_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "waivers.json")
    assert command_line.main(["compare", str(tmp_path), str(tmp_path), "--waivers", missing]) == 2
    assert capsys.readouterr().err == (
        f"parity: there is no file of waivers at {missing}; rvc-parity check --help shows the format\n"
    )


def test_exported_graphs_are_run_on_the_cpu_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["run", "--runtime", "onnx", "--device", "cuda"]) == 2
    assert capsys.readouterr().err == (
        "parity: --device is cuda, but exported graphs are run on the cpu; leave it out\n"
    )
