"""Public programs: what about.toml and the lock files state, and what a verdict becomes in field.json."""

import dataclasses
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import save_file

from field import command, document, effects, environments, judging, reproductions
from field.document import SCHEMA
from field.programs import FOLDER, Expectation, Lock, Program, goldens, programs
from parity.candidates.candidate import CandidateError
from parity.errors import ParityError
from parity.goldens import store
from parity.judge.diagnosis import divergences
from parity.stages import TensorKind
from parity.stages.profile_table import PROFILES
from rvc.f0 import registry

PROGRAMS = programs()
CONTROL = PROGRAMS["webui-2026"]
EXPECTED = Expectation("differs", "f0.filled", "D1", "its F0")


def _verdict(*cases: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"cases": list(cases), "failures": [], **fields}


def _case(name: str, state: str, *stages: tuple[str, str, str | None]) -> dict[str, Any]:
    rows = [
        {"stage": stage, "blame": blame, **({"cause": {"name": cause}} if cause else {})}
        for stage, blame, cause in stages
    ]
    return {"name": name, "state": state, "stages": rows, "wall_s": 2.0}


def test_at_least_twelve_programs_and_the_control_are_described() -> None:
    assert len(PROGRAMS) >= 12
    assert CONTROL.expected["webui-2026"].verdict == "pass"


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=lambda program: program.name)
def test_a_program_has_an_adapter_a_lock_and_an_expectation_for_each_profile(program: Program) -> None:
    assert program.adapter.is_file()
    assert set(program.profiles) <= set(PROFILES) and "webui-2026" in program.profiles
    assert set(program.expected) == set(program.profiles)
    assert bool(program.package) != bool(program.repository)
    lock = Lock.read(program.lock)
    everything = [*lock.packages, *(lock.common.packages if lock.common else ())]
    assert all(line.count("==") == 1 for line in everything), "each package is pinned"
    assert program.package is None or f"{program.package}=={program.version}" in lock.packages


def test_a_lock_includes_the_common_one_in_its_digest(tmp_path: Path) -> None:
    (tmp_path / "common.lock").write_text("# shared\nnumpy==2.4.6\n")
    (tmp_path / "own").mkdir()
    own = tmp_path / "own" / "requirements.lock"
    own.write_text("-r ../common.lock\nrvc==0.3.5\n")
    before = Lock.read(own)
    (tmp_path / "common.lock").write_text("numpy==2.4.7\n")
    assert before.packages == ("rvc==0.3.5",) and before.common is not None
    assert Lock.read(own).digest != before.digest


def test_at_least_five_programs_have_faults_with_code_that_shows_them() -> None:
    faults = reproductions.faults()
    assert len({fault.program for fault in faults}) >= 5
    numbers = {row.number for row in divergences.REGISTRY}
    for fault in faults:
        compile(fault.reproduce, fault.title, "exec")
        assert fault.prints.strip() and fault.expected.strip()
        assert fault.divergence in {"", *numbers}


FAULT = reproductions.Fault("rvc", "title", "where", "", "print(1)\nprint(2)", "2", "1")


@pytest.mark.parametrize(
    ("code", "prints", "holds"),
    [
        ("print(1)\nprint(2)\nprint(3)", "2", True),
        ("print(1)\nprint(2)\nprint(3)", "2\n3", True),
        ("print(1)\nprint(2)\nprint(3)", "1\n3", False),
        ("print(22)", "2", False),
        ("print(2)\nraise ValueError('no')", "2\nValueError: no", True),
        ("print()", "", False),
    ],
)
def test_a_reproduction_holds_where_it_prints_the_stated_lines(
    code: str, prints: str, holds: bool, tmp_path: Path
) -> None:
    fault = dataclasses.replace(FAULT, reproduce=code, prints=prints)
    assert reproductions.reproduced(fault, Path(sys.executable), tmp_path).holds is holds


def test_reproductions_that_print_something_else_fail_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = [FAULT, dataclasses.replace(FAULT, prints="3"), dataclasses.replace(FAULT, program="applio")]
    monkeypatch.setattr(reproductions, "faults", lambda: faults)
    monkeypatch.setattr(reproductions, "PRELUDE", "")
    monkeypatch.setattr(reproductions, "python_of", lambda program: Path(sys.executable))
    assert command.main(["--faults", "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "rvc: title: holds",
        "rvc: title: DIFFERS",
        "applio: title: not run",
        "    no checkout; name one with --checkout applio=DIR",
    ]
    assert printed.err == "field: it printed '1\\n2'; expected '3'\n"
    assert command.main(["applio", "--faults", "--out", str(tmp_path)]) == 0


def test_a_cut_that_adds_signed_samples_lies_in_a_loud_tone_and_one_of_magnitudes_does_not() -> None:
    """The sound of the reproductions of D13, searched here by the two rules without a program."""
    code = next(fault.reproduce for fault in reproductions.faults() if fault.program == "infer-rvc-python")
    names: dict[str, Any] = {"np": np}
    exec("\n".join(line for line in code.splitlines() if line.startswith(("time,", "sound ="))), names)
    sums = {"signed": names["sound"], "magnitudes": np.abs(names["sound"])}
    cuts = {
        name: 8000 + int(np.argmin(np.abs(np.convolve(values, np.ones(160), "same"))[8000:24000]))
        for name, values in sums.items()
    }
    assert cuts["signed"] < 16000 <= cuts["magnitudes"]


def test_the_goldens_exist_and_have_the_profile_that_is_stated() -> None:
    for golden in goldens():
        assert store.open_case(store.GOLDENS / golden.name).profile == golden.profile


def test_the_session_installs_the_f0_methods_that_the_goldens_need() -> None:
    session = (FOLDER.parent / "noxfile.py").read_text(encoding="utf-8").partition("def field(")[2]
    installed = session.partition('".[')[2].partition("]")[0].split(",")
    cases = [store.open_case(FOLDER.parent / "goldens" / "cases" / golden.name) for golden in goldens()]
    needed = {registry.METHODS[str(case.options["f0_method"])].extra for case in cases} - {None}
    assert needed == set(installed)


def test_the_committed_results_fit_the_schema_and_name_programs() -> None:
    path = FOLDER / "field.json"
    held = document.check(json.loads(path.read_text(encoding="utf-8")))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for entry in held["implementations"]:
        program = PROGRAMS[entry["name"]]
        assert (entry["version"], entry["source"]) == (program.version, program.source)
        assert {result["profile"] for result in entry["results"]} <= set(program.profiles)


def test_origins_have_their_cause_and_its_number() -> None:
    case = _case(
        "a",
        "differs",
        ("f0.raw", "clean", None),
        ("f0.filled", "origin", "unvoiced frames kept at 0"),
        ("nsf", "inherited", None),
    )
    made = document.result("webui-2026", _verdict(case), EXPECTED)
    assert made["origins"] == [
        {"case": "a", "stage": "f0.filled", "cause": "unvoiced frames kept at 0", "divergence": "D1"}
    ]
    assert made["stages"] == [
        {"stage": "f0.raw", "state": "pass"},
        {"stage": "f0.filled", "state": "origin"},
        {"stage": "nsf", "state": "inherited"},
    ]
    assert (made["verdict"], made["expectation"]) == ("differs", "right")


def test_the_first_origin_is_the_first_in_the_flow_not_in_the_list_of_goldens() -> None:
    cases = [
        _case("a", "differs", ("generator", "origin", None)),
        _case("b", "differs", ("f0.raw", "origin", "mel padding"), ("generator", "origin", None)),
    ]
    made = document.result("webui-2026", _verdict(*cases), Expectation("differs", "f0.raw", "D4", "its padding"))
    assert [(each["stage"], each["case"]) for each in made["origins"]] == [
        ("f0.raw", "b"),
        ("generator", "a"),
        ("generator", "b"),
    ]
    assert made["expectation"] == "right"


def test_the_gravest_blame_of_a_stage_is_shown() -> None:
    cases = [_case("a", "pass", ("flow", "clean", None)), _case("b", "differs", ("flow", "origin", None))]
    made = document.result("webui-2026", _verdict(*cases), EXPECTED)
    assert made["stages"] == [{"stage": "flow", "state": "origin"}]
    assert made["expectation"] == "wrong"
    assert document.result("webui-2026", _verdict(*cases), EXPECTED, ["a", "b", "c"])["expectation"] == "unknown"
    passing = Expectation("pass", None, None, "the control")
    assert document.result("webui-2026", _verdict(*cases), passing, ["a", "b", "c"])["expectation"] == "wrong"


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (_verdict(_case("a", "pass")), "pass"),
        (_verdict(_case("a", "pass"), _case("b", "partial")), "partial"),
        (_verdict(), "partial"),
        (_verdict(_case("a", "declined")), "partial"),
        (_verdict(_case("a", "pass"), _case("b", "differs")), "differs"),
        (_verdict(_case("a", "unreadable")), "differs"),
        ({**_verdict(_case("a", "pass")), "failures": ["an altered golden"]}, "differs"),
    ],
)
def test_only_a_complete_run_without_failures_passes(verdict: dict[str, Any], word: str) -> None:
    assert document.result("webui-2026", verdict, None)["verdict"] == word


def test_a_golden_that_was_not_reached_leaves_the_result_partial() -> None:
    made = document.result("webui-2026", _verdict(_case("a", "pass")), EXPECTED, ["a", "b"])
    assert (made["verdict"], made["cases"], made["not_reached"]) == ("partial", ["a"], ["b"])
    assert made["expectation"] == "unknown"
    assert document.result("webui-2026", _verdict(_case("a", "pass")), EXPECTED, ["a"])["expectation"] == "wrong"


def test_a_program_whose_every_call_fails_is_not_installed() -> None:
    failed = {**_case("a", "differs"), "sentence": f"{document.SETUP_FAILED}: ImportError: no module"}
    made = document.result("webui-2026", _verdict(failed), EXPECTED)
    assert (made["verdict"], made["expectation"]) == ("not installed", "unknown")
    assert made["reason"] == "every call of the candidate failed: ImportError: no module"


def test_results_replace_earlier_ones_of_the_same_program() -> None:
    def entry(name: str, date: str) -> dict[str, Any]:
        results = [document.not_installed("webui-2026", "why")]
        return document.implementation(PROGRAMS[name], f"goldens of {date}", date, "Linux", results)

    first = document.merged(None, "old", {name: entry(name, "2026-01-01") for name in ("rvc", "applio")})
    second = document.merged(first, "new", {"rvc": entry("rvc", "2026-02-02")})
    assert [(each["name"], each["date"], each["manifest"]) for each in second["implementations"]] == [
        ("applio", "2026-01-01", "goldens of 2026-01-01"),
        ("rvc", "2026-02-02", "goldens of 2026-02-02"),
    ]
    assert second["manifest"] == "new"
    with pytest.raises(ParityError, match=r"field\.json does not fit its schema"):
        document.check({**second, "extra": 1})


def test_a_program_of_a_repository_without_a_checkout_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["applio", "--out", str(tmp_path)]) == 0
    held = json.loads((tmp_path / "field.json").read_text())
    (result,) = held["implementations"][0]["results"]
    assert result["verdict"] == "not installed"
    assert result["reason"].startswith("no checkout; name one of IAHispano/Applio@")
    assert "applio b9c0ccb  webui-2026: not installed (no checkout;" in capsys.readouterr().out


def test_a_failed_installation_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def fail(arguments: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(arguments)
        return subprocess.CompletedProcess(
            arguments, 1, "", "noise\nERROR: No matching distribution found for rvc==0.3.5\n"
        )

    monkeypatch.setenv("RVC_CACHE", str(tmp_path))
    monkeypatch.setattr(environments.subprocess, "run", fail)
    with pytest.raises(
        environments.NotInstalled,
        match=r"rvc 0\.3\.5 does not install: No matching distribution found for rvc==0\.3\.5",
    ):
        environments.python_of(PROGRAMS["rvc"])
    assert not list(tmp_path.rglob("complete"))
    with pytest.raises(environments.NotInstalled, match=r"infer-rvc-python 1\.3\.1 does not install: No matching"):
        environments.python_of(PROGRAMS["infer-rvc-python"])
    assert len(calls) == 1, "an environment that failed is not tried again for the next program"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nobody"], "field: there is no program 'nobody'; the programs are applio, "),
        (["rvc", "--checkout", "rvc"], "field: --checkout rvc names no program and folder; expected NAME=DIR"),
        (
            ["rvc", "--profile", "rvc-python"],
            "field: no chosen program has the profile 'rvc-python'; they have webui-2026, webui-classic",
        ),
        (["rvc", "--golden", "v1"], "field: cases.toml has no golden 'v1'; it has v1-32k-pm-2026, "),
        (
            ["rvc", "--profile", "webui-2026", "--golden", "v2-40k-pm-classic"],
            "field: cases.toml has no golden 'v2-40k-pm-classic'; it has v1-32k-pm-2026, ",
        ),
        (
            ["rvc", "--write", "--golden", "v1-32k-pm-2026"],
            "field: --write replaces whole entries of field.json; leave out --profile and --golden",
        ),
    ],
)
def test_a_wrong_command_is_refused_in_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == 2
    assert capsys.readouterr().err.startswith(sentence)


def test_a_checkout_at_another_commit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "a"], check=True)
    commit = environments.checkout_commit(tmp_path)
    assert commit is not None and len(commit) == 40
    assert command.main(["applio", "--checkout", f"applio={tmp_path}"]) == 2
    assert capsys.readouterr().err == (
        f"field: {tmp_path} is at commit {commit[:7]}; applio is judged at b9c0ccb: check that commit out\n"
    )


def test_a_folder_without_git_is_taken_and_its_commit_is_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command._checkouts([f"applio={tmp_path}"], PROGRAMS) == {"applio": tmp_path}
    assert capsys.readouterr().err == (
        f"field: {tmp_path} is no git checkout, so its commit is not checked; b9c0ccb is expected\n"
    )


def test_a_control_that_differs_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def results(verdict: str) -> Any:
        return lambda *_: [{**document.not_installed("webui-2026", ""), "verdict": verdict}]

    for verdict, code in (("differs", 1), ("pass", 0), ("partial", 0)):
        monkeypatch.setattr(command, "_results", results(verdict))
        assert command.main(["rvc", "webui-2026", "--out", str(tmp_path)]) == code
    assert "rvc, 1 of 2 programs\nwebui-2026, 2 of 2 programs\n" in (errors := capsys.readouterr().err)
    assert "field: the control webui-2026 differs from its own goldens, so no result here is to be trusted" in errors


def test_an_environment_is_made_again_where_its_python_is_gone_and_follows_a_moved_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[list[str]] = []

    def run(arguments: list[str]) -> None:
        made.append(arguments)
        if "venv" in arguments:
            folder = Path(arguments[-1])
            environments._packages(folder).mkdir(parents=True)
            environments._interpreter(folder).parent.mkdir(exist_ok=True)
            environments._interpreter(folder).touch()

    monkeypatch.setattr(environments, "_run", run)
    monkeypatch.setenv("RVC_CACHE", str(tmp_path / "one"))
    first = environments.python_of(PROGRAMS["rvc"])
    assert len(made) == 4 and sys.implementation.cache_tag in first.parts[-3]
    assert environments.python_of(PROGRAMS["rvc"]) == first and len(made) == 4
    first.unlink()
    environments.python_of(PROGRAMS["rvc"])
    assert len(made) == 6, "the program's environment, not the common one"
    (tmp_path / "one").rename(tmp_path / "two")
    monkeypatch.setenv("RVC_CACHE", str(tmp_path / "two"))
    moved = environments.python_of(PROGRAMS["rvc"]).parents[1]
    assert len(made) == 6
    line = (environments._packages(moved) / "common.pth").read_text().strip()
    assert Path(line).is_dir() and Path(line).is_relative_to(tmp_path / "two")


def test_a_verdict_of_an_earlier_run_does_not_stand_for_goldens_that_the_time_did_not_reach(tmp_path: Path) -> None:
    slow = _script(tmp_path, f"input(); print({json.dumps(json.dumps(HELLO))}, flush=True); time.sleep(60)")
    (tmp_path / "verdict.json").write_text(json.dumps(_verdict(_case("v1-32k-pm-2026", "pass"))))
    chosen = [golden for golden in goldens() if golden.name == "v1-32k-pm-2026"]
    with _limited([sys.executable, slow], 1.0) as program:
        assert judging.examine(program) is None
        verdict = judging.judge(program, "webui-2026", chosen, tmp_path, "again")
    assert verdict == {"cases": [], "pending": ["v1-32k-pm-2026"], "failures": []}


def test_adapters_can_import_the_hooks_and_nothing_else_of_the_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", "before")
    environments.expose_hooks(tmp_path / "hooks")
    assert {path.name for path in (tmp_path / "hooks").iterdir()} == {"parity"}
    assert {path.name for path in (tmp_path / "hooks" / "parity").iterdir()} == {"__init__.py", "hooks"}
    assert environments.os.environ["PYTHONPATH"] == str(tmp_path / "hooks")


def _limited(arguments: Sequence[str | Path], seconds: float = 60.0) -> judging.Limited:
    return judging.Limited(shlex.join(map(str, arguments)), time.monotonic() + seconds)


def _script(folder: Path, lines: str) -> Path:
    path = folder / "adapter.py"
    path.write_text(f"import json, sys, time\n{lines}\n", encoding="utf-8")
    return path


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


HELLO = {
    "id": 1,
    "ok": True,
    "protocol": "rvc-parity/1",
    "name": "a",
    "version": "1",
    "stages": ["flow"],
    "chain": True,
}


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


def test_verdicts_of_an_earlier_run_are_collected_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "rvc" / "webui-2026"
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(json.dumps(_verdict(_case("v1-32k-pm-2026", "pass", ("flow", "clean", None)))))
    assert command.main(["--collect", "--out", str(tmp_path)]) == 0
    (entry,) = json.loads((tmp_path / "field.json").read_text())["implementations"]
    assert entry["name"] == "rvc" and [each["profile"] for each in entry["results"]] == ["webui-2026"]
    assert entry["results"][0]["cases"] == ["v1-32k-pm-2026"]
    assert capsys.readouterr().out.startswith("rvc 0.3.5  webui-2026: partial  1 goldens, 2 s")


F0 = np.array([100.0, 0.0, 200.0, 0.0])


@pytest.mark.parametrize(
    ("kind", "expected", "value", "text"),
    [
        ("float", np.ones(4), np.ones(4), ""),
        ("float", np.ones(4), np.ones(3), "[3] in place of [4] values"),
        ("float", np.ones(4), np.full(4, 1.1), "error 20 dB below the values"),
        ("float", np.ones(4), np.full(4, 3.0), "error 6 dB above the values"),
        ("float", np.ones(4), np.zeros(4), "error as large as the values"),
        ("decision", np.arange(4), np.array([0, 1, 3, 3]), "1 of 4 values"),
        ("hz", F0, F0 * 2, "2 frames moved, median 1.2e+03 cents, at most 1200"),
        ("hz", F0, np.array([100.0, 50.0, 0.0, 0.0]), "2 of 4 frames voiced in one of the two only"),
        ("hz", F0, F0 * (1 + 1e-7), "less than 0.01 cents"),
    ],
)
def test_the_size_of_an_error_is_stated_in_the_unit_of_its_tensor(
    kind: str, expected: Any, value: Any, text: str
) -> None:
    assert effects.size(TensorKind(kind), expected, value) == text


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ({"isolated": 0.5, "chained": 90.0}, "error 6 dB above the values"),
        ({"isolated": 90.0, "chained": 90.0}, "error 20 dB below the values"),
    ],
)
def test_the_size_is_that_of_the_conversion_where_a_stage_holds_alone(times: dict[str, float], text: str) -> None:
    golden = store.open_case(store.GOLDENS / "v1-32k-pm-2026")
    z = np.asarray(golden["seg0.flow.z"])
    row = {"stage": "flow", "prefix": "seg0.", "times_limit": times}
    alone, chain = {"seg0.flow.z": z * 1.1}, {"seg0.flow.z": z * 3}
    assert list(effects._sizes(row, golden, alone, chain)) == [text]


def test_an_origin_has_a_size_and_a_conversion_a_sound(tmp_path: Path) -> None:
    golden = store.open_case(store.GOLDENS / "v1-32k-pm-2026")
    final = np.asarray(golden["waveform.final"])
    for mode, tensors in (
        ("isolated", {"f0.filled": np.asarray(golden["f0.filled"]) * 2}),
        ("chained", {"waveform.final": final // 2}),
    ):
        save_file(tensors, tmp_path / f"{mode}.safetensors")
    case = _case("v1-32k-pm-2026", "differs", ("f0.filled", "origin", None), ("flow", "origin", None))
    case["stages"] = [{"prefix": "", **row} for row in case["stages"]]
    case["traces"] = {mode: f"{mode}.safetensors" for mode in ("isolated", "chained")}
    sizes, sounds = effects.measured([case], tmp_path)
    assert [(each["stage"], each["text"].split(",")[0]) for each in sizes] == [("f0.filled", "64 frames moved")]
    assert sounds[0]["case"] == "v1-32k-pm-2026"
    assert sounds[0]["text"].startswith("mel-cepstral distortion 0.")
    assert "level 6.0 dB" in sounds[0]["text"]
