"""A voice exported to ONNX: the folder, and what conversions and streams through it compute."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import exported_folder
import faiss
import numpy as np
import pytest
import soundfile
from exported_folder import broken, networks, record

from rvc.cli.main import main
from rvc.errors import BadInput
from rvc.exported import export, interface, retrieval_data, streaming
from rvc.exported.networks import ExportedNetworks
from rvc.exported.runtime import Graph
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.realtime import BlockSizes, Controls, Stream
from rvc.retrieval.search import Index
from rvc.trace import Recorder

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
files, folder = exported_folder.files, exported_folder.folder  # fixtures


def test_a_folder_describes_itself_and_holds_what_it_describes(folder):
    fields = json.loads((folder / "voice.json").read_text())
    assert set(fields) == set(interface.FIELDS)
    assert set(fields["files"]) == {"content.onnx", "synthesizer.onnx", "retrieval.safetensors"}
    assert fields["rate"] == 40000 and fields["hop"] == 400 and fields["f0"] is True
    assert fields["constants"]["highpass"]["initial_state"][0] == pytest.approx(-0.96996047969)
    read = interface.read_folder(folder)
    for name in fields["files"]:
        interface.refuse_changed(read, name)


@pytest.mark.parametrize("samples", [1600, 16000, 40000])
def test_one_file_converts_any_length_as_the_voice_itself_does(files, folder, samples):
    sound = np.random.default_rng(samples).standard_normal(samples).astype(np.float32) * 0.1
    own, exported = record(networks(files), sound), record(ExportedNetworks.open(folder), sound)
    assert set(own) == set(exported)
    for name, expected in own.items():
        if not expected.size:
            continue
        scale = np.abs(expected).max() or 1
        limit = 3 if name == "waveform.final" else 2e-4 * scale
        assert np.abs(expected.astype(np.float64) - exported[name]).max() <= limit, name


def test_a_voice_without_f0_is_exported_and_converted(files):
    export.export_folder(networks(files, "plain.pth"), files / "plain", profile="webui-2026")
    sound = soundfile.read(files / "in.wav", dtype="float32")[0]
    own = record(networks(files, "plain.pth"), sound)
    exported = record(ExportedNetworks.open(files / "plain"), sound)
    assert np.abs(own["waveform.final"].astype(int) - exported["waveform.final"]).max() <= 2
    assert "hz" not in Graph(files / "plain" / "synthesizer.onnx", 1).inputs


@pytest.mark.parametrize("kind", ["IVF8,Flat", "Flat"])
def test_arrays_of_an_index_search_with_the_same_bits(kind):
    values = np.random.default_rng(2).standard_normal((500, 16)).astype(np.float32)
    index = faiss.index_factory(16, kind)
    index.train(values)
    index.add(values)
    if kind != "Flat":
        index.nprobe = 3
    own = Index(index)
    again = retrieval_data.from_arrays(*retrieval_data.to_arrays(own), "again")
    query = np.random.default_rng(3).standard_normal((40, 16)).astype(np.float32)
    for expected, result in zip(own.search(query), again.search(query), strict=True):
        assert np.array_equal(expected, result)
    assert np.array_equal(own.vectors(np.arange(500)), again.vectors(np.arange(500)))


def test_an_index_with_compressed_vectors_is_refused():
    values = np.random.default_rng(2).standard_normal((600, 16)).astype(np.float32)
    index = faiss.index_factory(16, "IVF2,PQ4x4")
    index.train(values)
    index.add(values)
    with pytest.raises(BadInput, match="IndexIVFPQ; an exported voice holds the WebUI's kind"):
        retrieval_data.to_arrays(Index(index))


def test_an_export_that_differs_is_refused_with_the_stage_and_leaves_nothing(files, monkeypatch):
    monkeypatch.setattr("rvc.exported.synthesizer_graph.TEMPERATURE", 1.0)
    with pytest.raises(export.ExportDiffers, match=r"the exported seg0\.z_p differs from rvc's by"):
        export.export_folder(networks(files, index=False), files / "wrong", f0_methods=[], profile="webui-2026")
    assert not [path for path in files.iterdir() if "wrong" in path.name]


def test_a_folder_converts_with_the_defaults_of_its_profile(files, folder, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    broken(copy, profile="webui-classic")
    arguments = [str(files / "in.wav"), str(tmp_path / "out.wav"), "--model", str(copy), "--f0-method", "pm", "--json"]
    assert main(["convert", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["profile"] == "webui-classic"


def test_the_command_lines_export_and_convert(files, tmp_path, capsys):
    target = tmp_path / "voice"
    given = ["--hubert", str(files / "hubert"), "--index", str(files / "voice.index")]
    assert main(["export", str(files / "voice.pth"), str(target), "--format", "onnx", *given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["retrieval"]["vectors"] == 300
    common = ["--f0-method", "pm", "--seed", "7", "--json"]
    outputs = [tmp_path / "own.wav", tmp_path / "exported.wav"]
    own = ["convert", str(files / "in.wav"), str(outputs[0]), "--model", str(files / "voice.pth"), *given, *common]
    exported = ["convert", str(files / "in.wav"), str(outputs[1]), "--model", str(target), *common]
    assert main(own) == 0 and main(exported) == 0
    a, b = (soundfile.read(path, dtype="int16")[0].astype(int) for path in outputs)
    assert len(a) == len(b) and np.abs(a - b).max() <= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--f0-method", "rmvpe"], "holds no graph of the F0 method rmvpe (it holds none)"),
        (["--f0-method", "pm", "--precision", "bfloat16"], "was exported in float32"),
        (["--f0-method", "pm", "--device", "cuda"], "an exported voice runs on the CPU here"),
        (["--f0-method", "pm", "--speaker", "9"], "speaker is 9, but onnx has speakers 0 to 1"),
    ],
)
def test_options_that_a_folder_cannot_fulfil_are_refused(files, folder, tmp_path, capsys, options, message):
    arguments = [str(files / "in.wav"), str(tmp_path / "out.wav"), "--model", str(folder), *options]
    assert main(["convert", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_option_that_the_folder_replaces_is_noted(files, folder, tmp_path, capsys):
    arguments = ["--model", str(folder), "--f0-method", "pm", "--hubert", str(files / "hubert")]
    assert main(["convert", str(files / "in.wav"), str(tmp_path / "out.wav"), *arguments]) == 0
    assert "--hubert has no effect: the exported folder holds its own" in capsys.readouterr().err


@pytest.mark.parametrize(("formant", "index_rate"), [(0.0, 0.0), (2.0, 0.5)])
def test_a_stream_through_the_folder_is_that_of_the_voice(files, folder, formant, index_rate):
    controls = Controls(f0_method="pm", formant=formant, index_rate=index_rate, rms_mix_rate=0.5)
    sizes = BlockSizes.of(40000, block=0.1, crossfade=0.04, extra=0.4)
    blocks = soundfile.read(files / "in.wav", dtype="float32")[0][:12000].reshape(3, sizes.block)
    opened = [VoiceNetworks(files / "voice.pth", files / "hubert", files / "voice.index", keep=True)]
    taps = []
    for parts in (*opened, ExportedNetworks.open(folder)):
        taps.append(Recorder())
        models = streaming.open_models(parts, "webui-classic", controls)
        stream = Stream(models, sizes, controls, tap=taps[-1])
        for block in blocks:
            stream.block(block)
    own, exported = taps
    assert set(own) == set(exported)
    for name, expected in own.items():
        limit = 0 if expected.dtype.kind == "i" else 1e-3 * (np.abs(expected).max() or 1)  # phase: float32 there
        assert np.abs(expected.astype(np.float64) - exported[name]).max() <= limit, name


def test_the_command_stream_converts_with_a_folder(files, folder, tmp_path, capsys):
    arguments = ["--model", str(folder), "--f0-method", "pm", "--block-time", "0.3", "--extra-time", "0.2", "--json"]
    assert main(["stream", str(files / "in.wav"), str(tmp_path / "out.wav"), *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["model_rate"] == 40000
    assert len(soundfile.read(tmp_path / "out.wav")[0]) >= 16000


def test_a_stream_without_the_graph_of_its_f0_method_is_refused(files, folder, tmp_path, capsys):
    arguments = [str(files / "in.wav"), str(tmp_path / "out.wav"), "--model", str(folder), "--f0-method", "rmvpe"]
    assert main(["stream", *arguments]) == 2
    assert "holds no graph of the F0 method rmvpe (it holds none)" in capsys.readouterr().err


def test_help_does_not_import_onnx():
    code = "import sys; from rvc.cli.main import build; build(); sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
