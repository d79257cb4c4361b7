"""Content features: 16 kHz samples (1, L) → features (1, n, C), and loading HuBERT (docs/spec/02)."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from rvc.errors import BadCheckpoint, BadInput
from rvc.nn.hubert import Hubert
from rvc.nn.hubert_config import HubertConfig, config_from_json
from rvc.nn.hubert_tensor_names import check, config_from_tensors, file_name, translate
from rvc.nn.kernels import conv as kernel_dtypes
from rvc.voice_kinds import VERSIONS
from rvc.weights.mapped_file import MappedTensors, read_safetensors
from rvc.weights.memory import trim_heap
from rvc.weights.numbers import refuse_nonfinite
from rvc.weights.policy import RESIDENT, WeightPolicy
from rvc.weights.recognizers import Role, refuse_other_content, refuse_other_tensors
from rvc.weights.torch_files.state_dict import read_tensors

# The dtype of HuBERT's matrix products, by precision; under "int8" only the generator uses 8-bit integers.
PRECISIONS = kernel_dtypes.PRECISIONS | {"int8": torch.bfloat16}
# Weight files of a transformers folder. Where there are both, the first is read.
FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")


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
        precision: "float32", or "bfloat16" or (on a GPU) "float16" for its matrix products.
        policy: how the network holds its weights, and whether it uses the faster products for realtime blocks.
    Returns:
        The network, ready to run.
    Raises:
        BadCheckpoint: a file or a tensor is missing, damaged, or of another network.
    """
    config, weights = read_hubert(Path(path))
    hubert = Hubert(config, weights, device, PRECISIONS[precision], policy)
    trim_heap()
    return hubert


def read_hubert(path: Path) -> tuple[HubertConfig, MappedTensors]:
    """Read the sizes and the tensors of HuBERT and check them against each other; the tensors stay mapped.

    Raises:
        BadCheckpoint: a file or a tensor is missing, damaged, or of another network.
    """
    if not path.exists():
        raise BadCheckpoint(f"there is no HuBERT at {path}; give a transformers folder or a hubert_base.pt")
    config: HubertConfig | None = None
    if path.is_dir():
        config = read_config(path / "config.json")
        path = weight_file(path)
    file = read_weights(path)
    refuse_other_tensors(path.name, file, Role.HUBERT)
    weights = file.renamed(translate(file, path.name))
    if config is None:
        beside = path.parent / "config.json"
        config = config_from_tensors(weights, path.name)
        if beside.is_file() and path.name in FOLDER_FILES:
            config = read_config(beside)
    check(weights, config, path.name)
    return config, weights


def check_hubert(path: Path, version: str) -> None:
    """Check that a HuBERT has the layers and the channels that voices of a version read; no network is built.

    Raises:
        BadCheckpoint: as `read_hubert`; or it has too few layers, other channels, no `final_proj`, or numbers that
            are not finite.
    """
    config, weights = read_hubert(path)
    file = (weight_file(path) if path.is_dir() else path).name
    needed = VERSIONS[version]
    if config.layers < needed.hubert_layer:
        raise BadCheckpoint(
            f"{path.name} has {config.layers} transformer layers, but {version} voices are converted with layer "
            f"{needed.hubert_layer}; give HuBERT-base or ContentVec with --hubert"
        )
    if needed.projected and "final_proj.weight" not in weights:
        raise BadCheckpoint(
            f"{path.name} has no final_proj, which {version} voices need; use a ContentVec model that keeps it"
        )
    width = config.projected if needed.projected else config.width
    if width != needed.content_channels:
        raise BadCheckpoint(
            f"{path.name} makes content features of {width} channels, but {version} voices read "
            f"{needed.content_channels}; give HuBERT-base or ContentVec with --hubert"
        )
    refuse_nonfinite(weights, file, file_name)


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


def is_hubert_folder(folder: Path) -> bool:
    """Whether a folder holds a config.json or a weight file, as transformers writes them."""
    return (folder / "config.json").is_file() or any((folder / name).is_file() for name in FOLDER_FILES)


def weight_file(folder: Path) -> Path:
    """The weight file of a transformers folder.

    Raises:
        BadCheckpoint: the folder has none.
    """
    for name in FOLDER_FILES:
        if (folder / name).is_file():
            return folder / name
    if any(folder.glob("*-of-*.safetensors")) or any(folder.glob("*-of-*.bin")):
        raise BadCheckpoint(
            f"the HuBERT folder {folder} holds its weights in several files (shards); load it with transformers "
            "and save it with save_pretrained, which writes one model.safetensors"
        )
    raise BadCheckpoint(f"the HuBERT folder {folder} has neither {' nor '.join(FOLDER_FILES)}; download it again")


def read_config(path: Path) -> HubertConfig:
    """Read the sizes of the network from a config.json.

    Raises:
        BadCheckpoint: the file is missing or damaged.
    """
    if not path.is_file():
        raise BadCheckpoint(
            f"the HuBERT folder {path.parent} has no config.json, which holds the network's sizes; put it there, or "
            "give the weight file itself with --hubert"
        )
    try:
        fields = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(fields, dict):
            raise ValueError("it is not an object")
        return config_from_json(fields)
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadCheckpoint(f"the HuBERT folder's {path.name} cannot be read ({error})") from error


def read_weights(path: Path, role: Role = Role.HUBERT) -> MappedTensors:
    """All tensors of a weight file, mapped into memory; its format is recognized by its content.

    Args:
        path: the file.
        role: the option by which the file was passed, for messages.
    Raises:
        BadCheckpoint: the file is damaged or hostile.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be opened ({error.strerror}); check the path") from error
    refuse_other_content(path, role)
    is_safetensors = start[8:] == b"{" or (path.suffix == ".safetensors" and start[:4] != b"PK\x03\x04")
    return read_safetensors(path) if is_safetensors else read_tensors(path, copies_unaligned=role is not Role.HUBERT)
