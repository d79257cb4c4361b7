"""A voice exported to ONNX: the folder, what a conversion through it computes, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
import soundfile
import torch
from tiny import write_hubert, write_voice

from rvc.cli.main import main
from rvc.config import Config
from rvc.content.features import read_hubert
from rvc.errors import BadInput
from rvc.exported import export, interface, layers, retrieval_data, streaming
from rvc.exported.content_graph import ContentGraph
from rvc.exported.f0_graphs import GRAPHS, OUTPUTS
from rvc.exported.networks import ExportedNetworks
from rvc.exported.runtime import Graph
from rvc.exported.synthesizer_graph import phase_before
from rvc.f0.methods import crepe, fcpe, rmvpe
from rvc.nn import crepe as crepe_network
from rvc.nn import fcpe as fcpe_network
from rvc.nn import rmvpe as rmvpe_network
from rvc.noise import Seeded
from rvc.pipeline import offline
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.realtime import BlockSizes, Controls, Stream
from rvc.retrieval.search import Index
from rvc.trace import Recorder
from rvc.voice_kinds import VERSIONS
from rvc_onnx.__main__ import main as onnx_main

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")


def write_index(path: Path, width: int = 256, vectors: int = 300) -> Path:
    """A small IVFFlat index, as the WebUI builds it."""
    values = np.random.default_rng(0).standard_normal((vectors, width)).astype(np.float32)
    index = faiss.index_factory(width, "IVF4,Flat")
    index.train(values)
    index.add(values)
    faiss.write_index(index, str(path))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with a voice with F0, one without, HuBERT, an index and a recording."""
    folder = tmp_path_factory.mktemp("exported")
    write_voice(folder / "voice.pth")
    write_voice(folder / "plain.pth", f0=False)
    write_hubert(folder / "hubert")
    write_index(folder / "voice.index")
    sound = np.random.default_rng(1).standard_normal(16000).astype(np.float32) * 0.1
    soundfile.write(folder / "in.wav", sound + 0.2 * np.sin(np.arange(16000) * 0.08).astype(np.float32), 16000)
    return folder


def networks(files: Path, voice: str = "voice.pth", index: bool = True) -> VoiceNetworks:
    return VoiceNetworks(files / voice, files / "hubert", files / "voice.index" if index else None)


@pytest.fixture(scope="module")
def folder(files) -> Path:
    """The voice with F0 and its index, exported and verified."""
    export.export_folder(networks(files), files / "onnx", f0_methods=[], profile="webui-2026")
    return files / "onnx"


def record(parts, sound, **options) -> Recorder:
    tap = Recorder()
    config = Config.of("webui-2026", f0_method="pm", **options)
    offline.convert(sound, parts, config, noise=Seeded(3), tap=tap)
    return tap


def test_a_folder_describes_itself_and_holds_what_it_describes(folder):
    fields = json.loads((folder / "voice.json").read_text())
    assert set(fields) == set(interface.FIELDS)
    assert set(fields["files"]) == {"content.onnx", "synthesizer.onnx", "retrieval.safetensors"}
    assert fields["rate"] == 40000 and fields["hop"] == 400 and fields["f0"] is True
    assert fields["constants"]["highpass"]["initial_state"][0] == pytest.approx(-0.96996047969)
    read = interface.read_folder(folder)
    for name in fields["files"]:
        interface.refuse_changed(read, name)


@pytest.mark.parametrize("sums, limit", [(torch.float64, 1e-6), (torch.float32, 1e-5)])
def test_the_first_norm_is_exact_in_runtimes_without_float64_too(files, monkeypatch, sums, limit):
    config, weights = read_hubert(files / "hubert")
    step = torch.zeros(config.conv_width, 1, config.kernels[0], dtype=torch.float64)
    step[:, 0, :4] = torch.tensor([1.0, -3.0, 3.0, -1.0])  # a loud low tone nearly cancels in third differences
    monkeypatch.setattr(ContentGraph, "sums", sums)
    network = ContentGraph(config, {**weights, "front.0.weight": step.float()}, VERSIONS["v1"])
    noise = torch.randn(32000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sound = (torch.sin(2 * torch.pi * 100 / 16000 * torch.arange(32000)) + 1e-3 * noise).float()[None, None]
    channel = torch.nn.functional.conv1d(sound.double(), step[:1], stride=config.strides[0])[0, 0]
    expected = weights["front.norm.weight"].double() / torch.sqrt(channel.var(correction=0) + config.eps)
    scale, _ = network.group_norm(sound)
    torch.testing.assert_close(scale[0, :, 0].double(), expected, rtol=limit, atol=0)


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


def test_the_arguments_of_a_stream_cut_and_resize_as_the_synthesizer_does(files, folder):
    from rvc.nn.synthesizer import heads, resize_frames, resize_source

    synthesizer = networks(files).voice.synthesizer
    generator = torch.Generator().manual_seed(0)
    frames, skip, length, resized, upp = 120, 60, 40, 47, synthesizer.upp
    content = torch.randn(1, frames, 256, generator=generator)
    hz = torch.full((1, frames), 220.0)
    coarse = torch.full((1, frames), 80)
    flow_head, dec_head = heads(skip)
    noise = torch.randn(1, 16, frames - flow_head, generator=generator)
    drawn = torch.randn(1, length * upp, 1, generator=generator)
    m, logs = synthesizer.encode(content, coarse, flow_head)
    g = synthesizer.speaker(1)
    z = synthesizer.flow(synthesizer.prior(m, logs, noise), g)[:, :, dec_head : dec_head + length]
    source = synthesizer.source(hz[:, skip : skip + length], drawn)[1]
    expected = synthesizer.generate(resize_frames(z, resized), g, resize_source(source, resized * upp))
    values = {"content": content, "coarse": coarse, "hz": hz, "speaker": torch.tensor([1])}
    values |= {"noise_z": noise, "noise_source": drawn, "skip_head": torch.tensor(skip)}
    values |= {"return_length": torch.tensor(length), "resized_length": torch.tensor(resized)}
    graph = Graph(folder / "synthesizer.onnx", 1)
    made = graph.run({name: value.numpy() for name, value in values.items()}, ["waveform"])["waveform"]
    assert made.shape == (1, resized * upp)
    assert np.abs(made[0] - expected.numpy()).max() <= 1e-4  # the sine's phase: float64 here, float32 there


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


class Resize(torch.nn.Module):
    """`layers.resize_linear` as a network of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.resize = layers.scripted(layers.resize_linear)

    def forward(self, values: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """float32 (1, C, T) and an int64 scalar."""
        resized: torch.Tensor = self.resize(values, count)
        return resized


@pytest.mark.parametrize(("precision", "limit"), [("float32", 1e-6), ("float16", 2e-3)])
def test_a_graph_resizes_at_the_places_of_pytorch_at_any_length(tmp_path, precision, limit):
    """A place that is rounded otherwise is 0.002 samples off after 16000 samples."""
    inputs = {"values": torch.zeros(1, 1, 50), "count": torch.tensor(40)}
    graph = export.GraphFile("resize.onnx", Resize(), inputs, ["resized"], {"values": {2: "samples"}})
    export.write_graph(graph, tmp_path / graph.name, precision)
    opened = Graph(tmp_path / graph.name, 1)
    for length, count in ((8800, 8000), (30000, 26701), (24, 27), (16000, 16000)):
        values = torch.rand(1, 1, length, generator=torch.Generator().manual_seed(length)) * 2 - 1
        expected = torch.nn.functional.interpolate(values, size=count, mode="linear")
        made = opened.run({"values": values.numpy(), "count": np.array(count)})["resized"]
        assert np.abs(made - expected.numpy()).max() <= limit


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_phase_of_the_sine_is_exact_in_float32_too(dtype):
    random, upp = np.random.default_rng(8), 480
    hz = random.uniform(50, 1100, 4300).astype(np.float32) * (random.uniform(size=4300) > 0.2)
    step = hz / np.float32(48000)
    whole = [int(value * 2**60) * upp for value in step.astype(np.float64)]  # the last bit of a step is 2⁻³³ or more
    before = np.array([total % 2**60 for total in np.cumsum([0, *whole[:-1]], dtype=object)], np.float64) / 2.0**60
    phase = phase_before(torch.from_numpy(step).to(dtype), upp).double().numpy()
    assert np.abs(phase - before).max() <= torch.finfo(dtype).eps


@pytest.fixture(scope="module")
def half(files) -> Path:
    """The voice exported in float16, without its index."""
    target = files / "half"
    export.export_folder(networks(files, index=False), target, f0_methods=[], profile="webui-2026", precision="float16")
    return target


def test_float16_graphs_stay_near_the_float32_ones(files, folder, half):
    full = sum(size.stat().st_size for size in folder.glob("*.onnx"))
    assert sum(size.stat().st_size for size in half.glob("*.onnx")) < 0.8 * full


def test_float16_graphs_are_valid(half):
    for path in half.glob("*.onnx"):
        onnx.checker.check_model(str(path), full_check=True)


def feeds(graph: Graph, frames: int = 12) -> dict[str, np.ndarray]:
    """Inputs of synthesizer.onnx."""
    shapes = {
        name: [1 if isinstance(size, str) else size for size in port.shape] for name, port in graph.inputs.items()
    }
    draws, channels = np.random.default_rng(4), shapes["noise_z"][1]
    upp = json.loads((graph.path.parent / "voice.json").read_text())["hop"]
    return {
        "content": draws.standard_normal((1, frames, shapes["content"][2])).astype(np.float32),
        "coarse": np.full((1, frames), 90, np.int64),
        "hz": np.linspace(211.3, 877.7, frames, dtype=np.float32)[None],
        "speaker": np.zeros(1, np.int64),
        "noise_z": draws.standard_normal((1, channels, frames)).astype(np.float32),
        "noise_source": draws.standard_normal((1, frames * upp, 1)).astype(np.float32),
    }


def test_a_float16_graph_computes_the_sine_in_float32(folder, half):
    full, reduced = (Graph(path / interface.SYNTHESIZER, 1) for path in (folder, half))
    expected, made = (graph.run(feeds(graph), ["nsf.sine", "nsf.source", "z_p"]) for graph in (full, reduced))
    assert np.abs(made["nsf.sine"] - expected["nsf.sine"]).max() < 1e-7
    for name in ("nsf.source", "z_p"):
        assert 0 < np.abs(made[name] - expected[name]).max() < 4e-3 * np.abs(expected[name]).max()


def test_a_float16_graph_can_be_cut_at_its_outputs(half, tmp_path):
    whole = Graph(half / interface.SYNTHESIZER, 1)
    made = whole.run(feeds(whole), ["enc_p.m", "enc_p.logs", "z_p"])
    ports = ["enc_p.m", "enc_p.logs", "noise_z"]
    onnx.utils.extract_model(str(whole.path), str(tmp_path / "part.onnx"), ports, ["z_p"])
    part = Graph(tmp_path / "part.onnx", 1)
    given = {name: made.get(name, feeds(whole).get(name)) for name in ports}
    # ONNX Runtime leaves out other pairs of casts in a part than in the whole, which is a step of the format.
    assert np.abs(part.run(given)["z_p"] - made["z_p"]).max() < 2.0**-10 * np.abs(made["z_p"]).max()


def broken(folder: Path, **changes: object) -> None:
    fields = json.loads((folder / "voice.json").read_text()) | changes
    (folder / "voice.json").write_text(json.dumps(fields))


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


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=generator) * max(int(np.prod(shape[1:])), 1) ** -0.5
        positive = name.endswith(("running_var", "weight_g")) or (name.endswith("weight") and len(shape) == 1)
        tensors[name] = value.abs() + 0.5 if positive else value
    return tensors


SMALL = {
    "rmvpe": (rmvpe_network.expected_shapes(base=2, hidden=8), rmvpe_network.Rmvpe),
    "fcpe": (fcpe_network.expected_shapes(2, 16), fcpe_network.Fcpe),
    "crepe": (crepe_network.expected_shapes((16, 8, 8, 8, 8, 8)), crepe_network.Crepe),
}


@pytest.mark.parametrize("method", SMALL)
@pytest.mark.parametrize("samples", [1600, 16000, 16399])
def test_the_graph_of_an_f0_method_computes_what_the_method_does(tmp_path, method, samples):
    shapes, build = SMALL[method]
    weights = random_weights(shapes, 1)
    if method == "fcpe":
        weights["cent_table"] = torch.linspace(1200, 8000, 360)
    network = build(weights)
    audio = {"audio": torch.zeros(1, 16000)}
    graph = export.GraphFile(f"{method}.onnx", GRAPHS[method](weights), audio, OUTPUTS[method], {"audio": {1: "n"}})
    export.write_graph(graph, tmp_path / graph.name, "float32")
    sound = np.random.default_rng(samples).standard_normal(samples).astype(np.float32) * 0.1
    made = Graph(tmp_path / graph.name, 1).run({"audio": sound[None]})
    if method == "crepe":
        saliences = [network.salience(windows) for windows in crepe.batches(sound)]
        assert np.abs(made["salience"] - torch.cat(saliences).numpy()).max() <= 1e-5
        return
    module = {"rmvpe": rmvpe, "fcpe": fcpe}[method]
    assert np.abs(made["salience"] - module.salience(sound, network)[0]).max() <= 1e-5
    expected = module.track(sound, network)
    assert made["f0"].dtype == expected.dtype and made["f0"].shape == expected.shape
    assert np.median(np.abs(made["f0"] - expected)) <= 1e-3


def test_help_does_not_import_onnx():
    code = "import sys; from rvc.cli.main import build; build(); sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
