"""Opening voices: inferred and unverified facts, refusals, and the strict check of every tensor."""

import json
from pathlib import Path

import numpy as np
import pytest
import small_voice as sv
import torch

from rvc.errors import BadCheckpoint
from rvc.nn.synthesizer_config import layout, read_config
from rvc.voices.voice import load_voice

KINDS_AND_VERSIONS = [
    (kind, version) for kind in sv.KINDS for version in ("v1", "v2") if kind.endswith((version, "40k"))
]


def content(kind="40k", version="v2", f0=1, **options):
    """A voice file's content, as the originals export it."""
    cfg = sv.config(kind, **options)
    tensors = sv.weights(layout(read_config(cfg, version, bool(f0))))
    cfg[15] = 109
    return {
        "weight": {name: tensor.half() for name, tensor in tensors.items()},
        "config": cfg,
        "info": "3epoch",
        "sr": kind[:3],
        "f0": f0,
        "version": version,
    }


def training(kind="40k", version="v2", f0=1, **options):
    """A training checkpoint's content."""
    voice = content(kind, version, f0, **options)
    model = {name: tensor.float() for name, tensor in voice["weight"].items()}
    model["enc_q.pre.weight"] = torch.zeros(16, 1025, 1)
    model["enc_q.pre.bias"] = torch.zeros(16)
    return {
        "model": model,
        "iteration": 7,
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}},
        "learning_rate": 1e-4,
    }


def saved(folder: Path, made, name="alto.pth"):
    torch.save(made, folder / name)
    return folder / name


@pytest.mark.parametrize("f0", [1, 0])
@pytest.mark.parametrize("kind, version", KINDS_AND_VERSIONS)
def test_every_kind_is_recognized(tmp_path, kind, version, f0):
    voice = load_voice(saved(tmp_path, content(kind, version, f0)))
    rate = int(kind[:2]) * 1000
    assert (voice.version, voice.rate, voice.f0, voice.speakers, voice.upp) == (version, rate, bool(f0), 3, rate // 100)
    assert (voice.kind, voice.info, voice.odd) == ("voice", "3epoch", [])
    assert {"version", "f0", "speakers"} <= set(voice.inferred)
    same_widths = version == "v1" and kind != "40k" and not f0
    assert ("rate" in voice.unverified, "rate" in voice.inferred) == (same_widths, not same_widths)
    assert voice.synthesizer is voice.synthesizer
    assert voice.synthesizer.upp == rate // 100


def test_float16_weights_are_computed_in_float32(tmp_path):
    made = content()
    net = load_voice(saved(tmp_path, made)).synthesizer
    assert net.embedding.dtype == torch.float32
    assert torch.equal(net.embedding, made["weight"]["emb_g.weight"].float())
    weight = {name: tensor.float() for name, tensor in made["weight"].items()}
    expected = sv.folded(weight, "dec.resblocks.0.convs1.0")[:, :, None]
    torch.testing.assert_close(net.generator.stages[0].blocks[0].pairs[0][0].plain(), expected, rtol=1e-6, atol=1e-7)


def test_both_namings_of_weight_norm_give_the_same_voice(tmp_path):
    made = content()
    old = load_voice(saved(tmp_path, made)).synthesizer
    renamed = {}
    for name, tensor in made["weight"].items():
        for a, b in (("weight_g", "original0"), ("weight_v", "original1")):
            name = name.replace(a, f"parametrizations.weight.{b}")
        renamed[name] = tensor
    new = load_voice(saved(tmp_path, made | {"weight": renamed}, "new.pth")).synthesizer
    z, source = torch.ones(1, 8, 5), torch.ones(1, 1, 2000)
    assert torch.equal(old.generate(z, old.speaker(0), source), new.generate(z, new.speaker(0), source))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": "v1"}, r"states the version v1, but its enc_p\.emb_phone\.weight has 768 channels, which is v2"),
        ({"sr": "48k"}, "states sr 48k, but its config states 40000"),
        ({"version": "v3"}, "states the version v3, but its"),
        ({"config": "none"}, "config is a str, expected a list"),
    ],
)
def test_a_contradiction_names_both_sides(tmp_path, change, message):
    with pytest.raises(BadCheckpoint, match=r"^alto\.pth.*" + message):
        load_voice(saved(tmp_path, content() | change))


def test_a_rate_that_the_tensors_contradict_is_refused(tmp_path):
    made = content("48k-v1", "v1")
    made["config"] = sv.config("32k-v1")
    with pytest.raises(
        BadCheckpoint, match="states the rate 32000, but its upsamplers and noise convolutions are those of 48000"
    ):
        load_voice(saved(tmp_path, made | {"sr": "32k"}))


def test_a_missing_version_is_inferred_from_the_tensors(tmp_path):
    made = content()
    del made["version"], made["f0"]
    voice = load_voice(saved(tmp_path, made))
    assert (voice.version, voice.f0) == ("v2", True)
    assert "the file states no version, which the originals take for v1" in voice.inferred["version"]
    assert "the file states no f0" in voice.inferred["f0"]


def test_missing_misshaped_and_unexpected_tensors_are_listed(tmp_path):
    made = content()
    weight = made["weight"]
    del weight["enc_p.proj.weight"], weight["enc_p.proj.bias"]
    weight["dec.conv_post.weight"] = torch.zeros(1, 2, 5)
    for i in range(5):
        weight[f"extra.{i}"] = torch.zeros(1)
    with pytest.raises(BadCheckpoint) as refusal:
        load_voice(saved(tmp_path, made))
    expected = len(layout(read_config(sv.config(), "v2", True)))
    assert str(refusal.value) == (
        f"checkpoint alto.pth lacks 2 of {expected} tensors: enc_p.proj.weight, enc_p.proj.bias; "
        "it has 1 of another shape: dec.conv_post.weight (1, 2, 5) instead of (1, 2, 7); it has 5 that "
        "such a voice does not have: extra.0, extra.1, extra.2 and 2 more; is it complete, and an RVC voice?"
    )


def test_a_voice_with_only_some_f0_tensors_is_refused(tmp_path):
    made = content()
    del made["weight"]["enc_p.emb_pitch.weight"]
    with pytest.raises(
        BadCheckpoint, match=r"has dec\.m_source, dec\.noise_convs of a voice with F0, but lacks enc_p\.emb_pitch"
    ):
        load_voice(saved(tmp_path, made))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.bool])
def test_a_tensor_of_the_wrong_dtype_is_refused(tmp_path, dtype):
    made = content()
    made["weight"]["emb_g.weight"] = torch.zeros(3, 6, dtype=dtype)
    with pytest.raises(
        BadCheckpoint, match=r"tensor emb_g\.weight is \w+, expected float16, bfloat16, float32 or float64"
    ):
        load_voice(saved(tmp_path, made))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    made = content()
    made["weight"]["dec.ups.1.weight_v"][0, 0, 0] = value
    with pytest.raises(BadCheckpoint, match=r"tensor dec\.ups\.1\.weight_v holds NaN or infinity"):
        _ = load_voice(saved(tmp_path, made)).synthesizer


@pytest.mark.parametrize("f0", [1, 0])
@pytest.mark.parametrize("kind, version", [f for f in KINDS_AND_VERSIONS if f[0] != "48k-v1" and f[0] != "32k-v1"])
def test_a_training_checkpoint_is_sized_from_its_tensors(tmp_path, kind, version, f0):
    voice = load_voice(saved(tmp_path, training(kind, version, f0), "G_7.pth"))
    expected = sv.config(kind)
    assert voice.config == expected or voice.config == [513, *expected[1:]]
    assert (voice.kind, voice.rate, voice.speakers) == ("training checkpoint", int(kind[:2]) * 1000, 3)
    assert voice.odd == ["2 tensors of the posterior encoder enc_q, which only training uses, are left out"]
    assert "dilations" in voice.unverified


def test_a_training_checkpoint_with_two_conv_blocks_is_sized_too(tmp_path):
    assert load_voice(saved(tmp_path, training(resblock="2"), "G_7.pth")).sizes.resblock == "2"


def config_json(cfg):
    names = {
        "inter_channels": 2,
        "hidden_channels": 3,
        "filter_channels": 4,
        "n_heads": 5,
        "n_layers": 6,
        "kernel_size": 7,
        "p_dropout": 8,
        "resblock": 9,
        "resblock_kernel_sizes": 10,
        "resblock_dilation_sizes": 11,
        "upsample_rates": 12,
        "upsample_initial_channel": 13,
        "upsample_kernel_sizes": 14,
        "spk_embed_dim": 15,
        "gin_channels": 16,
    }
    data = {"sampling_rate": cfg[17], "filter_length": 2048, "hop_length": 480}
    return {"train": {"segment_size": 17280}, "data": data, "model": {name: cfg[i] for name, i in names.items()}}


def test_a_rate_that_the_tensors_leave_open_comes_from_config_json(tmp_path):
    path = saved(tmp_path, training("48k-v1", "v1", f0=0), "G_7.pth")
    with pytest.raises(
        BadCheckpoint, match=r"fit a rate of 32000 or 48000; put the config\.json of its training beside it"
    ):
        load_voice(path)
    (tmp_path / "config.json").write_text(json.dumps(config_json(sv.config("48k-v1"))))
    voice = load_voice(path)
    assert voice.rate == 48000
    assert voice.unverified["config"] == "config.json beside the file"
    (tmp_path / "config.json").write_text('{"model_type": "hubert"}')
    with pytest.raises(BadCheckpoint, match=r"config\.json beside G_7\.pth is not one of a training"):
        load_voice(path)


@pytest.mark.parametrize(
    "names, message",
    [
        (["discriminators.0.convs.0.weight_g"], r"is a discriminator \(D_\*\.pth\)"),
        (["unet.encoder.bn.weight"], "is an RMVPE model, expected an RVC voice; it belongs to --rmvpe"),
        (["encoder.layers.0.fc1.weight"], "is a HuBERT model"),
        (["a", "b", "c", "d"], "holds a, b, c and 1 more; expected an RVC voice"),
        ([], "holds nothing"),
    ],
)
def test_other_models_are_recognized_by_their_tensor_names(tmp_path, names, message):
    with pytest.raises(BadCheckpoint, match=message):
        load_voice(saved(tmp_path, {"model": {name: torch.zeros(1) for name in names}}))


def test_unknown_entries_are_reported(tmp_path):
    voice = load_voice(saved(tmp_path, content() | {"author": "someone"}))
    assert voice.odd == ["unknown entry 'author' is ignored"]
    assert any(note == "version: inferred (enc_p.emb_phone.weight has 768 channels)" for note in voice.notes)


@pytest.mark.parametrize("f0", [1, 0])
@pytest.mark.parametrize(
    "stated, shown",
    [
        ("True", "'True'"),
        ("yes", "'yes'"),
        ("是", "'是'"),
        (torch.tensor(1), "as a tensor of 1"),
        (torch.ones(2), "as a tensor of [1.0, 1.0]"),
        (2, "2"),
    ],
)
def test_the_tensors_decide_whether_a_voice_has_f0(tmp_path, stated, shown, f0):
    voice = load_voice(saved(tmp_path, content(f0=f0) | {"f0": stated}))
    assert voice.f0 is bool(f0)
    tail = f"its tensors decide: it is converted {'with' if f0 else 'without'} F0"
    assert voice.warnings == [f"alto.pth states f0 {shown}, expected {f0}; {tail}"]


@pytest.mark.parametrize("change", [{"f0": 1}, {"f0": True}, {"f0": "1"}, {"f0": np.int64(1)}, {"f0": np.bool_(True)}])
def test_an_f0_entry_that_agrees_with_the_tensors_gives_no_note(tmp_path, change):
    assert load_voice(saved(tmp_path, content() | change)).warnings == []
