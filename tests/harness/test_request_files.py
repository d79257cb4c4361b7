"""A device that answers requests in files gets the verdict of the same program behind the protocol."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import repeating_adapter
from small_case import META, golden, tensors

from parity import stages
from parity.candidates import external, request_files
from parity.candidates.process import ProtocolError
from parity.candidates.request_files import OutputFolder
from parity.cli import judgment
from parity.cli import main as command_line
from parity.errors import UsageError
from parity.goldens import store
from parity.runs import run as running
from parity.runs import selection
from parity.rvc_bridge import counterfactual, voice_files

GOLDENS = Path(__file__).parents[2] / store.GOLDENS
STREAM = "rt-silence-2026"
ADAPTER = Path(__file__).with_name("repeating_adapter.py")
EVERY = [*(stage.name for stage in stages.every()), request_files.WHOLE]


@pytest.fixture
def goldens(tmp_path: Path) -> Path:
    golden(tmp_path / "goldens")
    store.save_case(tmp_path / "goldens" / "other", tensors(), META | {"name": "other"})
    return tmp_path / "goldens"


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """No case of these tests needs weights."""
    monkeypatch.setattr(voice_files, "paths", lambda case: {})


def through_protocol(goldens: Path, out: Path) -> dict[str, Any]:
    with external.External(f"{sys.executable} {ADAPTER} {goldens}", lambda case: {}) as program:
        return running.run(program, goldens, out)


def essence(document: dict[str, Any]) -> Any:
    """A verdict without what names the program, the time and the place."""
    dropped = ("wall_s", "reproduce", "traces", "folder")
    cases = [{key: value for key, value in case.items() if key not in dropped} for case in document["cases"]]
    return {key: document[key] for key in ("state", "exit_code", "sentence", "counts", "limits")} | {"cases": cases}


@pytest.mark.parametrize("raw", [False, True])
def test_files_give_the_verdict_of_the_protocol(goldens: Path, tmp_path: Path, raw: bool) -> None:
    expected = through_files_and_protocol(goldens, tmp_path, raw)
    blames = {stage["stage"]: stage["blame"] for stage in expected["cases"][0]["stages"]}
    assert (blames["retrieval.blended"], blames["content.upsampled"]) == ("origin", "inherited")


def test_a_stream_gets_the_same_verdict_in_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counterfactual, "networks_are_installed", lambda: False)  # they change neither way
    goldens = tmp_path / "goldens"
    goldens.mkdir()
    (goldens / STREAM).symlink_to(GOLDENS / STREAM)
    expected = through_files_and_protocol(goldens, tmp_path, raw=False)
    blames = {stage["stage"]: stage["blame"] for stage in expected["cases"][0]["stages"] if stage["prefix"] == "rt.0."}
    assert (blames["rt.enc_p"], blames["rt.z_p"]) == ("origin", "inherited")


def through_files_and_protocol(goldens: Path, tmp_path: Path, raw: bool) -> dict[str, Any]:
    """The verdict of the adapter behind the protocol, which its answers in files get too."""
    expected = through_protocol(goldens, tmp_path / "protocol")
    folder = tmp_path / "requests"
    cases = [store.open_case(path) for path in store.cases(goldens)]
    request_files.write(folder, cases, EVERY, lambda case: {}, raw)
    (folder / "hello.json").write_text(json.dumps(repeating_adapter.HELLO))
    for _ in range(5):  # a device answers, the judge may add requests, which the device answers as well
        repeating_adapter.device(goldens, folder / "requests.json")
        program = OutputFolder(folder)
        document = running.run(program, goldens, tmp_path / "files")
        if not program.added:
            break
    assert program.added == 0
    assert essence(document) == essence(expected)
    assert document["candidate"]["declares"] == expected["candidate"]["declares"]
    return expected


def test_the_commands_write_requests_and_judge_outputs(
    goldens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "requests"
    assert command_line.main(["cases", str(folder), "--goldens", str(goldens), "--case", "small"]) == 0
    assert capsys.readouterr().out == (
        f"{folder / 'requests.json'}: 25 requests of 1 case; write each request's outputs, then: "
        f"rvc-parity check --outputs {folder}\n"
    )
    repeating_adapter.device(goldens, folder / "requests.json")
    arguments = ["check", "--outputs", str(folder), "--goldens", str(goldens), "--out", str(tmp_path / "out")]
    assert command_line.main(arguments) == 1
    printed = capsys.readouterr()
    assert "requests files: 2 faults in 1 of 1 case" in printed.out
    assert "in " + str(folder / "requests.json") + ": stages on other inputs than the golden's, which separate" in (
        printed.err
    )
    assert command_line.main([*arguments, "--resume"]) == 2
    assert capsys.readouterr().err == (
        "parity: --resume continues a run of a program; files are judged from the start, so leave it out\n"
    )


def test_requests_of_all_goldens_that_have_a_stage_are_a_complete_choice(goldens: Path) -> None:
    values = {name: value for name, value in tensors().items() if "retrieval" not in name}
    changes = {"options": META["options"] | {"index_rate": 0}, "voice": META["voice"] | {"index": None}}
    store.save_case(goldens / "without-index", values, META | {"name": "without-index"} | changes)

    def complete(*names: str, stage: str | None = "retrieval.blended") -> bool:
        return selection.select(goldens, selection.Selection(stage=stage, names=names)).complete

    assert complete("small", "other") and not complete("small")
    assert not complete("small", "other", stage=None) and not complete("small", "other", stage="trim")


def test_what_is_not_answered_is_not_tested(goldens: Path, tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    cases = [store.open_case(path) for path in store.cases(goldens)]
    request_files.write(folder, cases, ["trim", "spk.g"], lambda case: {})
    outputs = folder / "other" / "seg0.trim" / "outputs.safetensors"
    repeating_adapter.write(outputs, {"seg0.waveform.segment": tensors()["seg0.waveform.segment"]})
    document = running.run(OutputFolder(folder), goldens, tmp_path / "out")
    assert (document["state"], document["counts"]["failed"]) == ("partial", 0)
    tested = {
        (case["name"], stage["stage"])
        for case in document["cases"]
        for stage in case["stages"]
        if stage["blame"] == "clean"
    }
    assert tested == {("other", "trim")}
    lacking = {"ok": False, "lacks": "no speaker table"}
    (folder / "small" / "seg0.spk.g" / "answer.json").write_text(json.dumps(lacking))
    small = running.run(OutputFolder(folder), goldens, tmp_path / "out", "small")["cases"][0]
    trim = next(stage for stage in small["stages"] if stage["stage"] == "trim")["cells"][0]
    assert trim["sentence"] == f"not tested: {folder / 'small' / 'seg0.trim'} holds no outputs"
    cell = next(stage for stage in small["stages"] if stage["stage"] == "spk.g")["cells"][0]
    assert (cell["state"], cell["sentence"]) == ("not tested", "not tested: no speaker table")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no {}; make it with rvc-parity cases {}"),
        (
            "{",
            "{} cannot be read (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); make it "
            "again with rvc-parity cases",
        ),
        ("{}", "{} is no list of requests (rvc-requests/1); make it again with rvc-parity cases"),
    ],
)
def test_a_folder_without_requests_is_refused(tmp_path: Path, content: str | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "requests.json").write_text(content)
    with pytest.raises(UsageError) as refused:
        OutputFolder(tmp_path)
    assert str(refused.value) == sentence.format(tmp_path / "requests.json", tmp_path)


def test_damaged_files_of_a_device_are_named(goldens: Path, tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    case = store.open_case(goldens / "small")
    request_files.write(folder, [case], ["trim"], lambda case: {}, raw=True)
    place = folder / "small" / "seg0.trim"
    stage = stages.stage_named("trim")
    assert stage is not None
    inputs = request_files.candidate.inputs(case, stage, "seg0.")
    table = {"seg0.waveform.segment": {"file": "wave.bin", "dtype": "float32", "shape": [4]}}
    (place / "outputs.json").write_text(json.dumps(table))
    (place / "wave.bin").write_bytes(bytes(15))
    with pytest.raises(ProtocolError) as short:
        OutputFolder(folder).run_stage(case, stage, "seg0.", inputs)
    assert str(short.value) == (
        f"{place / 'outputs.json'} and its files are not complete (wave.bin has 15 bytes, not those of float32[4])"
    )
    table["seg0.waveform.segment"]["dtype"] = "float8"
    (place / "outputs.json").write_text(json.dumps(table))
    with pytest.raises(ProtocolError, match="the dtype 'float8' is not one of float32, float64, int64, int32, int16"):
        OutputFolder(folder).run_stage(case, stage, "seg0.", inputs)
    (place / "answer.json").write_text("no JSON")
    with pytest.raises(ProtocolError) as answer:
        OutputFolder(folder).run_stage(case, stage, "seg0.", inputs)
    assert str(answer.value) == f"{place / 'answer.json'} is no JSON object; it holds the answer to one request"
    (folder / "hello.json").write_text("[]")
    with pytest.raises(UsageError) as hello:
        OutputFolder(folder)
    assert str(hello.value) == (
        f"{folder / 'hello.json'} is no JSON object; it holds the answer to hello (rvc-parity docs protocol)"
    )


def test_requests_are_written_into_a_new_folder_only(goldens: Path, tmp_path: Path) -> None:
    case = store.open_case(goldens / "small")
    with pytest.raises(UsageError) as full:
        request_files.write(goldens, [case], ["trim"], lambda case: {})
    assert str(full.value) == f"{goldens} exists and is not empty; give a new folder for the requests"
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as below:
        request_files.write(tmp_path / "file" / "below", [case], ["trim"], lambda case: {})
    assert str(below.value) == (
        f"{tmp_path / 'file' / 'below'} cannot be made (Not a directory); give a folder that can be written to"
    )


def test_a_case_that_was_not_written_is_not_tested_on_other_inputs(goldens: Path, tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    small, other = store.open_case(goldens / "small"), store.open_case(goldens / "other")
    request_files.write(folder, [small], ["trim"], lambda case: {})
    stage = stages.stage_named("trim")
    assert stage is not None
    with pytest.raises(Exception, match=r"other is not among the requests of .*requests"):
        OutputFolder(folder).run_stage(other, stage, "seg0.", {"seg0.waveform.segment.full": np.zeros(3, np.float32)})
    shutil.rmtree(folder / "small" / "seg0.trim")
    assert judgment.OutputFolder(folder).cases == ["small"]


def test_files_hold_no_conversion_of_the_final_waveform_alone(goldens: Path, tmp_path: Path) -> None:
    case = store.open_case(goldens / "small")
    request_files.write(tmp_path / "requests", [case], ["trim"], lambda case: {})
    with pytest.raises(Exception, match="files hold no conversion of the final waveform alone"):
        OutputFolder(tmp_path / "requests").run_final(case)
    assert not OutputFolder(tmp_path / "requests").restart()
