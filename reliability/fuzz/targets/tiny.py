"""Networks of the right form in a few kilobytes: voices, HuBERT, and the weights of F0 methods."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from rvc.nn import crepe, fcpe, rmvpe
from rvc.nn.hubert_config import config_from_json, expected_shapes
from rvc.nn.hubert_tensor_names import file_name
from rvc.nn.synthesizer_config import layout, read_config

CONFIG: list[Any] = [
    1025,
    32,
    4,
    4,
    8,
    2,
    1,
    3,
    0,
    "1",
    [3],
    [[1, 3, 5]],
    [10, 10, 2, 2],
    16,
    [16, 16, 4, 4],
    1,
    4,
    40000,
]
HUBERT: dict[str, Any] = {
    "model_type": "hubert",
    "hidden_size": 16,
    "num_hidden_layers": 9,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "conv_dim": [4] * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 256,
}


def numbers(shape: tuple[int, ...], seed: int) -> Tensor:
    """Small random weights, float32."""
    generator = torch.Generator().manual_seed(seed)
    fan = max(int(np.prod(shape[1:])), 1)
    made: Tensor = torch.randn(shape, generator=generator) * float(fan) ** -0.5
    return made


def voice_tensors(version: str, f0: bool) -> dict[str, Tensor]:
    """The tensors of a voice, float16."""
    shapes = layout(read_config(CONFIG, version, f0))
    return {name: numbers(shape, place).half() for place, (name, shape) in enumerate(shapes.items())}


def voice(version: str, f0: bool, **more: Any) -> dict[str, Any]:
    """The dictionary in a voice file."""
    facts = {"config": CONFIG, "info": "tiny", "sr": "40k", "f0": int(f0), "version": version}
    return {"weight": voice_tensors(version, f0), **facts, **more}


def saved(content: Any, *, new: bool = True) -> bytes:
    """What torch.save writes; `new`: as a zip archive."""
    target = io.BytesIO()
    torch.save(content, target, _use_new_zipfile_serialization=new)
    return target.getvalue()


def safetensors(tensors: Mapping[str, Tensor], **metadata: str) -> bytes:
    """A safetensors file."""
    return bytes(save(dict(tensors), metadata or None))


def hubert_tensors(fields: Mapping[str, Any] = HUBERT) -> dict[str, Tensor]:
    """The tensors of HuBERT with the names of transformers."""
    shapes = expected_shapes(config_from_json(fields))
    shapes |= {"final_proj.weight": (256, fields["hidden_size"]), "final_proj.bias": (256,)}
    return {file_name(name): numbers(tuple(shape), place) for place, (name, shape) in enumerate(shapes.items())}


def hubert_config() -> bytes:
    """The config.json of `hubert_tensors`."""
    return json.dumps(HUBERT).encode()


def crepe_tensors() -> dict[str, Tensor]:
    """The tensors of a narrow CREPE."""
    return {name: numbers(shape, 1) for name, shape in crepe.expected_shapes((2,) * crepe.BLOCKS).items()}


def rmvpe_tensors() -> dict[str, Tensor]:
    """The tensors of the narrowest RMVPE, 1.6 MB."""
    return {name: numbers(shape, 1) for name, shape in rmvpe.expected_shapes(1, hidden=1).items()}


def rmvpe_names() -> dict[str, Tensor]:
    """One number under each name of RMVPE's tensors."""
    return {name: numbers((1,) * len(shape), 1) for name, shape in rmvpe.expected_shapes(1, hidden=1).items()}


def fcpe_tensors() -> dict[str, Any]:
    """The content of a file of a narrow FCPE."""
    return {
        "model": {name: numbers(shape, 1) for name, shape in fcpe.expected_shapes(1, 8).items()},
        "config": {"x": 1},
    }
