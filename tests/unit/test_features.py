"""HuBERT's files: folders and single files, the tensor names of transformers and fairseq, and errors."""

import argparse
import json

import plain_networks as plain
import pytest
import torch
from safetensors.torch import save_file

from rvc.content.features import extract, load_hubert
from rvc.errors import BadCheckpoint, BadInput
from rvc.nn.hubert_config import HubertConfig

# A single file does not contain the number of heads, which have 64 channels each; its kernels have HuBERT's own sizes.
SINGLE = HubertConfig(
    width=64, layers=10, heads=1, inner=48, conv_width=16, position_kernel=8, position_groups=4, projected=8
)
SOUND = torch.randn(1, 3000, generator=torch.Generator().manual_seed(1)) * 0.1


def folder(tmp_path, tensors, name):
    (tmp_path / "config.json").write_text(json.dumps(plain.JSON))
    if name.endswith("safetensors"):
        save_file({k: v.contiguous() for k, v in tensors.items()}, tmp_path / name)
    else:
        torch.save(tensors, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("old_norm", [True, False])
@pytest.mark.parametrize("prefix", ["", "hubert."])
def test_a_transformers_folder_is_read_with_any_tensor_names(tmp_path, name, old_norm, prefix):
    weights = plain.hubert_weights()
    named = {prefix + k: v for k, v in plain.file_names(weights, "transformers", old_norm).items()}
    named["masked_spec_embed"] = torch.zeros(32)
    features = extract(SOUND, load_hubert(folder(tmp_path, named, name)), "v2")
    assert plain.gap(features, plain.hubert(weights, plain.SMALL, SOUND, 3)) < 1e-6


def test_fairseq_and_transformers_files_give_the_same_bits(tmp_path):
    weights = plain.hubert_weights(SINGLE)
    fairseq = plain.file_names(weights, "fairseq") | {"mask_emb": torch.zeros(64), "label_embs_concat": torch.zeros(5)}
    torch.save({"args": argparse.Namespace(lr=1), "model": fairseq, "optimizer_history": [{}]}, tmp_path / "base.pt")
    save_file(plain.file_names(weights, "transformers"), tmp_path / "one.safetensors")
    for version in ("v1", "v2"):
        fairseq, transformers = (
            extract(SOUND, load_hubert(tmp_path / n), version) for n in ("base.pt", "one.safetensors")
        )
        assert torch.equal(fairseq, transformers)
        assert fairseq.shape[2] == {"v1": 8, "v2": 64}[version]


def test_version_1_projects_the_ninth_layer(tmp_path):
    weights = plain.hubert_weights(SINGLE)
    torch.save(plain.file_names(weights, "fairseq"), tmp_path / "base.pt")
    hubert = load_hubert(tmp_path / "base.pt")
    nine = plain.hubert(weights, SINGLE, SOUND, 9)
    projection = (weights[f"final_proj.{part}"].double() for part in ("weight", "bias"))
    expected = torch.nn.functional.linear(nine, *projection)
    assert plain.gap(extract(SOUND, hubert, "v1"), expected) < 1e-6


def test_half_precision_files_are_computed_in_float32(tmp_path):
    halves = {k: v.half() for k, v in plain.file_names(plain.hubert_weights(), "transformers").items()}
    assert extract(SOUND, load_hubert(folder(tmp_path, halves, "pytorch_model.bin")), "v2").dtype == torch.float32


def test_missing_tensors_are_listed(tmp_path):
    named = plain.file_names(plain.hubert_weights(), "transformers")
    del named["encoder.layers.1.final_layer_norm.bias"]
    with pytest.raises(BadCheckpoint, match=r"lacks 1 of HuBERT's .* encoder\.layers\.1\.final_layer_norm\.bias"):
        load_hubert(folder(tmp_path, named, "model.safetensors"))


def test_shapes_that_do_not_fit_are_listed(tmp_path):
    named = plain.file_names(plain.hubert_weights(), "transformers")
    named["encoder.layer_norm.bias"] = torch.zeros(31)
    with pytest.raises(BadCheckpoint, match=r"encoder\.layer_norm\.bias \(31,\) instead of \(32,\)"):
        load_hubert(folder(tmp_path, named, "model.safetensors"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "nowhere", "there is no HuBERT"),
        (lambda p: p, "config.json"),
        (lambda p: (p / "config.json").write_text("{}") and p, "neither model.safetensors nor pytorch_model.bin"),
        (lambda p: (p / "config.json").write_text("[]") and p, "cannot be read"),
    ],
)
def test_a_missing_file_is_named(tmp_path, make, message):
    with pytest.raises(BadCheckpoint, match=message):
        load_hubert(make(tmp_path))


def test_a_file_of_another_network_is_refused(tmp_path):
    torch.save({"x": torch.zeros(3)}, tmp_path / "x.pt")
    with pytest.raises(BadCheckpoint, match="is it a HuBERT or ContentVec model"):
        load_hubert(tmp_path / "x.pt")
    (tmp_path / "y.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(BadCheckpoint, match="not a readable safetensors"):
        load_hubert(tmp_path / "y.safetensors")


def test_an_unknown_version_is_refused():
    with pytest.raises(BadInput, match="v3"):
        extract(SOUND, None, "v3")
