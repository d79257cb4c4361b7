"""HuBERT's and RMVPE's files: every tensor is accounted for before a conversion starts."""

import json
import os
import re

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from rvc.content.features import check_hubert, extract, load_hubert, read_hubert
from rvc.errors import BadCheckpoint
from rvc.f0 import registry
from rvc.f0.network_files import check_weights
from rvc.nn import crepe, rmvpe
from rvc.nn.hubert_tensor_names import file_name, network_name
from rvc.weights.policy import RESIDENT, STREAMED
from rvc.weights.torch_files.state_dict import read_tensors


@pytest.fixture
def folder(tmp_path):
    return tiny.write_hubert(tmp_path / "hubert")


def change(folder, tensors=None, **fields):
    """Rewrite the weights by a function, and fields of the config."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    if tensors is not None:
        save_file(tensors(load_file(folder / "model.safetensors")), folder / "model.safetensors")
    return folder


def also(**more):
    """A function that adds tensors, with __ in the place of dots."""
    return lambda weights: weights | {name.replace("__", "."): tensor for name, tensor in more.items()}


def without(pattern):
    return lambda weights: {name: tensor for name, tensor in weights.items() if re.match(pattern, name) is None}


def fold(weights):
    """The plain weight of the positional convolution in place of its weight norm."""
    (g,) = (name for name in weights if name.endswith(("conv.weight_g", "weight.original0")))
    (v,) = (name for name in weights if name.endswith(("conv.weight_v", "weight.original1")))
    plain = torch._weight_norm(weights[v], weights[g], 2)
    kept = {name: tensor for name, tensor in weights.items() if name not in (g, v)}
    return kept | {"encoder.pos_conv_embed.conv.weight": plain}


def content(folder):
    """The content features of half a second of noise."""
    samples = 0.1 * torch.randn(1, 8000, generator=torch.Generator().manual_seed(1))
    return extract(samples, load_hubert(folder), "v2")


def test_a_hubert_with_folded_weight_norm_is_read(folder):
    expected = content(folder)
    torch.testing.assert_close(content(change(folder, fold)), expected, rtol=1e-4, atol=1e-5)


def test_a_folded_tap_of_zeros_stays_zero(folder):
    def silent_tap(weights):
        folded = fold(weights)
        folded["encoder.pos_conv_embed.conv.weight"][:, :, 1] = 0
        return folded

    assert torch.isfinite(content(change(folder, silent_tap))).all()


def test_a_hubert_with_both_forms_of_weight_norm_is_refused(folder):
    with pytest.raises(BadCheckpoint, match=r"pos_conv_embed\.conv\.weight and also its weight norm; it mixes two"):
        read_hubert(change(folder, lambda weights: weights | fold(weights)))


def test_a_folded_weight_of_another_form_is_refused(folder):
    def flat(weights):
        folded = fold(weights)
        name = "encoder.pos_conv_embed.conv.weight"
        return folded | {name: folded[name].flatten()}

    with pytest.raises(BadCheckpoint, match=r"conv\.weight \(\d+,\) in float32, expected \(768, 48, 128\)"):
        read_hubert(change(folder, flat))


def test_the_settings_of_a_hubert_are_named_where_its_weights_are_expected(folder):
    with pytest.raises(BadCheckpoint, match=r"config\.json is a JSON text, .* for --hubert the folder"):
        read_hubert(folder / "config.json")


def test_the_tiny_hubert_is_right(folder):
    check_hubert(folder, "v1")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda f: change(f, also(encoder__layers__0__attention__gru_rel_pos_const=torch.ones(1))), "is a WavLM model"),
        (lambda f: change(f, model_type="wavlm"), r"the config\.json is that of WavLM, another network"),
        (lambda f: change(f, model_type="wav2vec2"), r"the config\.json is that of wav2vec 2\.0, another network"),
        (
            lambda f: change(f, also(feature_extractor__conv_layers__1__layer_norm__weight=torch.ones(16))),
            "is a HuBERT whose convolutions have layer norms and biases",
        ),
        (
            lambda f: change(f, also(feature_extractor__conv_layers__0__conv__bias=torch.ones(16))),
            "is a HuBERT whose convolutions have layer norms and biases",
        ),
        (
            lambda f: change(f, also(encoder__pos_conv_embed__batch_norm__bias=torch.ones(16))),
            "is a HuBERT with a batch norm in its positions",
        ),
        (lambda f: change(f, also(encoder__layers__0__adapter__weight=torch.ones(1))), "is a HuBERT with adapters"),
        (
            lambda f: change(f, also(encoder__layers__0__gate__weight=torch.ones(1))),
            r"has 1 tensors that HuBERT-base does not have: encoder\.layers\.0\.gate\.weight",
        ),
        (
            lambda f: change(f, without(r"encoder\.layers\.[2-9]\."), num_hidden_layers=2),
            "has 2 transformer layers, but v1 voices are converted with layer 9",
        ),
        (lambda f: change(f, without("final_proj")), "has no final_proj, which v1 voices need"),
        (
            lambda f: change(
                f,
                lambda w: w | {"final_proj.weight": torch.ones(100, 32), "final_proj.bias": torch.ones(100)},
                classifier_proj_size=100,
            ),
            "makes content features of 100 channels, but v1 voices read 256",
        ),
        (
            lambda f: change(f, without(r"encoder\.layer_norm\.bias")),
            r"lacks 1 of HuBERT's \d+ tensors: encoder\.layer_norm\.bias",
        ),
    ],
)
def test_another_network_than_hubert_base_is_refused_by_name(folder, make, message):
    with pytest.raises(BadCheckpoint, match=message):
        check_hubert(make(folder), "v1")


def test_channels_that_a_v2_voice_does_not_read_are_refused(folder):
    with pytest.raises(BadCheckpoint, match="has 9 transformer layers, but v2 voices are converted with layer 12"):
        check_hubert(folder, "v2")


@pytest.mark.parametrize(
    "name",
    [
        "masked_spec_embed",
        "mask_emb",
        "label_embs_concat",
        "num_batches_tracked",
        "encoder.norm.num_batches_tracked",
        "lm_head.weight",
    ],
)
def test_leftovers_of_training_are_ignored(folder, name):
    check_hubert(change(folder, lambda weights: weights | {name: torch.ones(1)}), "v1")


@pytest.mark.parametrize("prefix", ["hubert.", "module.", "model.", "module.hubert.", "_orig_mod.", "_orig_mod.model."])
def test_prefixes_of_names_are_left_out(folder, prefix):
    check_hubert(change(folder, lambda weights: {prefix + name: tensor for name, tensor in weights.items()}), "v1")


def test_an_entry_of_the_config_without_a_value_takes_the_usual_one(folder):
    check_hubert(change(folder, conv_stride=None), "v1")


@pytest.mark.parametrize("name, value", [("num_hidden_layers", 10**9), ("hidden_size", 0), ("intermediate_size", -1)])
def test_a_size_that_no_network_has_is_refused_before_memory_is_taken(folder, name, value):
    with pytest.raises(BadCheckpoint) as refusal:
        check_hubert(change(folder, **{name: value}), "v1")
    largest = 256 if name == "num_hidden_layers" else 65536
    assert str(refusal.value) == (
        f"the HuBERT config.json has {name} = {value}, expected 1 to {largest}; is it a HuBERT's config.json?"
    )


@pytest.mark.parametrize("name, value", [("intermediate_size", float("inf")), ("conv_dim", [float("inf")] * 7)])
def test_an_infinite_size_is_refused(folder, name, value):
    with pytest.raises(BadCheckpoint, match=r"^the HuBERT folder's config\.json cannot be read \(cannot convert float"):
        check_hubert(change(folder, **{name: value}), "v1")


def test_a_folder_without_a_config_or_with_shards_is_refused(folder):
    (folder / "config.json").rename(folder / "config.txt")
    with pytest.raises(BadCheckpoint, match=r"hubert has no config\.json, which holds the network's sizes"):
        read_hubert(folder)
    (folder / "config.txt").rename(folder / "config.json")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    with pytest.raises(BadCheckpoint, match="holds its weights in several files"):
        read_hubert(folder)


def test_the_format_of_a_file_is_recognized_by_its_content(folder, tmp_path):
    weights = load_file(folder / "model.safetensors")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "config.json").write_text((folder / "config.json").read_text())
    save_file(weights, tmp_path / "b" / "pytorch_model.bin")
    first, second = load_hubert(folder), load_hubert(tmp_path / "b")
    sound = torch.ones(1, 1000)
    assert torch.equal(first(sound, 9, True), second(sound, 9, True))


def test_messages_have_the_names_of_the_file():
    names = [
        "feature_extractor.conv_layers.0.layer_norm.bias",
        "feature_extractor.conv_layers.3.conv.weight",
        "feature_projection.layer_norm.weight",
        "feature_projection.projection.bias",
        "encoder.pos_conv_embed.conv.weight_g",
        "encoder.layer_norm.weight",
        "encoder.layers.5.attention.q_proj.weight",
        "encoder.layers.5.attention.out_proj.bias",
        "encoder.layers.5.feed_forward.output_dense.weight",
        "encoder.layers.5.layer_norm.bias",
        "encoder.layers.5.final_layer_norm.bias",
        "final_proj.weight",
    ]
    assert [file_name(network_name(name)) for name in names] == names


@pytest.mark.parametrize("counter", [None, torch.tensor(3), torch.ones(1, dtype=torch.int64)])
def test_counters_of_batch_norms_may_have_any_shape_or_be_left_out(counter):
    shapes = rmvpe.expected_shapes(2, 6, 4)
    weights = {name: torch.from_numpy(np.zeros(shape, np.float32)) for name, shape in shapes.items()}
    for name in [name for name in weights if name.endswith("num_batches_tracked")]:
        del weights[name]
        if counter is not None:
            weights[name] = counter
    with pytest.raises(BadCheckpoint) as refusal:
        rmvpe.check(weights | {"fc.1.weight": torch.zeros(1)})
    assert "num_batches_tracked" not in str(refusal.value)


def test_a_number_that_is_not_finite_is_named_before_a_network_is_built(folder):
    name = "encoder.layers.3.attention.v_proj.weight"

    def broken(weights):
        weights[name][2, 1] = float("inf")
        return weights

    change(folder, broken)
    with pytest.raises(BadCheckpoint) as refusal:
        check_hubert(folder, "v1")
    assert str(refusal.value) == (
        f"model.safetensors's tensor {name} holds NaN or infinity; its training failed, or it is damaged"
    )


@pytest.mark.parametrize("role", ["rmvpe", "crepe", "fcpe"])
def test_an_f0_file_that_fits_nothing_is_named_with_what_it_lacks(tmp_path, role):
    torch.save({"a.weight": torch.ones(2)}, tmp_path / "x.pt")
    with pytest.raises(BadCheckpoint, match=rf"^x\.pt: the {role.upper()} file lacks \d+ (of \d+ )?tensors: "):
        check_weights(registry.named(role).network, tmp_path / "x.pt")


@pytest.mark.parametrize("role", ["rmvpe", "crepe", "fcpe"])
def test_a_sound_in_the_place_of_an_f0_file_is_named_with_that_network(tmp_path, role):
    (tmp_path / "x.pt").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(40))
    with pytest.raises(BadCheckpoint) as refusal:
        check_weights(registry.named(role).network, tmp_path / "x.pt")
    assert str(refusal.value) == (
        f"x.pt is a sound file, expected {role.upper()}'s weights; give it as the recording to convert"
    )


@pytest.mark.parametrize("method", ["rmvpe", "crepe-tiny"])
def test_an_f0_network_with_nan_is_refused_before_it_is_built(tmp_path, method):
    shapes = rmvpe.expected_shapes(4, hidden=8) if method == "rmvpe" else crepe.expected_shapes((4, 4, 4, 4, 4, 4))
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items()}
    torch.save(tensors, tmp_path / "x.pt")
    check_weights(registry.named(method).network, tmp_path / "x.pt")
    last = list(tensors)[-1]
    tensors[last] = tensors[last].clone().fill_(float("nan"))
    torch.save(tensors, tmp_path / "x.pt")
    with pytest.raises(BadCheckpoint, match=rf"^x\.pt's tensor {re.escape(last)} holds NaN or infinity"):
        check_weights(registry.named(method).network, tmp_path / "x.pt")


def test_a_file_of_the_legacy_format_is_not_copied_to_memory(tmp_path):
    """The format aligns no tensor; the network gets the same bits as from a file that aligns them."""
    folder = tiny.write_hubert(tmp_path / "hubert")
    tensors = load_file(folder / "model.safetensors")
    for padding in range(5):  # of the pickle before the numbers, so that some tensors are unaligned
        content = {"model": tensors, "note": "x" * padding}
        torch.save(content, tmp_path / "hubert.pt", _use_new_zipfile_serialization=False)
        weights = read_tensors(tmp_path / "hubert.pt", copies_unaligned=False)
        size, first = len(weights.mapping), torch.frombuffer(weights.mapping, dtype=torch.uint8).data_ptr()
        assert all(first <= tensor.data_ptr() < first + size for tensor in weights.values())
        if any(tensor.data_ptr() % 4 for tensor in weights.values()):
            break
    assert padding < 4
    assert all(tensor.data_ptr() % 4 == 0 for tensor in read_tensors(tmp_path / "hubert.pt").values())
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    os.replace(tmp_path / "hubert.pt", tmp_path / "pytorch_model.bin")
    sound = torch.sin(torch.arange(3200) / 9)[None]
    for policy in (RESIDENT, STREAMED):
        networks = [load_hubert(path, policy=policy) for path in (folder, tmp_path)]
        expected, legacy = (extract(sound, network, "v1") for network in networks)
        assert torch.equal(expected, legacy)


@pytest.mark.parametrize(
    "name, value",
    [
        ("conv_stride", [10, 2, 2, 2, 2, 2, 2]),
        ("conv_stride", [5, 2, 2, 2, 2, 2, 0]),
        ("conv_kernel", [10, 3, 3, 3, 3, 2, 3]),
        ("layer_norm_eps", -1),
        ("layer_norm_eps", float("nan")),
    ],
)
def test_numbers_that_no_tensor_shows_are_checked_before_a_network_is_built(folder, name, value):
    with pytest.raises(BadCheckpoint, match=rf"the HuBERT config\.json has {name} = .*, (but|expected) .*; (use|is) "):
        check_hubert(change(folder, **{name: value}), "v1")


def test_a_config_may_begin_with_a_byte_order_mark(folder):
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text, encoding="utf-8-sig")
    check_hubert(folder, "v1")
