"""`rvc inspect` describes files of every kind and executes nothing in them."""

import hashlib
import json
import time

import faiss
import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from test_checkpoint import Hostile
from test_voice import content, saved, training

from rvc.__main__ import main
from rvc.content.features import load_hubert
from rvc.errors import BadCheckpoint, BadInput
from rvc.voices.inspection import inspect
from rvc.voices.model_tools import export


def test_a_voice_is_described(tmp_path):
    path = saved(tmp_path, content())
    report = inspect(path)
    assert report["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert report["bytes"] == path.stat().st_size
    facts = {"kind": "voice", "version": "v2", "rate": 40000, "f0": 1, "speakers": 3, "info": "3epoch"}
    assert {name: report[name] for name in facts} == facts
    weight = content()["weight"]
    assert report["dtype"] == {"float16": len(weight)}
    assert report["parameters"]["emb_g"] == 18
    assert report["parameters"]["total"] == sum(tensor.numel() for tensor in weight.values())
    assert set(report["parameters"]) == {"enc_p", "flow", "dec", "emb_g", "total"}
    assert (report["missing"], report["odd"]) == ([], [])
    assert report["metadata"]["sr"] == "40k"
    assert set(report["believed"]) == {"dilations"}
    assert "unverified" not in report


def test_a_training_checkpoint_and_a_safetensors_voice_are_described(tmp_path):
    path = saved(tmp_path, training(), "G_7.pth")
    report = inspect(path)
    assert (report["kind"], report["parameters"]["enc_q"]) == ("training checkpoint", 16 * 1025 + 16)
    assert report["metadata"] == {"iteration": 7, "learning_rate": 1e-4}
    export(path, tmp_path / "a.safetensors")
    assert inspect(tmp_path / "a.safetensors")["kind"] == "safetensors voice"


def test_missing_tensors_are_reported_without_a_refusal(tmp_path):
    made = content()
    del made["weight"]["dec.conv_post.weight"]
    made["weight"]["emb_g.weight"][0, 0] = float("nan")
    report = inspect(saved(tmp_path, made))
    assert report["kind"] == "voice"
    assert report["missing"][0].startswith("checkpoint alto.pth lacks 1 of")
    assert report["missing"][1] == "emb_g.weight holds NaN or infinity"


def test_a_hostile_file_is_refused_and_runs_nothing(tmp_path):
    mark = tmp_path / "it-ran"
    with pytest.raises(BadCheckpoint, match=r"asks to use posix\.mkdir"):
        inspect(saved(tmp_path, {"weight": {"a": torch.ones(1)}, "x": Hostile(mark)}))
    assert not mark.exists()


def test_control_characters_in_a_file_do_not_reach_the_terminal(tmp_path, capsys):
    made = content() | {"info": "\x1b]0;title\x07\nkind     trusted"}
    assert main(["inspect", str(saved(tmp_path, made))]) == 0
    printed = capsys.readouterr().out
    assert "info        \\x1b]0;title\\x07\\nkind     trusted\n" in printed
    made["weight"]["evil\x1b[2J\nname"] = torch.ones(1)
    assert main(["export", str(saved(tmp_path, made)), str(tmp_path / "a.safetensors")]) == 2
    printed = capsys.readouterr().err
    assert "\x1b" not in printed
    assert printed.count("\n") == 1


def test_a_folder_whose_config_nests_too_deep_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("[" * 100_000)
    torch.save({"a": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(BadCheckpoint, match=r"config\.json cannot be read \(maximum recursion"):
        load_hubert(tmp_path)


@pytest.mark.parametrize("width, version", [(256, "v1"), (768, "v2"), (100, None)])
def test_an_index_is_described(tmp_path, width, version):
    index = faiss.index_factory(width, "IVF4,Flat")
    vectors = np.random.default_rng(0).normal(size=(200, width)).astype(np.float32)
    index.train(vectors)
    faiss.write_index(index, str(tmp_path / "trained.index"))
    index.add(vectors)
    index.nprobe = 3
    faiss.write_index(index, str(tmp_path / "added.index"))
    report = inspect(tmp_path / "added.index")
    facts = {"kind": "index", "dimension": width, "metric": "L2", "ntotal": 200, "nlist": 4, "nprobe": 3}
    assert {name: report[name] for name in facts} == facts
    assert report["version"] == version
    assert bool(report["odd"]) == (version is None)
    assert "it has no vectors" in inspect(tmp_path / "trained.index")["missing"][0]


def test_a_discriminator_is_recognized(tmp_path):
    path = saved(tmp_path, {"model": {"discriminators.0.conv_post.bias": torch.zeros(1)}, "iteration": 1}, "D_1.pth")
    report = inspect(path)
    assert report["kind"] == "discriminator"
    assert report["odd"] == ["a discriminator, which only training uses; the voice is in the G_*.pth beside it"]


def test_a_missing_file_and_another_kind_of_file_are_refused(tmp_path):
    with pytest.raises(BadInput, match="there is no file"):
        inspect(tmp_path / "none.pth")
    (tmp_path / "song.txt").write_text("la la la la")
    with pytest.raises(BadCheckpoint, match=r"song\.txt is neither a torch file nor a safetensors file"):
        inspect(tmp_path / "song.txt")


def test_the_command_line_prints_the_same_as_json(tmp_path, capsys):
    path = saved(tmp_path, content())
    assert main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == inspect(path)
    assert main(["inspect", str(path)]) == 0
    assert "version     v2" in capsys.readouterr().out


def test_export_and_merge_on_the_command_line(tmp_path, capsys):
    path = saved(tmp_path, training(), "G_7.pth")
    assert main(["export", str(path), str(tmp_path / "a.pth"), "--speaker", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["speakers"] == 1
    assert main(["export", str(path), str(tmp_path / "b.pth")]) == 0
    assert "speakers  3" in capsys.readouterr().out
    assert main(["merge", str(tmp_path / "a.pth"), str(tmp_path / "b.pth"), "--ratio", ".5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file"].endswith("a+b.pth")
    assert main(["merge", str(tmp_path / "a.pth"), str(tmp_path / "none.pth")]) == 2
    assert "cannot be opened" in capsys.readouterr().err


def test_the_writer_the_embedder_and_the_index_are_named(tmp_path):
    made = content() | {"embedder_model": "hubert-base-japanese", "vocoder": "HiFi-GAN", "model_hash": "00"}
    path = saved(tmp_path, made)
    (tmp_path / "added_IVF4_Flat_nprobe_1_alto_v2.index").touch()
    report = inspect(path)
    facts = {"writer": "Applio, or a fork of it", "embedder": "japanese-hubert-base", "vocoder": "HiFi-GAN"}
    assert {name: report[name] for name in facts} == facts
    assert report["index"] == "added_IVF4_Flat_nprobe_1_alto_v2.index"
    assert report["playable"] is True
    assert "unknown entry 'model_hash' is ignored" in report["odd"]
    plain = inspect(saved(tmp_path, content(), "plain.pth"))
    assert plain["writer"] == "RVC WebUI, or a program that writes the same entries (Mangio-RVC, rvc-next)"
    assert (plain["embedder"], plain["vocoder"], plain["index"]) == (None, None, None)


@pytest.mark.parametrize(
    "data, kind",
    [
        (b"<!DOCTYPE html><html>", "web page"),
        (b"Rar!\x1a\x07\x01\x00", "rar archive"),
        (b"\x93NUMPY\x01", "NumPy array"),
    ],
)
def test_a_file_that_is_no_model_is_described_too(tmp_path, data, kind):
    (tmp_path / "x.pth").write_bytes(data)
    report = inspect(tmp_path / "x.pth")
    assert (report["kind"], report["playable"]) == (kind, False)
    assert report["missing"][0].startswith("x.pth is a")


def test_another_model_is_described_with_the_reason_why_it_cannot_be_played(tmp_path):
    weight = content()["weight"] | {"dec.mrfs.0.0.layers.0.conv1.bias": torch.zeros(1)}
    report = inspect(saved(tmp_path, content() | {"weight": weight}))
    assert (report["kind"], report["playable"]) == ("MRF HiFi-GAN voice", False)
    assert "HiFi-GAN generator only" in report["missing"][0]


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_what_a_voice_of_another_program_states_is_printed(tmp_path, suffix):
    weight = content()["weight"] | {"dec.conformers.0.ff1.weight": torch.zeros(1)}
    made = content() | {"weight": weight, "vocoder": "RingFormer_v2", "embedder_model": "spin", "sr": 48000}
    if suffix == "pth":
        path = saved(tmp_path, made)
    else:
        path = tmp_path / "alto.safetensors"
        texts = {"vocoder": "RingFormer_v2", "embedder_model": "spin", "sr": "48000", "info": "3epoch"}
        save_file({name: tensor.contiguous() for name, tensor in weight.items()}, path, texts)
    report = inspect(path)
    facts = {"kind": "RingFormer voice", "embedder": "spin", "vocoder": "RingFormer_v2", "version": "v2", "f0": 1}
    assert {name: report[name] for name in facts} == facts
    assert (str(report["rate"]), report["speakers"], report["info"]) == ("48000", 3, "3epoch")
    assert report["playable"] is False
    if suffix == "pth":
        assert report["writer"] == "codename's fork of Applio"


def test_numbers_that_are_not_finite_are_named_in_every_network(tmp_path):
    folder = tiny.write_hubert(tmp_path / "hubert")
    tensors = load_file(folder / "model.safetensors")
    tensors["final_proj.bias"][0] = float("nan")
    save_file(tensors, folder / "model.safetensors")
    report = inspect(folder)
    assert report["missing"][0].startswith("model.safetensors's tensor final_proj.bias holds NaN or infinity")
    assert report["playable"] is False


def test_a_folder_gives_a_table(tmp_path, capsys):
    saved(tmp_path, content(), "alto.pth")
    saved(tmp_path, content() | {"embedder_model": "spin"}, "spin.pth")
    saved(tmp_path, content() | {"version": "v1"}, "odd.pth")
    (tmp_path / "note.txt").write_text("la la")
    assert main(["inspect", str(tmp_path), "--json"]) == 0
    rows = {row["file"]: row for row in json.loads(capsys.readouterr().out)["files"]}
    assert list(rows) == ["alto.pth", "note.txt", "odd.pth", "spin.pth"]
    assert [rows["alto.pth"][name] for name in ("kind", "version", "rate", "f0")] == ["voice", "v2", 40000, 1]
    assert [rows[name]["playable"] for name in rows] == [True, False, False, True]
    assert rows["spin.pth"]["embedder"] == "spin"
    assert (rows["alto.pth"]["speakers"], rows["alto.pth"]["vocoder"], rows["alto.pth"]["odd"]) == (3, None, [])
    assert rows["odd.pth"]["missing"] == [rows["odd.pth"]["why"]]
    assert main(["inspect", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "kind", "version", "rate", "f0", "embedder", "playable"]
    assert "states the version v1" in lines[3]


def test_a_folder_without_files_is_refused(tmp_path, capsys):
    assert main(["inspect", str(tmp_path)]) == 2
    assert "holds no files" in capsys.readouterr().err


def sparse_safetensors(path, names):
    """A safetensors file of 2 GB, all of them zeros that take no space on the disk."""
    each = (2 << 30) // len(names) // 2 * 2
    header = {
        name: {"dtype": "F16", "shape": [each // 2], "data_offsets": [i * each, (i + 1) * each]}
        for i, name in enumerate(names)
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + each * len(names))


@pytest.mark.parametrize(
    "names, kind",
    [
        (["enc_p.emb_phone.weight", "dec.conv_pre.weight", "emb_g.weight"], "safetensors voice"),
        (["encoder.layers.0.fc1.weight", "encoder.pos_conv.0.weight_v", "post_extract_proj.weight"], "HuBERT"),
        (["unet.encoder.bn.weight", "cnn.weight"], "RMVPE"),
    ],
)
def test_a_model_of_two_gigabytes_is_described_without_reading_its_numbers(tmp_path, names, kind):
    sparse_safetensors(tmp_path / "big.safetensors", names)
    start = time.process_time()
    report = inspect(tmp_path / "big.safetensors")
    assert time.process_time() - start < 1
    assert (report["kind"], report["playable"], report["sha256"]) == (kind, False, None)


def test_a_file_larger_than_a_gigabyte_is_recognized_without_reading_it(tmp_path):
    with (tmp_path / "big.pth").open("wb") as file:
        file.write(b"Rar!\x1a\x07\x01\x00")
        file.truncate(2 << 30)
    report = inspect(tmp_path / "big.pth")
    assert (report["kind"], report["sha256"], report["bytes"]) == ("rar archive", None, 2 << 30)
