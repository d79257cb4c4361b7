"""Content features: 16 kHz samples (1, L) → features (1, n, C), and loading HuBERT (docs/spec/02)."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from rvc.errors import BadCheckpoint, BadInput
from rvc.nn.hubert import Hubert, HubertConfig, config_from_json
from rvc.nn.hubert_tensor_names import check, config_from_tensors, translate
from rvc.voice_kinds import VERSIONS
from rvc.weights.mapped_file import MappedTensors, read_safetensors
from rvc.weights.memory import trim_heap
from rvc.weights.policy import RESIDENT, WeightPolicy
from rvc.weights.safe_unpickler import read_tensors

# The dtype of HuBERT's matrix products, by precision; under "int8" only the generator uses 8-bit integers.
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.bfloat16}
FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")  # weight files of a transformers folder, best first


def load_hubert(
    path: str | Path,
    device: str | torch.device = "cpu",
    precision: str = "float32",
    policy: WeightPolicy = RESIDENT,
) -> Hubert:
    """Load HuBERT or ContentVec.

    Args:
        path: a transformers folder (config.json and model.safetensors or pytorch_model.bin), or one file: .safetensors,
            pytorch_model.bin, or fairseq's hubert_base.pt, whose configuration objects are not unpickled.
        device: where the network runs.
        precision: "float32", or "bfloat16" for its matrix products.
        policy: how the network holds its weights, and whether it converts the blocks of a stream.
    Raises:
        BadCheckpoint: a file or a tensor is missing, damaged, or of another network.
    """
    path = Path(path)
    if not path.exists():
        raise BadCheckpoint(f"there is no HuBERT at {path}; give a transformers folder or a hubert_base.pt")
    config: HubertConfig | None = None
    if path.is_dir():
        config = read_config(path / "config.json")
        path = weight_file(path)
    file = read_weights(path)
    weights = file.renamed(translate(file, path.name))
    if config is None:
        beside = path.parent / "config.json"
        config = config_from_tensors(weights, path.name)
        if beside.is_file() and path.name in FOLDER_FILES:
            config = read_config(beside)
    check(weights, config, path.name)
    hubert = Hubert(config, weights, device, PRECISIONS[precision], policy)
    trim_heap()
    return hubert


def extract(audio: Tensor, hubert: Hubert, version: str) -> Tensor:
    """Extract content features.

    Args:
        audio: float32 (1, L) at 16 kHz.
        hubert: the network.
        version: "v1" (layer 9, projected to 256 channels) or "v2" (layer 12, 768 channels).
    Returns:
        float32 (1, n, C), one frame every 20 ms, n = (L - 400) // 320 + 1.
    Raises:
        BadInput: there are fewer than 400 samples, or no such version.
    """
    if version not in VERSIONS:
        raise BadInput(f"a voice of version {version!r} is unknown; expected v1 or v2")
    features: Tensor = hubert(audio, layer=VERSIONS[version].hubert_layer, project=VERSIONS[version].projected)
    return features


def weight_file(folder: Path) -> Path:
    """The weight file of a transformers folder.

    Raises:
        BadCheckpoint: the folder has none.
    """
    for name in FOLDER_FILES:
        if (folder / name).is_file():
            return folder / name
    raise BadCheckpoint(f"the HuBERT folder {folder} has neither {' nor '.join(FOLDER_FILES)}; download it again")


def read_config(path: Path) -> HubertConfig:
    """Read the sizes of the network from a config.json.

    Raises:
        BadCheckpoint: the file is missing or damaged.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(fields, dict):
            raise ValueError("it is not an object")
        return config_from_json(fields)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BadCheckpoint(f"the HuBERT folder's {path.name} cannot be read ({error})") from error


def read_weights(path: Path) -> MappedTensors:
    """All tensors of a weight file, mapped into memory.

    Raises:
        BadCheckpoint: the file is damaged or hostile.
    """
    return read_safetensors(path) if path.suffix == ".safetensors" else read_tensors(path)
