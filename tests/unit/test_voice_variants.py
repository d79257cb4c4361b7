"""Voices that forks and tools write: what is played, what is noted, and what is refused, in which words."""

import collections
import datetime
import json
import pathlib
import re
import types

import numpy as np
import pytest
import small_voice as sv
import tiny
import torch
from safetensors.torch import save_file
from test_export_and_merge import same
from test_voice import content, saved, training
from torch.nn import functional as F

from rvc.__main__ import main
from rvc.config import Config
from rvc.errors import BadCheckpoint, BadInput
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.synthesizer_config import layout, read_config
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.voices import embedders
from rvc.voices.inspection import inspect
from rvc.voices.model_tools import export, merge
from rvc.voices.voice import load_voice
from rvc.weights.checkpoint import read


class HParams:
    """An object of a training program."""

    def __init__(self):
        self.train = {"epochs": 3}


def sound_of(voice):
    """Samples of five frames of a constant latent."""
    net = voice.synthesizer
    return net.generate(torch.ones(1, 8, 5), net.speaker(0), torch.ones(1, 1, 5 * voice.upp))


@pytest.mark.parametrize(
    "entry",
    [
        np.float64(1.5),
        np.zeros(4),
        np.zeros(9999),
        np.array(["a"]),
        datetime.datetime(2026, 1, 1),
        pathlib.PurePosixPath("/a/b"),
        b"\x89PNG",
        {1, 2},
        HParams(),
        types.SimpleNamespace(a=1),
        complex(1, 2),
        torch.float16,
    ],
    ids=lambda entry: type(entry).__name__,
)
@pytest.mark.parametrize("legacy", [False, True])
def test_entries_that_nothing_needs_are_passed_over(tmp_path, entry, legacy):
    torch.save(content() | {"extra": entry}, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    voice = load_voice(tmp_path / "a.pth")
    assert len(voice.odd) == 1
    assert "'extra'" in voice.odd[0]
    assert voice.odd[0].endswith("is ignored")


def test_numbers_of_numpy_are_read_as_numbers(tmp_path):
    made = content() | {"loss": np.float32(0.5), "hist": np.arange(6).reshape(2, 3), "f0": np.int64(1)}
    made["config"] = [np.int64(entry) if isinstance(entry, int) else entry for entry in made["config"]]
    path = saved(tmp_path, made)
    entries = read(path).content
    assert (entries["loss"], entries["hist"]) == (0.5, [[0, 1, 2], [3, 4, 5]])
    assert all(type(entry) is not np.int64 for entry in entries["config"])
    assert load_voice(path).config == load_voice(saved(tmp_path, content(), "b.pth")).config


def test_a_whole_pickled_module_is_named(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m.pth")
    with pytest.raises(BadCheckpoint) as refusal:
        load_voice(tmp_path / "m.pth")
    assert str(refusal.value) == (
        "m.pth is a whole pickled module (torch.nn.modules.linear.Linear), which can only be read by running its "
        "program; save its weights there with torch.save(model.state_dict(), …)"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": "2"},
        {"version": "v2 "},
        {"version": "V2"},
        {"version": ""},
        {"sr": 40},
        {"sr": "40 kHz"},
        {"sr": 40000.0},
        {"sr": None},
    ],
)
def test_other_spellings_of_version_and_rate_are_read(tmp_path, change):
    voice = load_voice(saved(tmp_path, content() | change))
    assert (voice.version, voice.rate, voice.warnings) == ("v2", 40000, [])


def test_whole_numbers_may_be_written_as_floats(tmp_path):
    made = content()
    made["config"] = [float(entry) if isinstance(entry, int) else entry for entry in made["config"]]
    assert load_voice(saved(tmp_path, made)).config == load_voice(saved(tmp_path, content(), "b.pth")).config
    made["config"][3] = 192.5
    with pytest.raises(BadCheckpoint, match=r"config entry hidden is 192\.5, expected a whole number"):
        load_voice(saved(tmp_path, made))


def test_the_nineteen_entries_of_ddpn08_are_read(tmp_path):
    made = content()
    made["config"] = [*made["config"][:17], 768, made["config"][17]]
    path = saved(tmp_path, made)
    assert load_voice(path).rate == 40000
    assert len(export(path, tmp_path / "b.pth").config) == 18
    assert len(read(tmp_path / "b.pth").content["config"]) == 18


def test_export_corrects_an_f0_that_the_tensors_contradict(tmp_path):
    path = saved(tmp_path, content() | {"f0": 0, "version": "v2 "})
    export(path, tmp_path / "b.pth")
    entries = read(tmp_path / "b.pth").content
    assert (entries["f0"], entries["version"]) == (1, "v2")
    assert load_voice(tmp_path / "b.pth").warnings == []
    assert merge(path, path, tmp_path / "c.pth").warnings == []


def folded(weight):
    """Plain weights in place of weight norm."""
    plain = {name: tensor for name, tensor in weight.items() if not name.endswith(("weight_g", "weight_v"))}
    for name in [name for name in weight if name.endswith("weight_v")]:
        g, v = weight[f"{name[:-1]}g"].float(), weight[name].float()
        plain[name[:-2]] = v * g / v.flatten(1).norm(dim=1).view(-1, 1, 1)
    return plain


def test_a_voice_with_folded_weight_norm_is_played(tmp_path):
    made = content()
    expected = sound_of(load_voice(saved(tmp_path, made)))
    voice = load_voice(saved(tmp_path, made | {"weight": folded(made["weight"])}, "b.pth"))
    assert "the weight norm of" in voice.odd[0]
    torch.testing.assert_close(sound_of(voice), expected, rtol=1e-4, atol=1e-5)


def test_a_folded_channel_of_zeros_stays_zero(tmp_path):
    made = content()
    weight = folded(made["weight"])
    weight["dec.ups.0.weight"][0] = 0
    assert torch.isfinite(sound_of(load_voice(saved(tmp_path, made | {"weight": weight})))).all()


def test_both_namings_of_weight_norm_are_played_if_they_agree(tmp_path):
    made = content()
    weight = dict(made["weight"])
    for name in [name for name in weight if name.endswith("weight_g")]:
        weight[name.replace("weight_g", "parametrizations.weight.original0")] = weight[name]
    expected = sound_of(load_voice(saved(tmp_path, content())))
    assert torch.equal(sound_of(load_voice(saved(tmp_path, made | {"weight": weight}, "b.pth"))), expected)
    weight["dec.ups.0.parametrizations.weight.original0"] = 2 * weight["dec.ups.0.weight_g"]
    with pytest.raises(BadCheckpoint, match=r"dec\.ups\.0\.weight_g under two names, and the two differ"):
        load_voice(saved(tmp_path, made | {"weight": weight}))


def test_names_of_data_parallel_training_are_read(tmp_path):
    made = training()
    made["model"] = {f"module.{name}": tensor for name, tensor in made["model"].items()}
    voice = load_voice(saved(tmp_path, made, "G_7.pth"))
    assert "the names contain those of wrappers, such as DataParallel's `module.`" in voice.odd


@pytest.mark.parametrize(
    "metadata",
    [
        {"format": "pt"},
        {"kind": "rvc_voice", "version": "v2", "f0": "1", "sample_rate": "40000", "training_json": "{}"},
    ],
)
def test_other_safetensors_voices_are_played_and_exported(tmp_path, metadata):
    made = content()
    save_file(dict(made["weight"]), tmp_path / "a.safetensors", metadata)
    voice = load_voice(tmp_path / "a.safetensors")
    assert (voice.version, voice.rate, voice.f0, voice.kind) == ("v2", 40000, True, "safetensors voice")
    export(tmp_path / "a.safetensors", tmp_path / "b.pth")
    entries = read(tmp_path / "b.pth").content
    assert [entries[key] for key in ("f0", "version")] == [1 if "f0" not in metadata else "1", "v2"]
    same(made["weight"], entries["weight"])


def test_leftovers_of_training_are_ignored(tmp_path):
    made = content()
    made["weight"] |= {
        "enc_q.enc.norm.num_batches_tracked": torch.ones(1, dtype=torch.int64),
        "dec.num_batches_tracked": torch.tensor(3),
        "enc_q.pre.weight": torch.zeros(16, 1025, 1),
    }
    assert load_voice(saved(tmp_path, made)).rate == 40000


def test_odd_strides_are_computed_as_torch_computes_them():
    rates, kernels = [9, 7, 7, 1], [18, 14, 14, 2]
    config = sv.config()
    config[12], config[14], config[17] = rates, kernels, 44100
    weights = sv.weights(layout(read_config(config, "v2", True)))
    net = Synthesizer(config, "v2", True, weights)
    frames = 9
    made = torch.Generator().manual_seed(0)
    z, source = torch.randn(1, 8, frames, generator=made), torch.randn(1, 1, frames * 441, generator=made)
    g = net.speaker(0)
    x = sv.conv(weights, "dec.conv_pre", z, padding=3) + sv.conv(weights, "dec.cond", g)
    stride = 441
    for i, u in enumerate(rates):
        pad, length = u // 2 + u % 2, x.shape[2]
        whole = F.conv_transpose1d(
            F.leaky_relu(x, 0.1), sv.folded(weights, f"dec.ups.{i}"), weights[f"dec.ups.{i}.bias"], stride=u
        )
        x = whole[..., pad : pad + u * length]  # output_padding u % 2 restores the length
        stride //= u
        padding = {"stride": stride, "padding": (stride - stride % 2) // 2} if stride > 1 else {}
        x = x + sv.conv(weights, f"dec.noise_convs.{i}", source, **padding)
        blocks = [
            sv.resblock(weights, config, f"dec.resblocks.{3 * i + j}", x, w, [1, 3, 5])
            for j, w in enumerate((3, 7, 11))
        ]
        x = (blocks[0] + blocks[1] + blocks[2]) / 3
    expected = sv.conv(weights, "dec.conv_post", F.leaky_relu(x, 0.01), padding=3).tanh()[0, 0]
    assert sv.gap(net.generate(z, g, source), expected) < 1e-5


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
    "entries, left, message",
    [
        ({"vocoder": "PCPH-GAN"}, (), "is a voice made with the vocoder PCPH-GAN (its entry `vocoder`); "),
        ({"vocoder": "Wavehax"}, ("dec.cond", "dec.conv_p"), "is a voice made with the vocoder Wavehax (its entry "),
        ({}, (), "is a voice with another generator, whose parts are dec.amp, prior; "),
        ({"vocoder": "HiFi-GAN"}, ("dec.cond",), "is a voice with another generator, whose parts are dec.amp, prior; "),
    ],
)
def test_a_generator_that_is_no_hifigan_is_named_whatever_its_tensors_are_called(tmp_path, entries, left, message):
    made = content() | entries
    kept = {k: v for k, v in made["weight"].items() if not k.startswith("dec.") or k.startswith(left or "none")}
    made["weight"] = kept | {"dec.amp.0.weight": torch.ones(3), "dec.prior.conv.bias": torch.ones(2)}
    with pytest.raises(BadCheckpoint) as refusal:
        load_voice(saved(tmp_path, made))
    assert str(refusal.value).startswith(f"alto.pth {message}")
    assert str(refusal.value).endswith("this program plays voices with the HiFi-GAN generator only")


WRAPPED = {  # how the names of the file are made from a voice's
    "torch.compile": lambda name: f"_orig_mod.{name}",
    "both orders": lambda name: f"module._orig_mod.{name}",
    "a part compiled": lambda name: name.replace("dec.", "dec._orig_mod."),
    "a part only": lambda name: f"module.{name}" if name.startswith("flow") else name,
    "FSDP": lambda name: f"_fsdp_wrapped_module.{name}",
    "an object": lambda name: f"net_g.{name}",
    "two objects": lambda name: f"trainer.net_g.module.{name}",
}


@pytest.mark.parametrize("how", WRAPPED)
def test_names_of_wrappers_and_of_objects_around_a_voice_are_left_out(tmp_path, how):
    made = content()
    plain = load_voice(saved(tmp_path, made))
    made["weight"] = {WRAPPED[how](name): tensor for name, tensor in made["weight"].items()}
    voice = load_voice(saved(tmp_path, made, "b.pth"))
    assert (voice.sizes, voice.config) == (plain.sizes, plain.config)
    assert any("the names" in note for note in voice.odd)


def test_another_vocoder_is_named_whatever_wraps_it(tmp_path):
    names = ("enc_p.emb_phone.weight", "dec.mrfs.0.0.layers.0.conv1.weight_g")
    made = content() | {"weight": {f"_orig_mod.net_g.{name}": torch.ones(2, 2) for name in names}}
    with pytest.raises(BadCheckpoint, match="MRF HiFi-GAN vocoder"):
        load_voice(saved(tmp_path, made))


@pytest.mark.parametrize("key", ["state_dict", "net_g", "generator", "params"])
@pytest.mark.parametrize("with_config", [True, False])
def test_a_voice_under_any_entry_of_the_file_is_played(tmp_path, key, with_config):
    made = content()
    file = {key: made["weight"], "step": 3} | ({"config": made["config"], "version": "v2"} if with_config else {})
    voice = load_voice(saved(tmp_path, file))
    assert voice.version == "v2"
    assert voice.kind == ("voice" if with_config else "training checkpoint")


def test_two_voices_in_one_file_are_refused(tmp_path):
    weight = content()["weight"]
    message = "holds several voices, under net_g, ema; save one of them alone"
    with pytest.raises(BadCheckpoint, match=message):
        load_voice(saved(tmp_path, {"net_g": weight, "ema": weight}))
    both = {f"{prefix}.{name}": tensor for name, tensor in weight.items() for prefix in ("a", "b")}
    with pytest.raises(BadCheckpoint, match=r"holds several voices, whose names begin with a\., b\.; save one"):
        load_voice(saved(tmp_path, {"weight": both}))


def test_a_file_without_tensors_is_described_by_its_entries(tmp_path):
    made = content() | {"weight": {"emb_g.weight": np.ones(9999)}}
    with pytest.raises(BadCheckpoint, match=r"holds no tensors, only emb_g\.weight; expected an RVC voice"):
        load_voice(saved(tmp_path, made))


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


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "entry", [range(3), collections.defaultdict(int), ..., NotImplemented, torch.eye(2).to_sparse(), re.compile("a")]
)
def test_plain_values_are_passed_over_under_their_names_in_python_2_too(tmp_path, entry, protocol):
    torch.save(content() | {"extra": entry}, tmp_path / "a.pth", pickle_protocol=protocol)
    load_voice(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "f0, shown", [(torch.tensor(1), "as a tensor of 1"), (torch.ones(99), "as a tensor of 99 numbers"), ("y" * 99, "…")]
)
def test_an_f0_of_any_type_is_noted_in_one_line(tmp_path, f0, shown):
    (note,) = load_voice(saved(tmp_path, content() | {"f0": f0})).warnings
    assert shown in note
    assert len(note) < 150
    assert "\n" not in note


def test_lists_of_a_config_may_be_tensors(tmp_path):
    made = content()
    made["config"][12] = torch.tensor(made["config"][12])
    assert load_voice(saved(tmp_path, made)).config == load_voice(saved(tmp_path, content(), "b.pth")).config


def test_the_config_in_the_metadata_of_a_safetensors_file_is_read(tmp_path):
    made = content()
    save_file(dict(made["weight"]), tmp_path / "a.safetensors", {"config": json.dumps(made["config"])})
    voice = load_voice(tmp_path / "a.safetensors")
    assert "the file holds no config" not in voice.odd
