"""A damaged folder of an exported voice is refused by `rvc` and by `rvc-onnx` in one sentence."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import exported_folder
import pytest
from exported_folder import broken

from rvc.cli.main import main
from rvc.exported import interface
from rvc_onnx.__main__ import main as onnx_main

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
files, folder = exported_folder.files, exported_folder.folder  # fixtures


def nested(folder: Path, field: str, **changes: object) -> None:
    fields = json.loads((folder / "voice.json").read_text())
    broken(folder, **{field: fields[field] | changes})


def replaced(folder: Path, name: str, output: str, shape: list[int]) -> None:
    """Put a graph with another output in the place of a file, with its right digest."""
    port = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Identity", ["audio"], [output])
    graph = onnx.helper.make_graph([node], "g", [port("audio", 1, [1, "n"])], [port(output, 1, shape)])
    opset = [onnx.helper.make_opsetid("", interface.OPSET)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), str(folder / name))
    nested(folder, "files", **{name: hashlib.sha256((folder / name).read_bytes()).hexdigest()})


# What is done to a folder → what `rvc` states, and `rvc-onnx` where that is not the same.
DAMAGE = [
    (
        lambda f: (f / "voice.json").unlink(),
        "has no voice.json, which describes an exported voice",
        "no exported voice",
    ),
    (lambda f: (f / "voice.json").write_text("{"), "cannot be read as JSON", "no exported voice"),
    (lambda f: (f / "voice.json").write_text("[" * 100000), "cannot be read as JSON", "no exported voice"),
    (
        lambda f: broken(f, format="rvc-onnx-voice/9"),
        "states the format 'rvc-onnx-voice/9', expected",
        "not of the format",
    ),
    (lambda f: broken(f, rate="40k"), "has no valid rate", None),
    (lambda f: broken(f, rate=0), "has no valid rate", None),
    (lambda f: broken(f, rate=float("nan")), "has no valid rate", None),
    (lambda f: broken(f, hop=100), "has no valid upsample_rates", None),
    (lambda f: broken(f, latent_channels=10**12), "has no valid latent_channels", None),
    (lambda f: broken(f, profile="other"), "has no valid profile", None),
    (lambda f: broken(f, constants={}), "has no valid constants.content_field", None),
    (lambda f: nested(f, "constants", highpass=None), "has no valid constants.highpass", None),
    (lambda f: broken(f, retrieval={}), "has no valid retrieval.channels", None),
    (lambda f: nested(f, "retrieval", probes=-4), "has no valid retrieval.probes", None),
    (lambda f: broken(f, extra=1), "has the unknown field 'extra'", "has no valid extra"),
    (lambda f: broken(f, files=[]), "has no valid files", None),
    (lambda f: broken(f, files={"../x": ""}), "names the file '../x', which is no file of the folder", None),
    (lambda f: broken(f, f0_methods={"rmvpe": "../x"}), "names no digest of ../x", None),
    (lambda f: (f / "content.onnx").unlink(), "lacks content.onnx", None),
    (lambda f: (f / "content.onnx").write_bytes(b"x"), "is not the file that was exported", None),
    (lambda f: nested(f, "files", **{"synthesizer.onnx": "0" * 64}), "is not the file that was exported", None),
    (lambda f: broken(f, f0=False), "cannot compute these inputs", None),
    (lambda f: replaced(f, "content.onnx", "x", [1, 9]), "has no output content", None),
    (lambda f: replaced(f, "content.onnx", "content", [1, 9]), "of shape (1, 48000), expected (1, n, 256)", None),
]


@pytest.mark.parametrize(("damage", "message", "other"), DAMAGE)
def test_a_damaged_folder_is_refused_in_one_sentence(files, folder, tmp_path, capsys, damage, message, other):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    damage(copy)
    arguments = [str(files / "in.wav"), str(tmp_path / "out.wav"), "--model", str(copy), "--f0-method", "pm"]
    for run, expected in ((main, message), (onnx_main, other or message)):
        assert run(["convert", *arguments] if run is main else arguments) == 2
        error = capsys.readouterr().err
        assert expected in error and error.count("\n") == 1
        assert not (tmp_path / "out.wav").exists()
