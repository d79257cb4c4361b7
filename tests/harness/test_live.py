"""`rvc-parity live` judges rvc and a port on the user's files; a shared result holds nothing of the voice."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from small_case import META, Player, golden, tensors

from parity.cli import main as command_line
from parity.errors import ParityError, UsageError
from parity.goldens.store import MemoryCase
from parity.output import shared_result
from parity.runs import dumps, user_files

ADAPTER = Path(__file__).with_name("repeating_adapter.py")
SECRET = "secret-voice"


@pytest.fixture
def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryCase:
    """The original's side of a trace; `rvc` is replaced by a candidate that replays it, and the voice by a file."""
    golden(tmp_path / SECRET)
    document = {**META, "name": "small", "segments": 1, "blocks": 0, "input": {"file": SECRET, "sha256": "0" * 64}}
    case = MemoryCase(document, tensors())
    monkeypatch.setattr(user_files, "open_trace", lambda trace, files: (case, Player(tensors())))
    monkeypatch.setattr(user_files, "plain_voice", lambda model, folder: folder / "voice.safetensors")
    return case


def live(folder: Path, *options: str) -> int:
    adapter = shlex.join([sys.executable, str(ADAPTER), str(folder / SECRET)])
    trace = str(folder / f"{SECRET}.safetensors")
    model = str(folder / f"{SECRET}.pth")
    return command_line.main(["live", "--trace", trace, "--model", model, "--candidate", adapter, *options])


def test_both_programs_are_judged_and_the_port_in_both_modes(
    side: MemoryCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live(tmp_path) == 1
    out = capsys.readouterr().out
    first, second = out.index("pass: all "), out.index("repeating 1: 2 faults in 1 of 1 case")
    assert first < second
    assert "retrieval.blended: 1 case (small), first at frame 0" in out


def test_a_shared_result_holds_nothing_of_the_voice(
    side: MemoryCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live(tmp_path, "--share", str(tmp_path / "result.json")) == 1
    text = (tmp_path / "result.json").read_text()
    form = json.loads(text)
    assert SECRET not in text and str(tmp_path) not in text
    assert [result["candidate"]["name"] for result in form["results"]] == ["player", "repeating"]
    assert form["results"][1]["precision"] == "float32"
    assert form["options"]["index_rate"] == META["options"]["index_rate"]
    blamed = {stage["stage"]: stage["blame"] for stage in form["results"][1]["stages"]}
    assert (blamed["retrieval.blended"], blamed["content.upsampled"]) == ("origin", "inherited")
    assert {key for stage in form["results"][1]["stages"] for cell in stage["cells"] for key in cell} == {
        "tensor",
        "mode",
        "metric",
        "state",
        "value",
        "limit",
        "times_limit",
    }


def test_a_form_drops_every_field_that_is_not_listed(side: MemoryCase) -> None:
    document = dumps.judge(side, tensors(), {"name": "port", "version": "1", "command": SECRET}, SECRET)

    def poisoned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: poisoned(inner) for key, inner in value.items()} | {"note": SECRET}
        return [poisoned(inner) for inner in value] if isinstance(value, list) else value

    assert SECRET in json.dumps(document)
    assert SECRET not in json.dumps(shared_result.document(side, [poisoned(document)]))


def test_a_recording_needs_an_original_and_a_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as missing, user_files.recorded(tmp_path / "in.wav", {}, []):
        pass
    assert str(missing.value) == f"there is no sound at {tmp_path / 'in.wav'}; give the recording to convert"
    monkeypatch.setattr(user_files, "_RECORDER", "no_reference_here.run_live")
    with pytest.raises(UsageError) as without, user_files.recorded(tmp_path / "in.wav", {}, []):
        pass
    assert str(without.value) == (
        "an original can be run in a clone of the repository only; run this command there, or record the trace there "
        "(python -m reference.run_live) and give it with --trace"
    )


def test_an_original_that_fails_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.wav").write_bytes(b"no sound")
    monkeypatch.setattr(user_files, "_RECORDER", "json.tool")  # a program that ends with exit status 2
    with pytest.raises(ParityError) as failed, user_files.recorded(tmp_path / "in.wav", {}, ["--nonsense"]):
        pass
    assert str(failed.value) == "the original ended with exit status 2; its message is above"


def test_a_sound_and_a_trace_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["live", "in.wav", "--trace", "t.safetensors", "--model", "v.pth"]) == 2
    assert capsys.readouterr().err == (
        "parity: IN and --trace were both given; a trace holds its sound, so give one of them\n"
    )
