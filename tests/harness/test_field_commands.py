"""The command of the public programs: checkouts, environments, refused options, and earlier results."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_verdict import judged_case, small_verdict

from field import command, document, environments
from field.programs import programs

PROGRAMS = programs()


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


def test_verdicts_of_an_earlier_run_are_collected_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "rvc" / "webui-2026"
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_text(
        json.dumps(small_verdict(judged_case("v1-32k-pm-2026", "pass", ("flow", "clean", None))))
    )
    assert command.main(["--collect", "--out", str(tmp_path)]) == 0
    (entry,) = json.loads((tmp_path / "field.json").read_text())["implementations"]
    assert entry["name"] == "rvc" and [each["profile"] for each in entry["results"]] == ["webui-2026"]
    assert entry["results"][0]["cases"] == ["v1-32k-pm-2026"]
    assert capsys.readouterr().out.startswith("rvc 0.3.5  webui-2026: partial  1 goldens, 2 s")
