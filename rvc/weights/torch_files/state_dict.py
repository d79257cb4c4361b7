"""The tensors of a file's state dict by name, mapped into memory."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from rvc.errors import BadCheckpoint
from rvc.weights.mapped_file import MappedTensors, aligned, map_file
from rvc.weights.recognizers import unknown_weights
from rvc.weights.torch_files.archives import DAMAGE, read_legacy, read_zip
from rvc.weights.torch_files.stored_tensor import StoredTensor, map_tensor


def read_tensors(path: Path, *, copies_unaligned: bool = True) -> MappedTensors:
    """Read the state dict at the top of a file or under its key `model`, `state_dict` or `weight`.

    Args:
        path: the file.
        copies_unaligned: whether tensors of the legacy format, which aligns nothing, are copied to memory; if not, the
            reader has to call `mapped_file.aligned` on each tensor that it uses without a copy.
    Returns:
        The tensors by name, mapped into memory: pages are read when they are used.
    Raises:
        BadCheckpoint: the file holds no tensors, is damaged, or was not written by torch.save.
    """
    try:
        data, mapping = map_file(path)
        is_zip = zipfile.is_zipfile(path)
        if not is_zip and mapping[:1] != b"\x80":
            raise BadCheckpoint(unknown_weights(path.name, mapping[:9]))
        content, storages = read_zip(path) if is_zip else read_legacy(path)
        state = find_state(content)
        tensors = {name: map_tensor(value, data, storages, path.name) for name, value in state.items()}
    except BadCheckpoint as error:
        raise BadCheckpoint(str(error) if path.name in str(error) else f"{path.name}: {error}") from error.__cause__
    except DAMAGE as error:
        raise BadCheckpoint(f"{path.name} is not a readable torch file ({error}); download it again") from error
    if not state:
        raise BadCheckpoint(
            f"{path.name} holds no tensors at its top or under model, state_dict or weight; is it a model file?"
        )
    if copies_unaligned:
        tensors = {name: aligned(tensor) for name, tensor in tensors.items()}
    return MappedTensors(tensors, mapping)


def find_state(content: Any) -> dict[str, StoredTensor]:
    """The first dictionary that holds tensors, by name: under model, state_dict, weight, or the content itself."""
    if not isinstance(content, dict):
        return {}
    for value in (*(dict.get(content, key) for key in ("model", "state_dict", "weight")), content):
        if isinstance(value, dict):
            tensors = {str(k): v for k, v in dict.items(value) if isinstance(v, StoredTensor)}
            if tensors:
                return tensors
    return {}
