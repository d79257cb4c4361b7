"""The judge and the reports work where torch and `rvc` are not installed, and the verdict lists what they left out."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from small_case import golden, tensors
from without_torch import LightInstallation

from parity.cli.main import COMMANDS
from parity.voices import cache, kinds, torch_file

FAKE = Path(__file__).with_name("fake_adapter.py")


@pytest.fixture
def light(tmp_path: Path) -> LightInstallation:
    return LightInstallation(tmp_path)


def test_every_command_of_a_port_runs_without_torch(light: LightInstallation, tmp_path: Path) -> None:
    goldens = tmp_path / "goldens"
    golden(goldens)

    def parity(command: str, *arguments: str, fault: str | None = None) -> tuple[int, str]:
        adapter = [] if fault is None else ["--candidate", f"{sys.executable} {FAKE} {fault} {goldens / 'small'}"]
        where = [] if fault is None else ["--goldens", str(goldens)]
        done = light.run("-m", "parity", command, *adapter, *where, *arguments)
        return done.returncode, done.stdout + done.stderr

    before, after, trace = tmp_path / "before", tmp_path / "after", tmp_path / "mine.safetensors"
    save_file(tensors(), trace)
    code, text = parity("doctor", fault="none")
    assert code == 0 and "the adapter is ready to be judged" in text, text
    code, text = parity("compare", str(goldens / "small"), str(trace))
    assert code == 0, text
    assert light.imports() == [], "a candidate that differs nowhere needs no network"
    code, text = parity("check", "--out", str(before), fault="none")
    assert code == 4
    assert (
        "\nnot tried without torch: answers to other inputs than the goldens'; "
        "python -m pip install 'rvc-parity[torch]' adds them\n"
    ) in text
    assert json.loads((before / "verdict.json").read_text())["repeats"]["notes"] == [
        "answers to other inputs were not compared with those of rvc: not tried without torch"
    ]

    code, text = parity("check", "--out", str(after), fault="not-finite")
    assert code == 1
    case = json.loads((after / "verdict.json").read_text())["cases"][0]
    assert case["not_tried"] == ["known mistakes inside networks"]
    cause = next(stage["cause"] for stage in case["stages"] if stage["stage"] == "flow")
    assert cause["sentence"] == (
        "no simple change explains this error; known mistakes inside networks were not tried without torch: "
        "in 11 of 12 channels, the first of them 0"
    )
    assert (
        "\nnot tried without torch: answers to other inputs than the goldens', known mistakes inside networks; "
        "python -m pip install 'rvc-parity[torch]' adds them\n"
    ) in text
    assert set(light.imports()) <= {"torch", "rvc"}
    code, text = parity("diff", str(before), str(after))
    assert code == 1 and "seg0.flow.z" in text
    code, text = parity("report", str(after), "--out", str(tmp_path / "pages"), "--quiet")
    assert code == 0, text
    assert "The pictures need matplotlib" in (tmp_path / "pages" / "small.html").read_text()
    assert light.imports() == ["matplotlib"]


def test_every_command_but_that_of_the_mutants_explains_itself_without_torch(light: LightInstallation) -> None:
    names = [command.name for command in COMMANDS if command.name != "mutants"]
    code = f"""
import contextlib
from parity.cli.main import main
for name in {names!r}:
    with contextlib.suppress(SystemExit):
        main([name, "--help"])
"""
    done = light.run("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: rvc-parity ") == len(names)
    assert light.imports() == []


def test_a_command_that_needs_torch_is_one_sentence_without_it(light: LightInstallation, tmp_path: Path) -> None:
    golden(tmp_path)
    fresh = ["check", "--candidate", f"{sys.executable} {FAKE} none {tmp_path / 'small'}", "--fresh", "1"]
    code = f"""
from parity.cli.main import main
for arguments in (["run"], ["inputs"], ["mutants"], {fresh!r}, ["accuracy"]):
    print(main(arguments))
"""
    done = light.run("-c", code)
    assert done.stdout.split() == ["2"] * 5, done.stdout + done.stderr
    sentence = "parity: {} needs {}, which is not installed; python -m pip install {}"
    *torch_lines, last = done.stderr.splitlines()
    torch = "torch", "'rvc-parity[torch]'"
    assert torch_lines == [sentence.format(name, *torch) for name in ("run", "inputs", "mutants", "check")]
    assert last == sentence.format("accuracy", "mir_eval", "'rvc-parity[perceptual]'")


def test_the_requests_of_a_device_are_written_and_judged_without_torch(
    light: LightInstallation, tmp_path: Path
) -> None:
    goldens, requests = tmp_path / "goldens", tmp_path / "requests"
    golden(goldens)
    chosen = ["--goldens", str(goldens), "--stage", "flow"]
    done = light.run("-m", "parity", "cases", str(requests), *chosen)
    assert done.returncode == 0, done.stderr
    save_file({"seg0.flow.z": tensors()["seg0.flow.z"]}, requests / "small" / "seg0.flow" / "outputs.safetensors")
    done = light.run("-m", "parity", "check", "--outputs", str(requests), *chosen, "--out", str(tmp_path / "out"))
    assert done.returncode == 4, done.stderr
    assert set(light.imports()) <= {"torch", "rvc"}


def test_weights_are_made_without_torch(light: LightInstallation, tmp_path: Path) -> None:
    done = light.run("-c", "import parity.voices.kinds, parity.voices.cache, parity.rvc_bridge.voice_files")
    assert (done.returncode, light.imports()) == (0, []), done.stderr


# ---- the writer of torch files ----


def test_torch_reads_what_is_written_without_it(tmp_path: Path) -> None:
    content = {
        "weight": {
            "half": np.arange(6, dtype=np.float16).reshape(2, 3, 1),
            "single": np.zeros((0, 4), np.float32),
            "double": np.array(2.5),
            "whole": np.array([[-1, 1 << 40]], np.int64),
            "strided": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        },
        "config": [1025, "1", [3, [1, -5]], 0.25, True, False, None],
        "empty": [{}, (), []],
        "sr": "40k – ü",
    }
    torch_file.write(content, tmp_path / "a.pth")
    reader = torch._C.PyTorchFileReader(str(tmp_path / "a.pth"))
    assert {reader.get_record_offset(f"data/{number}") % torch_file.ALIGNMENT for number in range(5)} == {0}
    for mapped in (False, True):
        held = torch.load(tmp_path / "a.pth", weights_only=True, mmap=mapped)
        assert list(held) == list(content) and held["config"] == content["config"]
        assert (held["empty"], held["sr"]) == ([{}, (), []], "40k – ü")
        for name, values in content["weight"].items():
            assert held["weight"][name].is_contiguous()
            assert held["weight"][name].numpy().dtype == values.dtype
            np.testing.assert_array_equal(held["weight"][name].numpy(), values, strict=True)


def test_what_torch_writes_is_read_without_it(tmp_path: Path) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    torch.save({"weight": {"a": weight.half(), "tail": weight[1:]}, "sr": "40k"}, tmp_path / "a.pth")
    held = torch_file.read(tmp_path / "a.pth")
    assert held["sr"] == "40k"
    np.testing.assert_array_equal(held["weight"]["a"], weight.half().numpy(), strict=True)
    np.testing.assert_array_equal(held["weight"]["tail"], weight[1:].numpy(), strict=True)


def test_nothing_that_a_file_names_is_executed(tmp_path: Path) -> None:
    torch.save({"a": Path("x")}, tmp_path / "a.pth")
    with pytest.raises(Exception, match="which a file of plain tensors does not hold"):
        torch_file.read(tmp_path / "a.pth")


def test_a_value_that_torch_files_cannot_hold_is_refused_before_writing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^a torch file cannot hold an array of int16; it can hold float16, "):
        torch_file.write({"a": np.zeros(2, np.int16)}, tmp_path / "a.pth")
    assert not (tmp_path / "a.pth").exists()


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        torch_file.write({"a": np.arange(100.0)}, tmp_path / folder / "a.pth")
    assert (tmp_path / "one" / "a.pth").read_bytes() == (tmp_path / "two" / "a.pth").read_bytes()


# ---- the same tensors as safetensors ----


def test_a_voice_is_also_there_as_float32_safetensors() -> None:
    held = load_file(cache.plain_path_of("v2-40k-f0"))
    drawn = dict(kinds.weights("v2-40k-f0").draw())
    assert sorted(held) == sorted(drawn)
    for name, values in drawn.items():
        np.testing.assert_array_equal(held[name], values.astype(np.float32), strict=True)


def test_an_index_is_also_there_as_its_vectors_and_lists() -> None:
    held = load_file(cache.plain_path_of("index-v1"))
    assert {name: (values.dtype.name, values.shape) for name, values in held.items()} == {
        "centroids": ("float32", (64, 256)),
        "lists": ("int64", (2560,)),
        "vectors": ("float32", (2560, 256)),
    }


def test_a_damaged_safetensors_form_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVC_CACHE", str(tmp_path))
    for cached in (cache._path_of, cache._plain_path_of):
        cached.cache_clear()
    made = cache.plain_path_of("index-v1")
    good = made.read_bytes()
    made.write_bytes(good[:-1])
    cache._plain_path_of.cache_clear()
    assert cache.plain_path_of("index-v1").read_bytes() == good
    for cached in (cache._path_of, cache._plain_path_of):
        cached.cache_clear()


# ---- provenance ----


def test_a_golden_recorded_with_a_file_of_torch_belongs_to_the_same_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = next(iter(cache._digests_of_files()))
    kind = next(name for name, digest in cache.pinned().items() if digest == cache._digests_of_files()[recorded])
    cache.path_of(kind)
    voice = {"kind": kind, "files": {"voice": recorded}}
    assert cache.other_than_recorded(voice) is None
    other = {**cache._digests_of_files(), recorded: "0" * 64}
    monkeypatch.setattr(cache, "_digests_of_files", lambda: other)
    sentence = cache.other_than_recorded(voice)
    assert sentence is not None
    assert sentence.startswith(f"it was recorded with another {kind} than this machine's (sha256 000000000000, here ")
