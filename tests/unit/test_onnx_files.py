"""`rvc inspect` distinguishes ONNX interfaces by the file alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from rvc.cli.main import main
from rvc.errors import BadInput
from rvc.weights import onnx_file

onnx = pytest.importorskip("onnx")
FLOAT, INT = 1, 7


def write(path, inputs, operations=("Identity",), metadata=None):
    """A graph with these inputs and operations; their arithmetic is not run."""
    helper = onnx.helper
    ports = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs]
    nodes = [helper.make_node(operation, [inputs[0][0]], [f"v{i}"]) for i, operation in enumerate(operations)]
    output = helper.make_tensor_value_info("audio", FLOAT, [1, 1, "n"])
    model = helper.make_model(helper.make_graph(nodes, "g", ports, [output]), producer_name="pytorch")
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString())
    return path


PHONE = [("phone", FLOAT, [1, "n", 768]), ("phone_lengths", INT, [1])]
PITCH = [("pitch", INT, [1, "n"]), ("pitchf", FLOAT, [1, "n"])]
CASES = {
    "classic WebUI export": (
        [*PHONE, *PITCH, ("ds", INT, [1]), ("rnd", FLOAT, [1, 192, "n"])],
        ["RandomNormalLike"],
        "input rnd, which the graph does not scale",
    ),
    "MoeVoiceStudio / CharaMix": (
        [*PHONE, *PITCH, ("ds", INT, [1]), ("rnd", FLOAT, [1, 192, "n"]), ("vol", FLOAT, [1, "n"])],
        ["RandomNormalLike"],
        "the source's noise is drawn inside",
    ),
    "MoeVoiceStudio / CharaMix with mixed speakers": (
        [*PHONE, *PITCH, ("ds", FLOAT, ["n", 4]), ("rnd", FLOAT, [1, 192, "n"])],
        ["RandomNormalLike"],
        "input rnd",
    ),
    "w-okada voice changer": (
        [("feats", FLOAT, [1, "n", 768]), ("p_len", INT, [1]), *PITCH, ("sid", INT, [1])],
        ["RandomNormalLike"],
        "drawn inside the graph (RandomNormalLike)",
    ),
    "rvc": (
        [("content", FLOAT, [1, "p", 768]), ("speaker", INT, [1]), ("noise_z", FLOAT, [1, 192, "p"])],
        ["Identity"],
        "inputs noise_z and noise_source, standard normal",
    ),
    "unknown": ([("x", FLOAT, [1, 3, 224, 224])], ["Relu"], "none: neither an input nor an operation draws it"),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_dialect_is_named_with_its_noise(tmp_path, capsys, kind):
    inputs, operations, noise = CASES[kind]
    path = write(tmp_path / "voice.onnx", inputs, operations, {"metadata": '{"f0": 1}'})
    assert main(["inspect", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["dialect"] == kind.partition(" with ")[0] and noise in report["noise"]
    assert report["producer"] == "pytorch" and report["metadata"] == {"metadata": '{"f0": 1}'}
    assert len(report["inputs"]) == len(inputs)


def test_a_fixed_number_of_frames_is_named(tmp_path):
    inputs = [("phone", FLOAT, [1, 200, 256]), ("phone_lengths", INT, [1]), ("ds", INT, [1])]
    report = onnx_file.describe(write(tmp_path / "voice.onnx", inputs))
    assert report["fixed_lengths"] == ["phone axis 1 is always 200"]
    assert report["content_channels"] == 256


FOREIGN = "give the .pth from which it was exported, or the folder that rvc export --format onnx makes of that"
REFUSALS = {
    "rvc": "is the synthesizer of a folder that rvc export wrote, expected an RVC voice; give the folder itself",
    "unknown": "is an ONNX model, expected an RVC voice; give the .pth from which it was exported",
}


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("command", ["convert", "stream"])
def test_an_onnx_file_as_model_is_refused_by_its_name(tmp_path, capsys, command, kind):
    path = write(tmp_path / "voice.onnx", CASES[kind][0], CASES[kind][1])
    soundfile.write(tmp_path / "in.wav", np.zeros(16000), 16000)
    assert main([command, str(tmp_path / "in.wav"), str(tmp_path / "out.wav"), "--model", str(path)]) == 2
    error = capsys.readouterr().err
    own = f"is a voice in ONNX for another program ({kind.partition(' with ')[0]}), expected an RVC voice; {FOREIGN}"
    assert f"voice.onnx {REFUSALS.get(kind, own)}" in error and error.count("\n") == 1


def test_damaged_files_are_refused_in_one_sentence(tmp_path):
    whole = write(tmp_path / "voice.onnx", CASES["classic WebUI export"][0]).read_bytes()
    refused = 0
    for place in range(0, len(whole), 7):
        for content in (whole[:place], whole[:place] + b"\xff" + whole[place + 1 :]):
            (tmp_path / "damaged.onnx").write_bytes(content)
            try:
                onnx_file.describe(tmp_path / "damaged.onnx")
            except BadInput:
                refused += 1
    assert refused > 10


@pytest.mark.parametrize("tail, reason", [(bytes(1), "without a number"), (b"\x08\x01", "more than 524288 fields")])
def test_a_long_file_of_short_fields_is_refused_at_once(tmp_path, tail, reason):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"\x08\x08\x12\x07pytorch" + tail * (1 << 20))
    with pytest.raises(BadInput, match=rf"a\.onnx is no complete ONNX file .*{reason}"):
        onnx_file.read(path)
