"""Voices before a conversion: the embedder, the vocoder and the numbers of their weights."""

import pathlib

import numpy as np
import pytest
import tiny
import torch
from test_voice import content, saved

from rvc.__main__ import main
from rvc.config import Config
from rvc.errors import BadCheckpoint, BadInput
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.voices import embedders
from rvc.voices.inspection import inspect
from rvc.voices.model_tools import export, merge
from rvc.voices.voice import load_voice


@pytest.mark.parametrize(
    "text, name",
    [
        ("contentvec", "contentvec"),
        ("hubert_base", "contentvec"),
        ("assets/hubert/hubert_base.pt", "contentvec"),
        ("hubert-base-japanese", "japanese-hubert-base"),
        ("rinna/japanese-hubert-base", "japanese-hubert-base"),
        ("TencentGameMate/chinese-hubert-base", "chinese-hubert-base"),
        ("korean-hubert-base", "korean-hubert-base"),
        ("Spin", "spin"),
        ("spin_v2", "spin-v2"),
        (r"C:\embedders\my hubert", r"C:\embedders\my hubert"),
    ],
)
def test_embedders_are_recognized_by_any_of_their_names(text, name):
    assert embedders.named(text).name == name
    assert embedders.named(text).is_own is (name == "contentvec")


@pytest.fixture
def folder(tmp_path):
    tiny.write_voice(tmp_path / "v.pth")
    tiny.write_hubert(tmp_path / "hubert")
    return tmp_path


def changed(folder, **entries):
    """The voice of `folder` with other entries."""
    torch.save(torch.load(folder / "v.pth") | entries, folder / "v.pth")
    return folder / "v.pth"


PM = Config.of("webui-2026", f0_method="pm")


@pytest.mark.parametrize("entry", ["embedder_model", "embedder_name"])
@pytest.mark.parametrize("name", ["spin-v2", "japanese-hubert-base", "/home/u/my hubert"])
def test_another_embedder_needs_a_hubert_that_is_named(folder, entry, name):
    path = changed(folder, **{entry: name})
    with pytest.raises(BadCheckpoint) as refusal:
        VoiceNetworks(path).check(PM)
    assert str(refusal.value) == (
        f"v.pth was trained with the embedder {name}, not with ContentVec; give that model with --hubert"
    )
    named = VoiceNetworks(path, folder / "hubert")
    named.check(PM)
    assert named.warnings() == [
        f"v.pth was trained with the embedder {name}; the HuBERT {folder / 'hubert'} is assumed to be that one"
    ]


def test_own_embedder_gives_no_note(folder):
    networks = VoiceNetworks(changed(folder, embedder_model="contentvec", vocoder="HiFi-GAN", embedder_output_layer=9))
    networks.check(PM)
    assert networks.warnings() == []


def test_another_layer_of_the_embedder_is_refused(folder):
    with pytest.raises(
        BadCheckpoint, match=r"trained on layer 7 of its embedder .* v1 voices are converted with layer 9"
    ):
        VoiceNetworks(changed(folder, embedder_output_layer=7))


def test_a_vocoder_entry_that_the_tensors_contradict_gives_a_note(folder):
    networks = VoiceNetworks(changed(folder, vocoder="RefineGAN"))
    assert networks.warnings() == [
        "v.pth states the vocoder RefineGAN, but its tensors are those of HiFi-GAN, which is used"
    ]


def test_an_unknown_vocoder_is_named_by_its_entry(folder):
    weight = torch.load(folder / "v.pth")["weight"]
    path = changed(folder, vocoder="PCPH-GAN", weight=weight | {"dec.harmonics.weight": torch.ones(1)})
    with pytest.raises(
        BadCheckpoint, match=r"v\.pth is a voice made with the vocoder PCPH-GAN \(its entry `vocoder`\)"
    ):
        VoiceNetworks(path)


def test_weights_that_are_not_finite_are_refused_before_the_conversion(folder):
    weight = torch.load(folder / "v.pth")["weight"]
    weight["dec.conv_pre.weight"][3, 3, 3] = float("nan")
    with pytest.raises(BadCheckpoint, match=r"v\.pth's tensor dec\.conv_pre\.weight holds NaN or infinity"):
        VoiceNetworks(changed(folder, weight=weight)).check(PM)


@pytest.mark.parametrize("size", [0, 1e-30])  # the square of 1e-30 is 0 in float32
def test_a_direction_of_the_length_0_is_refused_before_the_conversion(folder, size):
    weight = torch.load(folder / "v.pth")["weight"]
    name = "dec.ups.1.weight_v"
    weight[name] = weight[name].float()
    weight[name][3] = size
    changed_voice = changed(folder, weight=weight)
    with pytest.raises(BadCheckpoint) as refusal:
        VoiceNetworks(changed_voice).check(PM)
    assert str(refusal.value) == (
        f"v.pth's tensor {name} has a row of the length 0, by which weight norm divides; its training failed, or it "
        "is damaged"
    )
    assert f"{name} has a row of the length 0, by which weight norm divides" in inspect(changed_voice)["missing"]


def test_a_merge_keeps_the_embedder_and_refuses_two(tmp_path):
    spin = saved(tmp_path, content() | {"embedder_model": "spin"}, "a.pth")
    plain = saved(tmp_path, content() | {"embedder_model": "contentvec"}, "b.pth")
    with pytest.raises(BadInput, match=r"a\.pth and b\.pth cannot be merged: embedder spin and contentvec"):
        merge(spin, plain, tmp_path / "c.pth")
    assert merge(spin, spin, tmp_path / "c.pth").embedder.name == "spin"
    assert export(spin, tmp_path / "d.safetensors").embedder.name == "spin"
    assert merge(plain, saved(tmp_path, content(), "e.pth"), tmp_path / "f.pth").embedder.is_own


def test_convert_prints_what_is_assumed(folder, capsys):
    path = changed(folder, embedder_model="spin")
    assert main(["convert", "none.wav", str(folder / "o.wav"), "--model", str(path), "--f0-method", "pm"]) == 2
    assert "was trained with the embedder spin" in capsys.readouterr().err


@pytest.mark.parametrize(
    "entries, name",
    [
        ({"embedder_model": ["spin"]}, "spin"),
        ({"embedder_model": {"name": "Spin_V2"}}, "spin-v2"),
        ({"embedder_model": np.str_("spin")}, "spin"),
        ({"embedder_model": pathlib.PurePosixPath("/a/spin")}, "an object of pathlib.PurePosixPath"),
        ({"embedder_model": b"spin"}, "an object of bytes"),
        ({"embedder_model": "contentvec", "embedder_name": "spin"}, "spin"),
        ({"embedder_model": "ContentVec 768 L12"}, "contentvec"),
        ({"embedder_model": "none", "embedder_name": "auto"}, None),
        ({"embedder_model": None}, None),
        ({"embedder_model": 0}, None),
    ],
    ids=str,
)
def test_an_embedder_is_read_whatever_the_type_of_its_entry(tmp_path, entries, name):
    embedder = load_voice(saved(tmp_path, content() | entries)).embedder
    assert (embedder.name if embedder else None) == name


@pytest.mark.parametrize(
    "layer, is_played", [("12", 1), (torch.tensor(12), 1), ("last", 1), (12.0, 1), ("9", 0), ([9], 0)]
)
def test_a_layer_of_the_embedder_is_read_whatever_its_type(tmp_path, layer, is_played):
    path = saved(tmp_path, content() | {"embedder_output_layer": layer})
    if is_played:
        load_voice(path)
    else:
        with pytest.raises(BadCheckpoint, match=r"was trained on layer .* of its embedder"):
            load_voice(path)
