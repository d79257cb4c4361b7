"""Public programs: what about.toml, the lock files, the faults and the committed results state."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from field import command, document, environments, reproductions
from field.document import SCHEMA
from field.programs import FOLDER, Lock, Program, goldens, programs
from parity.goldens import store
from parity.judge.diagnosis import divergences
from parity.stages.profile_table import PROFILES
from rvc.f0 import registry

PROGRAMS = programs()
CONTROL = PROGRAMS["webui-2026"]


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


def test_adapters_can_import_the_hooks_and_nothing_else_of_the_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", "before")
    environments.expose_hooks(tmp_path / "hooks")
    assert {path.name for path in (tmp_path / "hooks").iterdir()} == {"parity"}
    assert {path.name for path in (tmp_path / "hooks" / "parity").iterdir()} == {"__init__.py", "hooks"}
    assert environments.os.environ["PYTHONPATH"] == str(tmp_path / "hooks")
