"""A public program is judged within its time, and one without an answer leaves the others in place."""

import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_verdict import judged_case, small_verdict

from field import command, judging
from field.programs import goldens
from parity.candidates.candidate import CandidateError
from parity.goldens import store

HELLO = {
    "id": 1,
    "ok": True,
    "protocol": "rvc-parity/1",
    "name": "a",
    "version": "1",
    "stages": ["flow"],
    "chain": True,
}


def _limited(arguments: Sequence[str | Path], seconds: float = 60.0) -> judging.Limited:
    return judging.Limited(shlex.join(map(str, arguments)), time.monotonic() + seconds)


def _script(folder: Path, lines: str) -> Path:
    path = folder / "adapter.py"
    path.write_text(f"import json, sys, time\n{lines}\n", encoding="utf-8")
    return path


def test_a_verdict_of_an_earlier_run_does_not_stand_for_goldens_that_the_time_did_not_reach(tmp_path: Path) -> None:
    slow = _script(tmp_path, f"input(); print({json.dumps(json.dumps(HELLO))}, flush=True); time.sleep(60)")
    (tmp_path / "verdict.json").write_text(json.dumps(small_verdict(judged_case("v1-32k-pm-2026", "pass"))))
    chosen = [golden for golden in goldens() if golden.name == "v1-32k-pm-2026"]
    with _limited([sys.executable, slow], 1.0) as program:
        assert judging.examine(program) is None
        verdict = judging.judge(program, "webui-2026", chosen, tmp_path, "again")
    assert verdict == {"cases": [], "pending": ["v1-32k-pm-2026"], "failures": []}


def test_an_adapter_that_does_not_start_is_not_judged(tmp_path: Path) -> None:
    with _limited([tmp_path / "absent"]) as program:
        problem = judging.examine(program)
    assert problem is not None and not problem.starts and problem.sentence.startswith("cannot-start: ")


@pytest.mark.parametrize(
    ("lines", "verdict", "reason"),
    [
        ("time.sleep(60)", "does not answer", "hang: no answer to hello within 0.5 s; does the adapter flush its"),
        (
            "print('loading', flush=True); time.sleep(60)",
            "does not answer",
            "not-json: the answer to hello is 'loading'",
        ),
        (
            "raise ImportError('no torch')",
            "not installed",
            "its adapter does not start: crash: the adapter ended with ",
        ),
    ],
)
def test_a_program_without_an_answer_is_recorded_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, verdict: str, reason: str
) -> None:
    silent = _script(tmp_path, lines)
    monkeypatch.setattr(judging.Limited, "hello_timeout", 0.5 if reason.startswith("hang") else 60.0)
    monkeypatch.setattr(command, "python_of", lambda program: Path(sys.executable))
    monkeypatch.setattr(command.judging, "command_of", lambda *_: shlex.join([sys.executable, str(silent)]))
    assert command.main(["rvc-next", "mlx-rmvpe", "applio", "--out", str(tmp_path / "out")]) == 0
    held = json.loads((tmp_path / "out" / "field.json").read_text(encoding="utf-8"))["implementations"]
    results = {entry["name"]: entry["results"][0] for entry in held}
    assert {name: each["verdict"] for name, each in results.items()} == {
        "rvc-next": verdict,
        "mlx-rmvpe": verdict,
        "applio": "not installed",
    }
    assert results["rvc-next"]["reason"].startswith(reason)
    assert (results["rvc-next"]["cases"], results["rvc-next"]["expectation"]) == ([], "unknown")


def test_after_its_time_no_further_call_is_made() -> None:
    case = store.open_case(store.GOLDENS / "alone-even-cuts-2026")
    with judging.Limited("absent", time.monotonic() - 1) as program, pytest.raises(judging.TimeUp):
        program.run(case)
    with judging.Limited("absent", time.monotonic() + 60) as program, pytest.raises(CandidateError):
        program.run(case)


def test_a_call_that_the_deadline_ends_is_no_mistake_of_the_program(tmp_path: Path) -> None:
    """It answers `hello` and nothing else: what its time does not reach stays open."""
    case = store.open_case(store.GOLDENS / "alone-even-cuts-2026")
    slow = _script(tmp_path, f"input(); print({json.dumps(json.dumps(HELLO))}, flush=True); time.sleep(60)")
    with _limited([sys.executable, slow]) as program:
        assert judging.examine(program) is None
        program.extend(time.monotonic() + 1)
        with pytest.raises(judging.TimeUp):
            program.run_final(case)


def test_a_later_call_gets_only_the_time_that_is_left() -> None:
    with judging.Limited("absent", time.monotonic() + 1000) as program:
        assert program.timeout > 900
        program.deadline = time.monotonic() + 100
        with program._in_time():
            assert program.timeout <= 100
