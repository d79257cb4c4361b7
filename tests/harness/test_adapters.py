"""The committed adapters are judged on goldens, and faults planted in the C adapter are blamed on their stages."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parity.candidates import external
from parity.goldens import store
from parity.runs import doctor
from parity.runs import run as running
from parity.rvc_bridge import voice_files

ROOT = Path(__file__).parents[2]
GOLDENS = ROOT / "goldens" / "cases"
SOURCE = ROOT / "parity" / "adapters" / "stages.c"
CASE = "two-segments-rpy"
ONNX = f"{sys.executable} -m parity.adapters.onnx_runtime"

pytestmark = pytest.mark.slow


def built(folder: Path, fault: int = 0) -> str:
    """The C adapter, compiled."""
    compiler = shutil.which("cc")
    assert compiler, "no C compiler: install one (Debian: apt-get install gcc), the adapter has to be tried"
    program = folder / "stages"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", f"-DFAULT={fault}"]
    subprocess.run([compiler, *flags, "-o", str(program), str(SOURCE), "-lm"], check=True)
    return str(program)


def judged(command: str, folder: Path, case: str = CASE) -> dict[str, Any]:
    with external.External(command, voice_files.paths) as program:
        return running.run(program, GOLDENS, folder / "out", case)


def accused(document: dict[str, Any]) -> set[str]:
    return {stage["stage"] for case in document["cases"] for stage in case["stages"] if stage["blame"] == "origin"}


def causes(document: dict[str, Any]) -> set[str]:
    return {
        stage["cause"]["name"] for case in document["cases"] for stage in case["stages"] if stage["blame"] == "origin"
    }


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder of one golden, so that the doctor opens no other."""
    shutil.copytree(GOLDENS / CASE, tmp_path / "goldens" / CASE)
    return tmp_path / "goldens"


def test_the_doctor_accepts_the_c_adapter(tmp_path: Path, small: Path) -> None:
    with external.External(built(tmp_path), voice_files.paths) as program:
        findings = list(doctor.examine(program, small))
    assert [finding.code for finding in findings] == ["", "", "", "", ""]
    assert findings[0].sentence == "stages.c 1 offers 3 stages"


def test_the_c_adapter_passes_on_its_three_stages(tmp_path: Path) -> None:
    document = judged(built(tmp_path), tmp_path)
    assert (document["state"], document["exit_code"]) == ("partial", 4)
    tested = {stage["stage"] for stage in document["cases"][0]["stages"] if stage["blame"] == "clean"}
    assert tested == {"content.upsampled", "content.protected", "nsf"}
    counts = document["counts"]
    assert counts["compared"] > 0 and counts["not_tested"] > 0
    assert counts["compared"] + counts["not_tested"] == counts["expected"]


@pytest.mark.parametrize(
    ("fault", "stage", "cause"),
    [
        (1, "content.upsampled", "linear upsampling"),
        (3, "nsf", "phase one sample early"),
    ],
)
def test_a_fault_planted_in_the_c_adapter_is_blamed_on_its_stage(
    tmp_path: Path, fault: int, stage: str, cause: str
) -> None:
    document = judged(built(tmp_path, fault), tmp_path)
    assert document["exit_code"] == 1
    assert accused(document) == {stage}
    assert causes(document) == {cause}


def test_the_wrong_side_protected_is_blamed_on_protection(tmp_path: Path) -> None:
    case = next(folder.name for folder in store.cases(GOLDENS) if "protect" in folder.name)
    document = judged(built(tmp_path, 2), tmp_path, case)
    assert accused(document) == {"content.protected"}
    assert causes(document) <= {"exchanged protect", "another protect"}


def test_the_onnx_adapter_is_accepted_and_passes(tmp_path: Path, small: Path) -> None:
    with external.External(ONNX, voice_files.paths) as program:
        findings = list(doctor.examine(program, small))
        assert [finding.code for finding in findings if not finding.well] == []
        document = running.run(program, small, tmp_path / "out")
    assert document["state"] == "partial", document["sentence"]
    tested = {stage["stage"] for stage in document["cases"][0]["stages"] if stage["blame"] == "clean"}
    assert tested == {"hubert.features", "enc_p", "z_p", "flow", "generator"}


def test_the_missing_factor_of_an_onnx_export_is_named(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RVC_ONNX_TEMPERATURE", "1.0")
    with external.External(ONNX, voice_files.paths) as program:
        document = running.run(program, small, tmp_path / "out", only_stage="z_p")
    assert accused(document) == {"z_p"}
    assert causes(document) == {"missing 0.66666"}


def test_an_adapter_without_its_runtime_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from parity.adapters import onnx_runtime

    monkeypatch.setattr(onnx_runtime.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as left:
        onnx_runtime.main()
    assert left.value.code == (
        "onnx and onnxruntime not installed, which this adapter needs; python -m pip install onnx onnxruntime"
    )
