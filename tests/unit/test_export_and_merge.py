"""`rvc export` keeps every bit and extracts the small voices that the originals extract; `rvc merge` averages."""

import pytest
import torch
from test_voice import content, saved, training

from rvc.errors import BadCheckpoint, BadInput
from rvc.voices.contents import read_contents
from rvc.voices.model_tools import export, merge
from rvc.voices.voice import load_voice
from rvc.weights.checkpoint import read


def same(first, second):
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert second[name].dtype == tensor.dtype, name
        assert torch.equal(second[name], tensor), name


@pytest.mark.parametrize("f0", [1, 0])
def test_a_round_trip_through_safetensors_keeps_every_bit(tmp_path, f0):
    made = content(f0=f0) | {"author": "é", "epoch": 3}
    path = saved(tmp_path, made)
    voice = export(path, tmp_path / "alto.safetensors")
    assert (voice.kind, voice.f0, voice.info) == ("safetensors voice", bool(f0), "3epoch")
    export(tmp_path / "alto.safetensors", tmp_path / "back.pth")
    back = read(tmp_path / "back.pth").content
    same(made["weight"], back["weight"])
    assert {k: v for k, v in back.items() if k != "weight"} == {k: v for k, v in made.items() if k != "weight"}
    assert {tensor.dtype for tensor in back["weight"].values()} == {torch.float16}


def test_a_safetensors_voice_gives_the_same_waveform_as_the_pth(tmp_path):
    path = saved(tmp_path, content())
    nets = [load_voice(path).synthesizer, export(path, tmp_path / "a.safetensors").synthesizer]
    z, source = torch.ones(1, 8, 5), torch.ones(1, 1, 2000)
    first, second = (net.generate(z, net.speaker(0), source) for net in nets)
    assert torch.equal(first, second)


def test_new_names_of_weight_norm_are_kept(tmp_path):
    made = content()
    made["weight"] = {
        name.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): tensor
        for name, tensor in made["weight"].items()
    }
    export(saved(tmp_path, made), tmp_path / "a.safetensors")
    same(made["weight"], read(tmp_path / "a.safetensors").content)


def test_a_small_voice_is_the_training_checkpoint_in_float16(tmp_path):
    made = training()
    voice = export(saved(tmp_path, made, "G_7.pth"), tmp_path / "small.pth")
    small = torch.load(tmp_path / "small.pth", weights_only=True)
    assert list(small) == ["weight", "config", "info", "sr", "f0", "version"]
    assert [small[key] for key in ("info", "sr", "f0", "version")] == ["7epoch", "40k", 1, "v2"]
    assert (small["config"][15], voice.speakers, len(small["config"])) == (109, 3, 18)
    expected = {name: tensor.half() for name, tensor in made["model"].items() if not name.startswith("enc_q.")}
    same(expected, small["weight"])
    assert voice.odd == []


def test_one_speaker_can_be_kept(tmp_path):
    made = training()
    voice = export(saved(tmp_path, made, "G_7.pth"), tmp_path / "small.pth", speaker=2, info="the third")
    assert (voice.speakers, voice.info, voice.config[15]) == (1, "the third", 1)
    expected = made["model"]["emb_g.weight"][2].half().float()
    assert torch.equal(voice.synthesizer.speaker(0)[0, :, 0], expected)
    with pytest.raises(
        BadInput, match=r"speaker 3 was requested, but G_7\.pth has speakers 0 to 2; choose one of those"
    ):
        export(tmp_path / "G_7.pth", tmp_path / "other.pth", speaker=3)
    assert not (tmp_path / "other.pth").exists()


def test_numbers_too_large_for_half_precision_are_refused(tmp_path):
    made = training()
    made["model"]["dec.conv_pre.bias"][0] = 1e6
    with pytest.raises(BadCheckpoint, match=r"tensor dec\.conv_pre\.bias has numbers that float16 cannot hold"):
        export(saved(tmp_path, made, "G_7.pth"), tmp_path / "small.pth")


def pair(tmp_path):
    a, b = content(), content()
    made = torch.Generator().manual_seed(9)
    b["weight"] = {n: (t.float() + torch.randn(t.shape, generator=made)).half() for n, t in b["weight"].items()}
    return a, b, saved(tmp_path, a, "a.pth"), saved(tmp_path, b, "b.pth")


@pytest.mark.parametrize("ratio", [0, 0.25, 0.5, 1])
def test_a_merge_is_the_average_in_float32(tmp_path, ratio):
    a, b, first, second = pair(tmp_path)
    voice = merge(first, second, tmp_path / "m.pth", ratio)
    merged = read(tmp_path / "m.pth").content
    assert merged["config"] == a["config"]
    assert (merged["sr"], merged["f0"], merged["version"]) == ("40k", 1, "v2")
    assert voice.info == f"{ratio:g} of a.pth and {1 - ratio:g} of b.pth"
    expected = {n: (ratio * t.float() + (1 - ratio) * b["weight"][n].float()).half() for n, t in a["weight"].items()}
    same(expected, merged["weight"])


def test_a_merge_keeps_the_smaller_number_of_speakers(tmp_path):
    _, b, first, second = pair(tmp_path)
    b["weight"]["emb_g.weight"] = b["weight"]["emb_g.weight"][:2]
    torch.save(b, second)
    assert merge(first, second, tmp_path / "m.pth").speakers == 2
    assert merge(second, first, tmp_path / "n.pth").speakers == 2


def test_voices_of_different_kinds_are_not_merged(tmp_path):
    first = saved(tmp_path, content(), "a.pth")
    second = saved(tmp_path, content("48k-v1", "v1", f0=0), "b.pth")
    with pytest.raises(BadInput, match="cannot be merged: version v2 and v1; rate 40000 and 48000; f0 1 and 0; sizes"):
        merge(first, second, tmp_path / "m.pth")
    with pytest.raises(BadInput, match="the ratio is 2, expected 0"):
        merge(first, first, tmp_path / "m.pth", 2)


def test_a_target_that_cannot_be_written_is_refused_and_nothing_is_left(tmp_path):
    path = saved(tmp_path, content())
    with pytest.raises(BadInput, match=r"should end in \.pth or \.safetensors"):
        export(path, tmp_path / "x.onnx")
    with pytest.raises(BadInput, match="there is no folder"):
        export(path, tmp_path / "none" / "x.pth")
    with pytest.raises(BadInput, match="would overwrite the voice that it is made from"):
        export(path, path)
    assert [p.name for p in tmp_path.iterdir()] == ["alto.pth"]


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_entries_that_are_no_plain_values_are_written_as_plain_ones(tmp_path, suffix):
    made = content()
    made["config"][1] = {1, 2}
    made |= {"steps": torch.tensor(7), "curve": torch.ones(2, 2), "large": torch.ones(9999), "log": {"at": [b"x", 1]}}
    source = saved(tmp_path, made)
    export(source, tmp_path / f"new.{suffix}")
    assert (tmp_path / f"new.{suffix}").stat().st_size < source.stat().st_size
    contents = read_contents(tmp_path / f"new.{suffix}")
    entries = ("steps", "curve", "large", "log")
    assert [contents.metadata[name] for name in entries] == [7, [[1, 1], [1, 1]], None, {"at": [None, 1]}]
    assert contents.config[1] is None
    if suffix == "pth":
        torch.load(tmp_path / "new.pth", weights_only=True)
