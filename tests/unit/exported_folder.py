"""A small voice exported to ONNX, what it is made of, and small weights of every F0 method."""

from __future__ import annotations

import json
from pathlib import Path

import faiss
import numpy as np
import pytest
import soundfile
import torch
from tiny import write_hubert, write_voice

from rvc.config import Config
from rvc.exported import export
from rvc.nn import crepe as crepe_network
from rvc.nn import fcpe as fcpe_network
from rvc.nn import rmvpe as rmvpe_network
from rvc.noise import Seeded
from rvc.pipeline import offline
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.trace import Recorder


def write_index(path: Path, width: int = 256, vectors: int = 300) -> Path:
    """A small IVFFlat index, as the WebUI builds it."""
    values = np.random.default_rng(0).standard_normal((vectors, width)).astype(np.float32)
    index = faiss.index_factory(width, "IVF4,Flat")
    index.train(values)
    index.add(values)
    faiss.write_index(index, str(path))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with a voice with F0, one without, HuBERT, an index and a recording."""
    folder = tmp_path_factory.mktemp("exported")
    write_voice(folder / "voice.pth")
    write_voice(folder / "plain.pth", f0=False)
    write_hubert(folder / "hubert")
    write_index(folder / "voice.index")
    sound = np.random.default_rng(1).standard_normal(16000).astype(np.float32) * 0.1
    soundfile.write(folder / "in.wav", sound + 0.2 * np.sin(np.arange(16000) * 0.08).astype(np.float32), 16000)
    return folder


def networks(files: Path, voice: str = "voice.pth", index: bool = True) -> VoiceNetworks:
    """The networks of a voice in the folder `files`."""
    return VoiceNetworks(files / voice, files / "hubert", files / "voice.index" if index else None)


@pytest.fixture(scope="module")
def folder(files) -> Path:
    """The voice with F0 and its index, exported and verified."""
    export.export_folder(networks(files), files / "onnx", f0_methods=[], profile="webui-2026")
    return files / "onnx"


def record(parts, sound, **options) -> Recorder:
    """Every tensor of a conversion with fixed noise."""
    tap = Recorder()
    config = Config.of("webui-2026", f0_method="pm", **options)
    offline.convert(sound, parts, config, noise=Seeded(3), tap=tap)
    return tap


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    """Weights of these shapes, scaled so that activations keep their size; variances and scales are positive."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=generator) * max(int(np.prod(shape[1:])), 1) ** -0.5
        positive = name.endswith(("running_var", "weight_g")) or (name.endswith("weight") and len(shape) == 1)
        tensors[name] = value.abs() + 0.5 if positive else value
    return tensors


# F0 method → the shapes of a small network, and the class that is made of its weights.
SMALL = {
    "rmvpe": (rmvpe_network.expected_shapes(base=2, hidden=8), rmvpe_network.Rmvpe),
    "fcpe": (fcpe_network.expected_shapes(2, 16), fcpe_network.Fcpe),
    "crepe": (crepe_network.expected_shapes((16, 8, 8, 8, 8, 8)), crepe_network.Crepe),
}


def broken(folder: Path, **changes: object) -> None:
    """Replace fields of voice.json."""
    fields = json.loads((folder / "voice.json").read_text()) | changes
    (folder / "voice.json").write_text(json.dumps(fields))
