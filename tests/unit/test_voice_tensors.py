"""Tensors of voices that forks and tools write: their names, their form, and other networks."""

import numpy as np
import pytest
import small_voice as sv
import torch
from safetensors.torch import save_file
from test_export_and_merge import same
from test_voice import content, saved, training
from torch.nn import functional as F

from rvc.errors import BadCheckpoint
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.synthesizer_config import layout, read_config
from rvc.voices.model_tools import export
from rvc.voices.voice import load_voice
from rvc.weights.checkpoint import read


def sound_of(voice):
    """Samples of five frames of a constant latent."""
    net = voice.synthesizer
    return net.generate(torch.ones(1, 8, 5), net.speaker(0), torch.ones(1, 1, 5 * voice.upp))


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
