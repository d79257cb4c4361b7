"""Names, JSON and tensors of a candidate are not trusted: each ends in one sentence, and no output breaks."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_case import Player, golden, tensors

from parity.candidates import external
from parity.candidates.candidate import CandidateError
from parity.candidates.process import AdapterProcess, ProtocolError, check_answer
from parity.cli import main as command_line
from parity.errors import TraceError
from parity.goldens import store, trace_file
from parity.goldens.text import printable
from parity.output import markdown, table
from parity.runs import dumps
from parity.runs import run as running

HOSTILE = 'a|b<script>alert(1)</script>\x1b[31m\u202e\ud800\x00"&`]('
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f'{{"id": 1, "ok": true, "x": {DEEP}}}', "not-json"),
        ('{"id": 1, "ok": true, "x": ' + "9" * 100_000 + "}", "not-json"),
        ('{"id": 1, "ok": true, "x": 1e999}', "not-json"),
        ('{"id": 1, "ok": true, "x": NaN}', "not-json"),
        ('{"id": true, "ok": true}', "wrong-id"),
        ('{"id": "1", "ok": true}', "wrong-id"),
        ('{"id": 1, "ok": "true"}', "missing-field"),
        ('{"id": 1}', "missing-field"),
    ],
)
def test_an_answer_that_is_not_right_has_a_code(line: str, code: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        check_answer("run", 1, line)
    assert raised.value.code == code
    assert len(str(raised.value)) < 250


def test_a_quoted_truth_value_is_named() -> None:
    with pytest.raises(ProtocolError) as raised:
        check_answer("run", 1, '{"id": 1, "ok": "true"}')
    assert str(raised.value) == """the answer to run has ok = '"true"'; expected true or false, without quotes"""


def test_a_profile_that_does_not_exist_is_named() -> None:
    answer = {"id": 1, "ok": True, "protocol": "rvc-parity/1", "name": "a", "version": "1", "stages": ["flow"]}
    with pytest.raises(ProtocolError) as raised:
        external.check_hello(answer | {"chain": False, "profiles": ["webui-2027"]})
    assert raised.value.code == "unknown-profile"
    assert str(raised.value).startswith(
        "the adapter declares the profile 'webui-2027', which does not exist; profiles are"
    )


def raw_file(path: Path, dtype: str, shape: list[int], data: bytes) -> Path:
    header = json.dumps({"f0.hz": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def npz(path: Path) -> Path:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))
    return path


@pytest.mark.parametrize(
    ("write", "code", "sentence"),
    [
        (
            lambda path: raw_file(path, "BF16", [2], bytes(4)),
            "wrong-dtype",
            'the outputs of run hold f0.hz as BF16; write float32 (or declare "bfloat16" in dtypes)',
        ),
        (
            lambda path: raw_file(path, "F8_E4M3", [2], bytes(2)),
            "wrong-dtype",
            "the outputs of run hold f0.hz as F8_E4M3; write float32",
        ),
        (
            lambda path: raw_file(path, "Q4", [2], bytes(2)),
            "wrong-dtype",
            "the outputs of run hold a tensor of dtype Q4, which safetensors does not have",
        ),
        (npz, "short-write", None),
        (lambda path: raw_file(path, "F32", [2**62, 0], b""), "short-write", None),
        (lambda path: raw_file(path, "F32", [2**63, 2], b""), "short-write", None),
        (lambda path: raw_file(path, "F32", [1] * 70, bytes(4)), "short-write", None),
    ],
)
def test_outputs_that_cannot_be_read_have_a_code(
    tmp_path: Path, write: Callable[[Path], Path], code: str, sentence: str | None
) -> None:
    with pytest.raises(ProtocolError) as raised:
        external.read_outputs(write(tmp_path / "outputs.safetensors"), "run")
    assert raised.value.code == code
    assert sentence is None or str(raised.value) == sentence


def test_a_zip_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"a zip archive \(is it \.npz or \.pt\?\), not a safetensors file"):
        external.read_outputs(npz(tmp_path / "outputs.safetensors"), "run")


def test_declared_half_precision_is_widened(tmp_path: Path) -> None:
    value = np.array([1.5, -2.25, 100.0], np.float32)
    upper = (value.view(np.uint32) >> 16).astype("<u2").tobytes()
    path = raw_file(tmp_path / "a.safetensors", "BF16", [3], upper)
    made = external.read_outputs(path, "run", ("bfloat16",))["f0.hz"]
    assert made.dtype == np.float32 and made.tolist() == value.tolist()
    save_file({"f0.hz": value.astype(np.float16)}, tmp_path / "b.safetensors")
    made = external.read_outputs(tmp_path / "b.safetensors", "run", ("float16",))["f0.hz"]
    assert made.dtype == np.float32 and made.tolist() == value.tolist()


@pytest.mark.parametrize("dtype", ["F8_E4M3", "Q4"])
def test_a_dump_of_another_dtype_is_bad_input(tmp_path: Path, dtype: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = golden(tmp_path).folder
    path = raw_file(tmp_path / "a.safetensors", dtype, [2], bytes(2))
    assert command_line.main(["compare", str(folder), str(path)]) == 2
    assert dtype in capsys.readouterr().err


def test_options_of_a_dump_that_are_no_object_are_named(tmp_path: Path) -> None:
    path = trace_file.Trace({"f0.hz": tensors()["f0.hz"]}).write(tmp_path / "a.safetensors", {"options": "[1"})
    with pytest.raises(TraceError) as raised:
        dumps.from_trace(path)
    assert str(raised.value).startswith("the options in the metadata of the trace are no JSON object (")


@pytest.mark.parametrize("text", [DEEP, "9" * 100_000, '{"a": 1e999}'])
def test_a_golden_of_hostile_json_is_unreadable(tmp_path: Path, text: str) -> None:
    golden(tmp_path)
    (tmp_path / "small" / "case.json").write_text(text)
    document = running.run(Player(tensors()), tmp_path, tmp_path / "out")
    assert (document["exit_code"], document["cases"][0]["state"]) == (1, "unreadable")


def test_a_printable_text_has_no_character_that_changes_the_output() -> None:
    assert printable("naïve → 日本") == "naïve → 日本"
    assert printable("\x1b[31m\u202e\ud800\n") == "\\x1b[31m\\u202e\\ud800\\x0a"


def test_hostile_names_are_escaped_in_every_output(tmp_path: Path) -> None:
    golden(tmp_path)

    class Hostile(Player):
        @property
        def about(self) -> dict[str, object]:
            return {"name": HOSTILE, "version": HOSTILE}

        def run_stage(self, case: store.Case, *rest: Any) -> Any:
            if rest[0].name == "flow":
                raise CandidateError(HOSTILE)
            return super().run_stage(case, *rest)

    whole = tensors() | {"mel|\x1b[31m<b>": np.zeros(3, np.float32)}
    document = running.run(Hostile(tensors(), whole), tmp_path, tmp_path / "out")
    texts = {path.name: path.read_text("utf-8") for path in (tmp_path / "out").glob("*.*")}
    assert set(texts) == {"verdict.json", "junit.xml", "summary.md"}
    ElementTree.fromstring(texts["junit.xml"].partition("\n")[2])
    for text in (*texts.values(), table.text(document), table.closing(document)):
        assert not any(character in text for character in "\x1b\u202e\x00")
    assert "<script>" not in markdown.document(document).replace("\\<script\\>", "")
    columns = {line.replace("\\|", "").count("|") for line in texts["summary.md"].splitlines() if line.startswith("| ")}
    assert columns == {7, 8}


def test_an_adapter_gets_no_variable_that_holds_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "my_password", "OPENAI_API_KEY", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    code = "import os, sys; sys.stderr.write(repr(sorted(os.environ.items()))); sys.exit(3)"
    program = AdapterProcess(shlex.join([sys.executable, "-c", code]))
    with pytest.raises(ProtocolError) as raised:
        program.request("hello", None)
    program.stop()
    assert "hidden" not in str(raised.value) and "CUDA_VISIBLE_DEVICES" in str(raised.value)
