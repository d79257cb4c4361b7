"""`check --time` asks the adapter how long it takes, and shows the answer beside an original's."""

import json
import sys
from pathlib import Path

import pytest
from small_case import golden

from parity.candidates import timing
from parity.candidates.candidate import CandidateError
from parity.cli import main as command_line
from parity.rvc_bridge import counterfactual, voice_files
from reports.panels import costs

ROOT = Path(__file__).parents[2]
ADAPTER = Path(__file__).with_name("repeating_adapter.py")


class Timed:
    chains = True

    def __init__(self, seconds: list[float] | None) -> None:
        self.seconds = seconds

    def takes(self, case: object) -> bool:
        return True

    def time(self, case: object, repeat: int = timing.REPEAT) -> list[float]:
        if self.seconds is None:
            raise CandidateError("time is not known")
        return self.seconds


def test_the_median_stands_beside_the_original_in_the_report(tmp_path: Path) -> None:
    golden(tmp_path)
    speed = timing.measure(Timed([0.5, 0.4, 1.0]), "mine", [tmp_path / "small"])  # 0.5 s of input
    own, original = speed["figures"]
    assert (own["value"], own["low"], own["high"]) == (1.0, 0.8, 2.0)
    group, note = costs.build(speed)
    assert [(bar.who, bar.value) for bar in group.bars] == [
        ("mine", "1 s (0.8 to 2)"),
        (original["who"], "1.66 s"),
    ]
    assert "3 conversions of small (0.5 s)" in note.note
    assert timing.sentence(speed).startswith("time: 1.00 s (0.80 to 2.00) for one second of input; mine: 3 ")


def test_the_time_of_the_original_is_the_published_one() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert f"| real-time factor | {timing.ORIGINAL['value']}" in text


def test_an_adapter_without_time_keeps_its_verdict(tmp_path: Path) -> None:
    golden(tmp_path)
    speed = timing.measure(Timed(None), "mine", [tmp_path / "small"])
    assert speed == {"note": "not measured: time is not known"}
    assert timing.sentence(speed) == "time: not measured: time is not known"
    assert timing.measure(Timed([1.0]), "mine", []) == {
        "note": "not measured: none of the cases is a whole conversion of a file"
    }


def test_the_command_writes_the_time_into_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(voice_files, "paths", lambda case: {})
    monkeypatch.setattr(counterfactual, "networks_are_installed", lambda: False)
    golden(tmp_path / "goldens")
    arguments = ["check", "--candidate", f"{sys.executable} {ADAPTER} {tmp_path / 'goldens'}", "--case", "small"]
    arguments += ["--stage", "trim", "--goldens", str(tmp_path / "goldens"), "--out", str(tmp_path / "out"), "--time"]
    assert command_line.main(arguments) == 1
    speed = json.loads((tmp_path / "out" / "verdict.json").read_text())["speed"]
    assert [figure["value"] for figure in speed["figures"]] == [4.0, 1.66]
    assert capsys.readouterr().out.startswith("time: 4.00 s (2.00 to 6.00) for one second of input; repeating: 3 ")
    assert command_line.main(["check", "--outputs", str(tmp_path), "--time"]) == 2
    assert capsys.readouterr().err == (
        "parity: --time asks a program for the time of goldens; give --candidate and leave out --fresh\n"
    )
