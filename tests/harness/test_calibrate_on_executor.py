"""The checks of traces as tasks: the bytes of one process on any executor, after a killed worker and after a stop."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_case import golden, tensors

from parity.calibration import spread, trace_checks
from parity.calibration.trace_checks import Check, Task
from parity.cli.main import main
from parity.goldens import trace_file

WAVE = "waveform.concat"
attempt = trace_checks.attempt


def louder(by: float) -> dict[str, Any]:
    return {WAVE: (tensors()[WAVE].astype(np.float64) * (1 + by)).astype(np.float32)}


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Calibrate five variants of one case; without --out."""
    traces, goldens, path = tmp_path / "traces", tmp_path / "goldens", tmp_path / "spread.json"
    golden(goldens)
    for number, name in enumerate("abcde"):
        trace_file.Trace(tensors() | louder(1e-5 + 1e-6 * number)).write(
            traces / name / "small" / "chained.safetensors"
        )
    path.write_text(json.dumps(spread.measure(traces, goldens)))
    return ["calibrate", "--spread", str(path), "--traces", str(traces), "--goldens", str(goldens)]


def attempt_and_die_once(task: Task) -> list[Check] | str:
    """Check a trace; the process that begins variant c for the first time is killed."""
    mark = task.spread.with_name("killed")
    if task.variant == "c" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt(task)


@pytest.mark.parametrize("executor", ["processes=2", "dask=2"])
def test_an_executor_of_which_a_worker_is_killed_gives_the_bytes_of_one_process(
    executor: str, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if executor.startswith("dask"):
        pytest.importorskip("distributed")
    serial, out = tmp_path / "serial.json", tmp_path / "out.json"
    assert main([*command, "--out", str(serial)]) == 0
    monkeypatch.setattr(trace_checks, "attempt", attempt_and_die_once)
    assert main([*command, "--out", str(out), "--executor", executor]) == 0
    assert (tmp_path / "killed").exists()
    assert out.read_bytes() == serial.read_bytes()
    assert not list(tmp_path.glob("*.tasks"))


def test_a_trace_that_fails_does_so_alone_and_a_run_is_continued(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serial, out = tmp_path / "serial.json", tmp_path / "out.json"
    assert main([*command, "--out", str(serial)]) == 0
    broken = tmp_path / "traces" / "b" / "small" / "chained.safetensors"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    capsys.readouterr()
    assert main([*command, "--out", str(out)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith(f"parity: {broken}: ")
    assert lines[1] == (
        "parity: 1 of 5 traces could not be checked; repair or remove them, then continue with --resume"
    )
    assert not out.exists()
    with (tmp_path / "out.json.tasks").open("a") as file:
        file.write('{"task": "unfinis')  # as a killed run leaves it
    broken.write_bytes(whole)
    tried = []
    monkeypatch.setattr(trace_checks, "attempt", lambda task: tried.append(task.variant) or attempt(task))
    assert main([*command, "--out", str(out), "--resume"]) == 0
    assert tried == ["b"]
    assert out.read_bytes() == serial.read_bytes()


def test_another_content_of_a_trace_is_checked_again(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.json"
    (tmp_path / "traces" / "e" / "small" / "chained.safetensors").write_bytes(b"")
    assert main([*command, "--out", str(out)]) == 2
    trace_file.Trace(tensors() | louder(1)).write(tmp_path / "traces" / "a" / "small" / "chained.safetensors")
    trace_file.Trace(tensors() | louder(1e-5)).write(tmp_path / "traces" / "e" / "small" / "chained.safetensors")
    tried = []
    monkeypatch.setattr(trace_checks, "attempt", lambda task: tried.append(task.variant) or attempt(task))
    assert main([*command, "--out", str(out), "--resume"]) == 1
    assert tried == ["a", "e"]
    assert {row["variant"] for row in json.loads(out.read_text())["false_alarms"]} == {"a"}


@pytest.mark.parametrize("option", [["--executor", "dask"], ["--resume"]])
def test_what_is_for_traces_is_refused_without_them(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", *option]) == 2
    assert capsys.readouterr().err == (
        "parity: --executor and --resume are for traces, which are missing; give --traces or --fresh\n"
    )
