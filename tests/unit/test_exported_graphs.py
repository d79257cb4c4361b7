"""The graphs of an exported voice compute what the networks do, in float32 and in float16."""

from __future__ import annotations

import json
from pathlib import Path

import exported_folder
import numpy as np
import pytest
import torch
from exported_folder import SMALL, networks, random_weights

from rvc.content.features import read_hubert
from rvc.exported import export, interface, layers
from rvc.exported.content_graph import ContentGraph
from rvc.exported.f0_graphs import GRAPHS, OUTPUTS
from rvc.exported.runtime import Graph
from rvc.exported.synthesizer_graph import phase_before
from rvc.f0.methods import crepe, fcpe, rmvpe
from rvc.voice_kinds import VERSIONS

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
files, folder = exported_folder.files, exported_folder.folder  # fixtures


@pytest.fixture(scope="module")
def half(files) -> Path:
    """The voice exported in float16, without its index."""
    target = files / "half"
    export.export_folder(networks(files, index=False), target, f0_methods=[], profile="webui-2026", precision="float16")
    return target


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


def test_float16_graphs_stay_near_the_float32_ones(files, folder, half):
    full = sum(size.stat().st_size for size in folder.glob("*.onnx"))
    assert sum(size.stat().st_size for size in half.glob("*.onnx")) < 0.8 * full


def test_float16_graphs_are_valid(half):
    for path in half.glob("*.onnx"):
        onnx.checker.check_model(str(path), full_check=True)


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
