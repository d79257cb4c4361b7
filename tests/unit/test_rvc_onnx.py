"""`rvc_onnx` converts with an exported folder as `rvc` does, without PyTorch."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import exported_folder
import faiss
import numpy as np
import pytest
import soundfile
from exported_folder import SMALL, networks, random_weights

import rvc_onnx
from parity.rvc_bridge.rvc_onnx import keep_graphs
from rvc import realtime
from rvc.audio import preparation
from rvc.audio.segments import Window
from rvc.config import Config
from rvc.exported import export, interface, retrieval_data
from rvc.exported import f0_pieces as rvc_f0_pieces
from rvc.exported.f0_graphs import GRAPHS, OUTPUTS
from rvc.exported.networks import ExportedNetworks
from rvc.f0.methods import crepe
from rvc.noise import Seeded
from rvc.pipeline import offline
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.retrieval.search import Index
from rvc.trace import Recorder
from rvc_onnx import f0, f0_pieces, retrieval, runtimes, signal
from rvc_onnx import folder as folder_module
from rvc_onnx.__main__ import main
from rvc_onnx.errors import OnnxVoiceError
from rvc_onnx.runtimes import open_graph

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
files, folder = exported_folder.files, exported_folder.folder  # fixtures
ROOT = Path(__file__).parents[2]


def test_the_filter_in_sections_is_the_filter(monkeypatch):
    sound = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    mine = signal.highpass(sound, export.constants()["highpass"])
    expected = preparation.highpass(sound)
    assert np.sqrt(np.mean(np.square(mine - expected)) / np.mean(np.square(expected))) <= 2.3e-7  # the judge's limit
    monkeypatch.setattr(signal, "PIECE", 2 * signal.BLOCK)
    in_pieces = signal.highpass(sound, export.constants()["highpass"])
    assert np.abs(in_pieces - mine).max() <= 1e-14  # a matrix product of another size sums in another order


def test_integers_in_pieces_are_those_of_the_whole(monkeypatch):
    waveform = np.random.default_rng(1).standard_normal(5000).astype(np.float32)
    whole = signal.to_int16(waveform, 0.99)
    monkeypatch.setattr(signal, "PIECE", 777)
    assert np.array_equal(signal.to_int16(waveform, 0.99), whole)


def test_joined_pieces_are_released():
    pieces = [np.full(size, size, np.float32) for size in (3, 0, 2)]
    assert signal.joined(pieces).tolist() == [3, 3, 3, 2, 2]
    assert pieces == []


@pytest.mark.parametrize("kind", ["IVF8,Flat", "Flat"])
@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
def test_the_search_finds_what_faiss_finds(kind, metric):
    values = np.random.default_rng(2).standard_normal((500, 16)).astype(np.float32)
    index = faiss.index_factory(16, kind, metric)
    index.train(values)
    index.add(values)
    own = Index(index)
    arrays, facts = retrieval_data.to_arrays(own)
    again = retrieval.Index(arrays, {**facts, "neighbors": 8}, 16)
    query = np.random.default_rng(3).standard_normal((40, 16)).astype(np.float32)
    distances, ids = own.search(query)
    mine, my_ids = again.search(query)
    assert np.array_equal(ids, my_ids)
    regular = ids >= 0
    assert np.allclose(mine[regular], distances[regular], rtol=1e-5)
    assert (mine[~regular] == np.finfo(np.float32).max).all()


LISTS = {"kind": "inverted lists", "metric": "l2", "vectors": 4, "lists": 2, "neighbors": 8}


@pytest.mark.parametrize(
    "change",
    [
        {"vectors": np.eye(5, dtype=np.float32)},
        {"list_starts": np.array([0, 3, 1])},
        {"list_starts": np.array([0, 1, 9])},
        {"list_ids": np.array([2, 0, 1, 7])},
        {"centroids": np.eye(3, dtype=np.float32)},
    ],
)
def test_arrays_that_are_no_index_are_refused(change):
    arrays = {"vectors": np.eye(4, dtype=np.float32), "centroids": np.eye(4, dtype=np.float32)[:2]}
    arrays |= {"list_starts": np.array([0, 1, 4]), "list_ids": np.array([2, 0, 1, 3]), **change}
    message = "does not hold an index of 4 vectors with 4 channels as its voice.json states"
    with pytest.raises(OnnxVoiceError, match=message):
        retrieval.Index(arrays, {**LISTS, "probes": 1}, 4)


def test_both_readers_of_voice_json_have_one_schema():
    assert folder_module.FIELDS == interface.FIELDS
    assert (folder_module.FLAT, folder_module.LISTS) == (interface.FLAT, interface.LISTS)


def test_a_list_with_few_vectors_gives_missing_neighbors():
    arrays = {"vectors": np.eye(4, dtype=np.float32), "centroids": np.eye(4, dtype=np.float32)[:2]}
    arrays |= {"list_starts": np.array([0, 1, 4]), "list_ids": np.array([2, 0, 1, 3])}
    index = retrieval.Index(arrays, {**LISTS, "probes": 1}, 4)
    _, ids = index.search(np.eye(4, dtype=np.float32)[:1])
    assert ids[0, 0] == 2 and (ids[0, 1:] == -1).all()
    assert np.array_equal(index.take(ids)[0, 1], arrays["vectors"][3])


def test_the_path_search_of_crepe_is_that_of_the_original():
    import torch

    center = 150 + 60 * np.sin(np.arange(700) / 40)
    bump = np.exp(-np.square((np.arange(360) - center[:, None]) / 3))
    salience = (
        0.9 * bump * (np.arange(700) % 97 > 20)[:, None] + 0.05 * np.random.default_rng(5).random((700, 360))
    ).astype(np.float32)
    dither = np.zeros(700, np.float32)
    expected = crepe.decode(torch.split(torch.from_numpy(salience), crepe.STEPS_AT_ONCE), dither)
    assert np.allclose(f0.decode_crepe([salience], dither), expected, rtol=1e-6)


@pytest.mark.parametrize("voice", ["voice", "plain"])
def test_every_tensor_of_a_conversion_is_that_of_rvc(files, folder, voice):
    target = folder if voice == "voice" else files / "plain-onnx"
    if voice == "plain":
        export.export_folder(networks(files, "plain.pth"), target, profile="webui-2026", verify=False)
    sound = soundfile.read(files / "in.wav", dtype="float32")[0]
    tap: dict[str, np.ndarray] = {}
    window = signal.Window(pad=0.1, query=0.2, center=0.4, max=0.6)  # two cuts in one second

    def record(name, value):
        tap[name] = np.array(value)
        return value

    opened = rvc_onnx.open_voice(target)
    options = {"f0_method": "pm", "transpose": 2, "protect": 0.2, "rms_mix_rate": 0.3, "resample_rate": 22050}
    samples, rate = opened.convert(sound, record=record, seed=4, window=window, **options)
    config = Config.of("webui-2026", window=Window(0.1, 0.2, 0.4, 0.6), **options)
    expected = Recorder()
    offline.convert(sound, networks(files, f"{voice}.pth"), config, noise=Seeded(4), tap=expected)
    assert rate == 22050
    for name, value in expected.items():
        if "noise" in name or not value.size:
            continue
        if value.dtype.kind in "iu" and name != "waveform.final":
            assert np.array_equal(tap[name], value), name
        else:
            limit = 3 if name == "waveform.final" else 3e-4 * (np.abs(value).max() or 1)
            assert np.abs(value.astype(np.float64) - tap[name]).max() <= limit, name
    assert np.array_equal(samples, tap["waveform.final"])


def test_a_file_is_converted_without_torch(files, folder):
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['rvc'] = None\n"
        "from rvc_onnx.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = [str(files / "in.wav"), str(files / "out.wav"), "--model", str(folder), "--f0-method", "pm"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert soundfile.info(files / "out.wav").samplerate == 40000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--f0-method", "rmvpe"], "has no F0 method rmvpe; choose one of pm, harvest"),
        (["--f0-method", "pm", "--speaker", "5"], "speaker is 5; the voice has 2, from 0"),
        (["--f0-method", "pm", "--protect", "7"], "protect is 7.0; expected 0 to 1"),
    ],
)
def test_a_wrong_option_is_one_sentence(files, folder, capsys, options, message):
    arguments = [str(files / "in.wav"), str(files / "no.wav"), "--model", str(folder), *options]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (files / "no.wav").exists()


@pytest.mark.parametrize("content", [b"", b"RIFF", b"{}"])
def test_a_wrong_input_is_one_sentence(files, folder, tmp_path, capsys, content):
    (tmp_path / "in.wav").write_bytes(content)
    assert main([str(tmp_path / "in.wav"), str(tmp_path / "out.wav"), "--model", str(folder)]) == 2
    assert main([str(files / "in.wav"), str(tmp_path / "out.wav"), "--model", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 2


STREAMED = rvc_onnx.Controls(f0_method="pm", rms_mix_rate=1.0)
STREAMS = {
    "denoised": (48000, {"input_denoise": True, "output_denoise": True, "formant": 1.5, "index_rate": 0.5}),
    "gated": (16000, {"gate_db": -25.0, "crossfade": "phase-vocoder", "rms_mix_rate": 0.25, "formant": -2.0}),
    "harvest": (40000, {"f0_method": "harvest", "transpose": 3, "rms_mix_rate": 1.0}),
}


@pytest.mark.parametrize("case", STREAMS)
def test_every_tensor_of_a_stream_is_that_of_rvc(files, folder, case):
    rate, settings = STREAMS[case]
    settings = {"f0_method": "pm", **settings}
    times = {"block": 0.1, "crossfade": 0.04, "extra": 0.35}
    sound = np.random.default_rng(7).standard_normal(3 * rate // 10).astype(np.float32) * 0.02
    sound += 0.3 * np.sin(np.arange(len(sound)) * 2 * np.pi * 180 / rate).astype(np.float32)
    sound[rate // 10 : rate // 8] = 0.001
    expected, tap = Recorder(), {}
    networks_ = VoiceNetworks(files / "voice.pth", files / "hubert", files / "voice.index", keep=True)
    controls = realtime.Controls(**settings)
    own = realtime.Stream(
        realtime.load_models(networks_, "webui-classic", controls),
        realtime.BlockSizes.of(rate, **times),
        controls,
        noise=Seeded(2),
        tap=expected,
    )

    def record(name, value):
        tap[name] = np.array(value)
        return value

    made = rvc_onnx.open_voice(folder).stream(
        rvc_onnx.BlockSizes.of(rate, **times),
        rvc_onnx.Controls(**settings),
        profile="webui-classic",
        seed=2,
        record=record,
    )
    assert made.sizes.delay(True) == own.sizes.delay(denoised=True)
    for block in sound.reshape(3, -1):
        own.block(block)
        made.block(block)
    assert set(tap) == {name for name in expected if not name.endswith("input_wav")}
    for name, value in tap.items():
        limit = 0 if value.dtype.kind == "i" else 2e-3 * (np.abs(expected[name]).max() or 1)  # phase: float32 there
        assert np.abs(expected[name].astype(np.float64) - value).max() <= limit, name


def test_a_stream_of_a_hundred_blocks_runs_through_the_file_that_converts_files(files, folder):
    opened = rvc_onnx.open_voice(folder)
    stream = opened.stream(rvc_onnx.BlockSizes.of(16000, block=0.03, crossfade=0.02, extra=0.1), STREAMED)
    sound = soundfile.read(files / "in.wav", dtype="float32")[0]
    blocks = [stream.block(np.ascontiguousarray(sound[(i * 480) % 15000 :][:480])) for i in range(100)]
    assert stream.number == 100 and np.abs(np.concatenate(blocks[50:])).max() > 0.01
    stream.reset()
    assert np.array_equal(stream.block(sound[:480]), blocks[0])
    assert opened.convert(sound[:1600], f0_method="pm")[0].shape == (3200,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rvc_onnx.BlockSizes.of(44055), "the stream's rate is 44055 Hz; expected a multiple of 100"),
        (lambda: rvc_onnx.BlockSizes.of(48000, block=0.001), "the block is 0.001 s"),
        (lambda: rvc_onnx.BlockSizes.of(48000, extra=11), "make a window of 11.31 s; expected"),
        (lambda: rvc_onnx.Controls(formant=20), "formant is 20; expected -12 to 12"),
        (
            lambda: rvc_onnx.Controls(crossfade="none"),
            "there is no crossfade 'none'; choose one of fade, phase-vocoder",
        ),
    ],
)
def test_a_stream_that_cannot_be_is_one_sentence(make, message):
    with pytest.raises(rvc_onnx.OnnxVoiceError) as error:
        make()
    assert message in str(error.value)


def test_f0_graphs_are_run_by_one_runtime(folder, monkeypatch):
    opened = []
    monkeypatch.setattr(runtimes, "open_graph", lambda path, threads, runtime: opened.append((path.name, runtime)))
    voice = rvc_onnx.open_voice(folder, runtime="openvino")
    voice.facts["f0_methods"]["fcpe"] = "retrieval.safetensors"  # any file of the folder
    for name in ("content.onnx", "synthesizer.onnx", "retrieval.safetensors"):
        voice.graph(name)
    assert [runtime for _, runtime in opened] == ["openvino", "openvino", "onnxruntime"]


def test_openvino_divides_instead_of_multiplying_by_a_reciprocal(tmp_path):
    pytest.importorskip("openvino")
    onnx = pytest.importorskip("onnx")
    path, values = tmp_path / "divided.onnx", np.linspace(50, 1100, 999, dtype=np.float32)
    ports = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in ("hz", "step")]
    rate = onnx.helper.make_tensor("rate", onnx.TensorProto.FLOAT, [], [48000.0])
    node = onnx.helper.make_node("Div", ["hz", "rate"], ["step"])
    graph = onnx.helper.make_graph([node], "divided", ports[:1], ports[1:], [rate])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), str(path))
    step = open_graph(path, 1, "openvino").run({"hz": values})["step"]
    assert np.array_equal(step, values / np.float32(48000))


def test_a_runtime_that_does_not_exist_is_refused(folder):
    with pytest.raises(rvc_onnx.OnnxVoiceError, match="there is no runtime 'x'; choose one of onnxruntime, openvino"):
        rvc_onnx.open_voice(folder, runtime="x").features(np.zeros((1, 800), np.float32))


def test_a_stream_refuses_what_the_folder_lacks(folder):
    sizes = rvc_onnx.BlockSizes.of(16000)
    with pytest.raises(rvc_onnx.OnnxVoiceError, match="has no F0 method rmvpe; choose one of pm, harvest"):
        rvc_onnx.open_voice(folder).stream(sizes)
    stream = rvc_onnx.open_voice(folder).stream(sizes, STREAMED)
    with pytest.raises(rvc_onnx.OnnxVoiceError, match="there is no setting pitch"):
        stream.change(pitch=3)
    with pytest.raises(rvc_onnx.OnnxVoiceError, match=r"a block is float64 \[4000\]; expected float32 \[4000\]"):
        stream.block(np.zeros(4000))


def test_rmvpe_on_a_long_recording_in_pieces_gives_the_same_bits(folder, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shapes, _ = SMALL["rmvpe"]
    graph = export.GraphFile(
        "f0_rmvpe.onnx",
        GRAPHS["rmvpe"](random_weights(shapes, 1)),
        export.example_audio(),
        OUTPUTS["rmvpe"],
        {"audio": {1: "samples"}},
    )
    export.write_graph(graph, copy / graph.name, "float32")
    facts = json.loads((copy / "voice.json").read_text())
    facts["f0_methods"]["rmvpe"] = graph.name
    facts["files"][graph.name] = hashlib.sha256((copy / graph.name).read_bytes()).hexdigest()
    (copy / "voice.json").write_text(json.dumps(facts))
    sound = 0.1 * np.random.default_rng(3).standard_normal(160 * 5000 + 77)
    opened = (folder_module.Folder(copy, 1), ExportedNetworks.open(copy))
    whole = opened[0].graph_f0("rmvpe", sound, np.zeros)
    for module in (f0_pieces, rvc_f0_pieces):
        monkeypatch.setitem(module.METHODS, "rmvpe", module.Pieces(1536, 1600))
        assert len(list(module.pieces("rmvpe", sound))) == 4
    for each in opened:
        assert np.array_equal(each.graph_f0("rmvpe", sound, np.zeros), whole)


def test_both_programs_cut_recordings_into_the_same_pieces():
    assert rvc_f0_pieces.SALIENCE_ONLY == f0_pieces.SALIENCE_ONLY
    plans = [{name: vars(plan) for name, plan in module.METHODS.items()} for module in (rvc_f0_pieces, f0_pieces)]
    assert plans[0] == plans[1]
    for method in (*f0_pieces.METHODS, "fcpe"):
        cut = [
            [vars(piece) for piece in module.pieces(method, range(4_000_123))] for module in (rvc_f0_pieces, f0_pieces)
        ]
        assert cut[0] == cut[1]


def test_graphs_of_the_same_files_stay_open_for_the_next_folder(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    facts = json.loads((copy / "voice.json").read_text())
    facts["files"]["synthesizer.onnx"] = "0" * 64
    (copy / "voice.json").write_text(json.dumps(facts))
    first, second = folder_module.Folder(folder, 1), folder_module.Folder(copy, 1)
    opened = {name: first.graph(name) for name in ("content.onnx", "synthesizer.onnx")}
    second.keep_graphs(first)
    assert second.graph("content.onnx") is opened["content.onnx"]
    with pytest.raises(OnnxVoiceError, match="is not the file that was exported"):
        second.graph("synthesizer.onnx")
    both = [ExportedNetworks.open(path) for path in (folder, copy)]
    both[0].graphs.update(opened)
    keep_graphs(*both)
    assert both[1].graphs == {"content.onnx": opened["content.onnx"]}


@pytest.mark.parametrize("method", f0_pieces.METHODS)
@pytest.mark.parametrize("frames", [1, 10240, 10241, 12288, 40000])
def test_pieces_cover_each_frame_once_on_the_methods_grid(method, frames):
    plan, samples = f0_pieces.METHODS[method], range(160 * (frames - 1) + 99)
    covered = []
    for piece in f0_pieces.pieces(method, samples):
        part = samples[piece.samples]
        first, count = part[0] // 160, len(part) // 160 + 1
        covered += list(range(first, first + count)[piece.kept])
        assert part[0] % (160 * 32 if method == "rmvpe" else 160) == 0
        assert count <= plan.kept + 2 * plan.margin
    assert covered == list(range(frames))


def test_the_loudness_mix_in_pieces_is_that_of_the_whole(monkeypatch):
    sound = np.random.default_rng(5).standard_normal(50000)
    arguments = (sound.astype(np.float32), sound[::2], 32000, 0.25, 1e-6)
    whole = signal.mix_loudness(*arguments)
    monkeypatch.setattr(signal, "GAIN_PIECE", 777)
    assert np.array_equal(signal.mix_loudness(*arguments), whole)


def test_a_waveform_that_is_not_finite_is_refused() -> None:
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(
            rvc_onnx.OnnxVoiceError,
            match=r"^the voice's waveform is not finite; its files are damaged: export the voice again$",
        ):
            signal.refuse_nonfinite(np.array([0, value, 0], np.float32))
    signal.refuse_nonfinite(np.zeros(0, np.float32))
