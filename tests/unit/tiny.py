"""A voice small enough for quick tests: a synthesizer of a few channels, a one-layer HuBERT and a constant F0."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import save_file

from rvc.nn.hubert_config import config_from_json, expected_shapes
from rvc.nn.synthesizer import Synthesizer
from rvc.nn.synthesizer_config import layout, read_config
from rvc.profiles import PROFILES
from rvc.realtime.block_context import Models

SMALL = [1025, 32, 16, 16, 32, 2, 1, 3, 0, "1", [3, 7], [[1, 3], [1, 3]]]
CONFIGS = {
    40000: [*SMALL, [10, 10, 2, 2], 32, [16, 16, 4, 4], 2, 8, 40000],
    48000: [*SMALL, [12, 10, 2, 2], 32, [24, 20, 4, 4], 2, 8, 48000],
    32000: [*SMALL, [10, 8, 2, 2], 32, [20, 16, 4, 4], 2, 8, 32000],
}


def tiny_tensors(config, version, f0, seed):
    """Random weights whose output is neither silent nor saturated."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in layout(read_config(config, version, f0)).items():
        fan = max(int(np.prod(shape[1:])), 1)
        tensors[name] = torch.randn(shape, generator=generator) * (0.1 if name.endswith("bias") else fan**-0.5)
        if name.endswith(("weight_g", "gamma")):
            tensors[name] = torch.ones(shape)
    if f0:
        tensors["dec.m_source.l_linear.weight"] = torch.full((1, 1), 8.0)
    return tensors


def tiny_synthesizer(rate=40000, f0=True, version="v2", seed=0):
    """The networks of a voice."""
    return Synthesizer(CONFIGS[rate], version, f0, tiny_tensors(CONFIGS[rate], version, f0, seed))


class TinyHubert:
    """One fixed matrix from 400 samples to a frame, every 20 ms."""

    def __init__(self, seed=0):
        self.matrix = torch.randn(400, 768, generator=torch.Generator().manual_seed(seed)) * 0.1

    def __call__(self, audio, layer, project):
        frames = audio[0].unfold(0, 400, 320)
        content = torch.tanh(frames @ self.matrix)[None]
        return content[..., :256] if project else content


def steady_track(hertz=200.0):
    """An F0 tracker that returns one value for every frame."""

    def track(at16k, block16, method, semitones, draw):
        frames = (block16 + 800) // 160 + 1
        hz = np.full(frames, hertz * 2 ** (semitones / 12), np.float32)
        mel = 1127 * np.log(1 + hz / 700)
        coarse = np.rint((mel - 77.755) * 254 / (1064.408 - 77.755) + 1).clip(1, 255).astype(np.int64)
        return coarse, hz

    return track


def tiny_models(rate=40000, f0=True, version="v2", seed=0, hertz=200.0, profile="webui-2026", index=None):
    synthesizer = tiny_synthesizer(rate, f0, version, seed)
    voice = SimpleNamespace(synthesizer=synthesizer, version=version, rate=rate, f0=f0, upp=rate // 100, speakers=2)
    return Models(voice, TinyHubert(), steady_track(hertz), PROFILES[profile], index)


class Silence:
    """Draws of zeros."""

    def draw(self, name, shape, kind="normal"):
        return np.zeros(shape, np.float32)


def write_voice(path, rate=40000, f0=True, seed=0):
    """A voice file of version 1 as the originals write one, in half precision."""
    config = CONFIGS[rate]
    tensors = {name: value.half() for name, value in tiny_tensors(config, "v1", f0, seed).items()}
    info = {"config": config, "info": "tiny", "sr": f"{rate // 1000}k", "f0": int(f0), "version": "v1"}
    torch.save({"weight": tensors, **info}, path)
    return path


def write_hubert(folder, seed=0):
    """A transformers folder of a HuBERT with nine narrow layers, the layers that version 1 runs."""
    fields = {
        "hidden_size": 32,
        "num_hidden_layers": 9,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": [16] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "classifier_proj_size": 256,
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(fields))
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    shapes = expected_shapes(config_from_json(fields)) | {"final_proj.weight": (256, 32), "final_proj.bias": (256,)}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=generator) * max(int(np.prod(shape[1:])), 1) ** -0.5
        tensors[transformers_name(name)] = torch.ones(shape) if "norm" in name and name.endswith("weight") else value
    save_file(tensors, folder / "model.safetensors")
    return folder


PARTS = {
    "q": "attention.q_proj",
    "k": "attention.k_proj",
    "v": "attention.v_proj",
    "out": "attention.out_proj",
    "wide": "feed_forward.intermediate_dense",
    "narrow": "feed_forward.output_dense",
    "attention_norm": "layer_norm",
    "final_norm": "final_layer_norm",
}
NAMES = [
    (r"front\.norm\.(\w+)", r"feature_extractor.conv_layers.0.layer_norm.\1"),
    (r"front\.(\d)\.weight", r"feature_extractor.conv_layers.\1.conv.weight"),
    (r"projection\.norm\.(\w+)", r"feature_projection.layer_norm.\1"),
    (r"projection\.(\w+)", r"feature_projection.projection.\1"),
    (r"position\.bias", r"encoder.pos_conv_embed.conv.bias"),
    (r"position\.([gv])", r"encoder.pos_conv_embed.conv.weight_\1"),
    (r"norm\.(\w+)", r"encoder.layer_norm.\1"),
    (r"(final_proj\.\w+)", r"\1"),
    *((rf"layers\.(\d+)\.{name}\.(\w+)", rf"encoder.layers.\1.{other}.\2") for name, other in PARTS.items()),
]


def transformers_name(name):
    """The name in transformers of a tensor of rvc.nn.hubert."""
    for pattern, other in NAMES:
        if match := re.fullmatch(pattern, name):
            return match.expand(other)
    raise KeyError(name)
