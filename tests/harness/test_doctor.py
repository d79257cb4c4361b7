"""The doctor reports what is wrong with an adapter: each fault has its own code, and its sentence is compared."""

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from small_case import golden

from parity import __main__ as command_line
from parity.candidates import external
from parity.candidates.candidate import NotOffered
from parity.candidates.process import AdapterProcess, ProtocolError
from parity.runs import doctor

FAKE = Path(__file__).with_name("fake_adapter.py")
SHAPE = "[1, 12, 98]"
EXPECTED = {
    "hang-hello": ("hang", "no answer to hello within 1 s; does the adapter flush its stdout after each line?"),
    "not-json": ("not-json", "the answer to hello is 'model loaded', not one line of JSON; send logs to stderr"),
    "wrong-id": ("wrong-id", None),
    "wrong-protocol": (
        "wrong-protocol",
        "the adapter uses the protocol 'rvc-parity/0', this judge uses 'rvc-parity/1'; "
        "use the adapter that belongs to this version",
    ),
    "unknown-stage": (
        "unknown-stage",
        "the adapter declares the stage 'flwo', which does not exist; did you mean 'flow'?",
    ),
    "unknown-profile": (
        "unknown-profile",
        "the adapter declares the profile 'webui-2027', which does not exist; profiles are "
        "webui-2026, webui-classic, rvc-python",
    ),
    "nothing-offered": (
        "nothing-offered",
        "the adapter declares no stage and no whole conversion; declare what it can do in stages or chain",
    ),
    "missing-field": ("missing-field", "the answer to hello does not fit: it lacks the field 'name'"),
    "misspelled": (
        "missing-field",
        "the answer to hello does not fit: it has the unknown field 'chian' (did you mean 'chain'?)",
    ),
    "crash": (
        "crash",
        "the adapter ended with exit status 1 during run_stage; the last line on its stderr: segmentation fault, or so",
    ),
    "hang": ("hang", "no answer to run_stage within 8 s; does the adapter flush its stdout after each line?"),
    "refused": ("refused", "the adapter refused run_stage: no memory left for this"),
    "missing-output": (
        "missing-output",
        "run_stage was answered with ok, but the file named in outputs was not written",
    ),
    "short-write": ("short-write", None),
    "lost-tensor": ("missing-output", "flow must write seg0.flow.z; its outputs hold seg0.other"),
    "strange-output": ("strange-output", "flow wrote seg0.z_p, which it does not make; it makes seg0.flow.z"),
    "wrong-dtype": (
        "wrong-dtype",
        "seg0.flow.z is float64, the golden is float32; convert it before it is handed over",
    ),
    "wrong-shape": (
        "wrong-shape",
        f"seg0.flow.z is float32[1, 12, 97], the golden is float32{SHAPE}: 1 frame10 short; was a tail trimmed?",
    ),
    "byte-order": ("byte-order", "seg0.flow.z is right once its bytes are swapped; write little-endian values"),
    "not-finite": (
        "not-finite",
        "seg0.flow.z holds 12 NaN or infinite values, the first at [0, 0, 3]; the golden none",
    ),
    "changes": (
        "changes",
        "seg0.flow.z differs beyond its limit when flow is run again on the same inputs; is noise drawn "
        "inside, or memory uninitialized?",
    ),
    "ignores-inputs": (
        "ignores-inputs",
        "flow gives the same seg0.flow.z for other inputs; does it read the file named in inputs?",
    ),
    "undeclared-stage": (
        "undeclared-stage",
        "audio16k was run although it is not declared; declare it in stages, or refuse it",
    ),
}


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("goldens")
    golden(folder)
    return folder


def adapter(fault: str, goldens: Path) -> str:
    return f"{sys.executable} {FAKE} {fault} {goldens / 'small'}"


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake adapter reads no weights, so none are made."""
    monkeypatch.setattr("parity.rvc_bridge.voice_files.paths", lambda case: {})


@pytest.mark.parametrize("fault", EXPECTED)
def test_each_fault_has_its_code_and_sentence(fault: str, goldens: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, sentence = EXPECTED[fault]
    monkeypatch.setattr(external, "HELLO_TIMEOUT", 1.0 if fault == "hang-hello" else 60.0)
    timeout = 8.0 if fault == "hang" else 60.0
    with external.External(adapter(fault, goldens), lambda case: {}, timeout) as program:
        bad = [finding for finding in doctor.examine(program, goldens) if not finding.well]
    assert [finding.code for finding in bad][:1] == [code]
    assert sentence is None or bad[0].sentence == sentence
    assert code in doctor.CODES


def test_an_adapter_without_faults(goldens: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = adapter("none", goldens)
    assert command_line.main(["doctor", "--candidate", command, "--goldens", str(goldens)]) == 0
    out = capsys.readouterr().out
    assert "fake 1 offers 1 stage" in out and "the adapter is ready to be judged" in out


def test_check_runs_the_adapter(goldens: Path, tmp_path: Path) -> None:
    command = adapter("none", goldens)
    arguments = ["check", "--candidate", command, "--goldens", str(goldens), "--out", str(tmp_path)]
    assert command_line.main(arguments) == 4
    document = json.loads((tmp_path / "verdict.json").read_text())
    assert document["candidate"]["name"] == "fake"
    assert document["candidate"]["declares"] == {"stages": ["flow"], "chain": False}
    blames = {stage["stage"]: stage["blame"] for stage in document["cases"][0]["stages"]}
    assert blames.pop("flow") == "clean"
    assert set(blames.values()) == {"not tested"}


def test_a_command_that_does_not_exist(goldens: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", "--candidate", "/nowhere/adapter", "--goldens", str(goldens)]
    assert command_line.main(arguments) == 2
    assert capsys.readouterr().err == (
        "parity: '/nowhere/adapter' cannot be started (No such file or directory); give the command that starts the "
        "adapter, with its path\n"
    )


@pytest.mark.parametrize("command", ["", "   "])
def test_an_empty_command_is_refused(goldens: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert command_line.main(["check", "--candidate", command, "--goldens", str(goldens)]) == 2
    assert capsys.readouterr().err == (
        f"parity: {command!r} cannot be started (the command is empty); give the command that starts the adapter, "
        "with its path\n"
    )


def test_a_crash_is_explained_by_the_panic_and_not_by_the_notes_after_it() -> None:
    program = (
        "import sys; sys.stderr.write('thread main panicked at src/stages.rs:7:5:\\nrange end index 9\\n"
        "stack backtrace:\\nnote: run with RUST_BACKTRACE=full\\n'); sys.exit(101)"
    )
    process = AdapterProcess(shlex.join([sys.executable, "-c", program]))
    try:
        with pytest.raises(ProtocolError) as crash:
            process.request("hello")
    finally:
        process.stop()
    assert str(crash.value) == (
        "the adapter ended with exit status 101 during hello; its stderr: thread main panicked at src/stages.rs:7:5: "
        "range end index 9"
    )


def test_every_code_is_documented_and_tested() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "verifying-a-port.md").read_text()
    for code in doctor.CODES:
        assert f"`{code}`" in guide, f"docs/verifying-a-port.md does not explain {code}"
    tried = {code for code, _ in EXPECTED.values()}
    assert set(doctor.CODES) - tried == {"cannot-start", "no-case", "memory"}  # memory: test_adapter_resources.py


def test_a_program_with_other_sums_at_each_call_is_not_accused(goldens: Path) -> None:
    with external.External(adapter("other-sums", goldens), lambda case: {}) as program:
        assert [finding.code for finding in doctor.examine(program, goldens) if not finding.well] == []


class LacksSome:
    """A program that lacks the whole conversion of some cases."""

    def __init__(self, lacking: set[str]) -> None:
        self.lacking = lacking

    def run(self, case):
        if case.name in self.lacking:
            raise NotOffered(f"{case.name} needs harvest")
        return {"waveform.final": np.zeros(3, np.int16)}


class FileCase(dict):
    """A golden of a whole file, by name."""

    def __init__(self, name: str) -> None:
        super().__init__({"waveform.final": np.zeros(3, np.int16)})
        self.name = name


def test_the_first_conversion_that_is_offered_is_examined() -> None:
    cases = [FileCase("first"), FileCase("second")]
    finding = doctor._examine_conversion(LacksSome({"first"}), cases)
    assert (finding.well, finding.sentence) == (True, "1 tensors of a whole conversion, well formed")
    finding = doctor._examine_conversion(LacksSome({"first", "second"}), cases)
    assert finding.code == "no-case" and finding.sentence == (
        "whole conversions are declared, but the adapter lacks all 2 goldens of whole files, the last because of: "
        "second needs harvest"
    )
    finding = doctor._examine_conversion(LacksSome(set()), [])
    assert finding.sentence == "whole conversions are declared, but there is no golden of a whole file"
