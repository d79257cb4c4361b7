"""Inputs of the originals' model tools (extract, merge), and a summary of the exported voice that they write.

The same bits on every machine: each number of a synthetic voice is multiplied once in float32, so that halving rounds.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from parity.voices import make_voice
from parity.voices.synthesizer import Kind

EPOCH = 7
FACTOR = 1.0003  # moves every number off the grid of float16
SECOND_VOICE = 0.7071  # the weights of a merge's second voice divided by those of the first; a choice
WIDTH = 192


def training(kind: str, folder: Path) -> Path:
    """G_7.pth, the float32 training checkpoint of a synthetic voice, with the config.json beside it.

    The posterior encoder is there by a few of its names, among the others as in a real file.
    """
    facts = Kind(kind)
    model: dict[str, Tensor] = {}
    for name, tensor in _weights(kind).items():
        model[name] = tensor.float() * FACTOR
        if name.startswith("enc_p.proj"):
            model[name.replace("enc_p.proj", "enc_q.proj")] = torch.ones(tensor.shape)
    model["enc_q.pre.weight"] = torch.ones(WIDTH, int(str(facts.config[0])), 1)
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4, "betas": (0.8, 0.99)}]}
    content = {"model": model, "iteration": EPOCH, "optimizer": optimizer, "learning_rate": 1e-4}
    torch.save(content, folder / f"G_{EPOCH}.pth")
    (folder / "config.json").write_text(json.dumps(settings(kind)), encoding="utf-8")
    return folder / f"G_{EPOCH}.pth"


def settings(kind: str) -> dict[str, Any]:
    """What the config.json of a training holds of the voice's sizes; `config[1]` is no setting of the model."""
    config = Kind(kind).config
    names = (
        "inter_channels",
        "hidden_channels",
        "filter_channels",
        "n_heads",
        "n_layers",
        "kernel_size",
        "p_dropout",
        "resblock",
        "resblock_kernel_sizes",
        "resblock_dilation_sizes",
        "upsample_rates",
        "upsample_initial_channel",
        "upsample_kernel_sizes",
        "spk_embed_dim",
        "gin_channels",
    )
    data = {"filter_length": (int(str(config[0])) - 1) * 2, "sampling_rate": config[17]}
    return {"model": dict(zip(names, config[2:17], strict=True)), "data": data}


def second_voice(kind: str, folder: Path, speakers: int) -> Path:
    """Write another exported voice of the same kind with this number of speakers: the second input of `merge`."""
    content = torch.load(make_voice(kind), map_location="cpu", weights_only=True)
    weight = {name: (tensor.float() * SECOND_VOICE).half() for name, tensor in content["weight"].items()}
    weight["emb_g.weight"] = weight["emb_g.weight"][:speakers].clone()
    torch.save({**content, "weight": weight, "info": "cousin"}, folder / "cousin.pth")
    return folder / "cousin.pth"


def summary(path: Path) -> dict[str, Any]:
    """All there is to a small voice, its numbers as one sha256 for each module."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    return {
        "entries": sorted(content),
        **{name: content[name] for name in sorted(content) if name != "weight"},
        "weight": digests(content["weight"]),
    }


def digests(weight: Mapping[str, Tensor]) -> dict[str, str]:
    """Module → how many tensors, and the sha256 over name, dtype, shape and bits of each in the order of names."""
    hashes: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for name in sorted(weight):
        tensor, module = weight[name].contiguous(), name.split(".")[0]
        counts[module] = counts.get(module, 0) + 1
        mine = hashes.setdefault(module, hashlib.sha256())
        mine.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        mine.update(tensor.numpy().tobytes())
    return {module: f"{counts[module]} tensors {made.hexdigest()}" for module, made in hashes.items()}


def _weights(kind: str) -> dict[str, Tensor]:
    held: dict[str, Tensor] = torch.load(make_voice(kind), map_location="cpu", weights_only=True)["weight"]
    return held
