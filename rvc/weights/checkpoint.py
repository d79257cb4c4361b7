"""Read weight files safely: tensors, lists, numbers and text, and no code from the file is ever executed.

A torch file contains a pickle, which may name any function and have it called. `rvc.weights.torch_files` replaces each
name by a function or class of its own and imports none. Plain values (numbers, text, lists, also those of NumPy) are
read; objects such as dates, paths and hyperparameters become `PassedOver`, and only a reader that needs such an entry
refuses the file. A file that names a function which loads or runs code is refused. Tensors are mapped: the file's pages
are read when a tensor is used, so a false claim of a large size costs no memory.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.weights import recognizers
from rvc.weights.mapped_file import aligned, map_file
from rvc.weights.native_paths import utf8_name
from rvc.weights.torch_files import archives, stored_tensor
from rvc.weights.torch_files.placeholders import NumpyArray, Placeholder
from rvc.weights.torch_files.stored_tensor import StoredTensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
PLAIN = (bool, int, float, str, type(None))
MAX_DEPTH = 32  # nested levels of lists and dictionaries; a voice has three, an optimizer's state five
MAX_VALUES = 1_000_000  # values in a file; a list that holds one list many times would multiply at each level


@dataclass(frozen=True)
class PassedOver:
    """An entry that is neither a tensor nor a plain value.

    Attributes:
        what: the class of the entry as the file names it.
    """

    what: str

    def __str__(self) -> str:
        return f"an object of {self.what}"


class Refusal(BadCheckpoint):
    """A message that lacks the name of the file; `_read_torch` adds it."""


class FileFormat(StrEnum):
    """The formats of weight files."""

    TORCH_ZIP = "torch zip"  # torch.save since 1.6
    TORCH_LEGACY = "torch legacy"  # torch.save before 1.6
    SAFETENSORS = "safetensors"


@dataclass(frozen=True)
class WeightFile:
    """The content of a file: dictionaries, lists, numbers and text, with tensors mapped from the file.

    Attributes:
        path: the file.
        form: its format.
        content: the dictionary at the top of the file.
        metadata: the texts in the header of a safetensors file.
        mapping: the file in memory, None where its pages cannot be released.
    """

    path: Path
    form: FileFormat
    content: dict[str, Any]
    metadata: dict[str, str]
    mapping: mmap.mmap | None = None


def read(path: str | Path) -> WeightFile:
    """Read a weight file that torch.save or safetensors wrote; its format is recognized by its content.

    Raises:
        BadCheckpoint: the file is missing, cut short, damaged, hostile or of another kind.
    """
    path = Path(path)
    try:
        refuse_no_file(path)
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be opened ({error.strerror}); check the path") from error
    recognizers.refuse_other_content(path, recognizers.Role.VOICE)
    if start[8:] == b"{":  # compared first, because the length of the header before it may have any bytes
        return _read_safetensors(path)
    if start[:4] == b"PK\x03\x04":
        return _read_torch(path, FileFormat.TORCH_ZIP)
    if start[:1] == b"\x80":
        return _read_torch(path, FileFormat.TORCH_LEGACY)
    raise BadCheckpoint(recognizers.unknown_weights(path.name, start))


def refuse_no_file(path: Path) -> None:
    """Raise BadCheckpoint for a folder, and for a pipe or a device, which may never end."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise BadCheckpoint(f"{path} is {what}, expected a file of weights; give the path of one")


def sha256(path: str | Path) -> str:
    """The file's sha256, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tensors(content: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield (name, tensor) for every tensor in nested dictionaries and lists; the name is its path, joined by dots."""
    if isinstance(content, Tensor):
        yield prefix, content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from tensors(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(content, list | tuple):
        for i, value in enumerate(content):
            yield from tensors(value, f"{prefix}.{i}" if prefix else str(i))


def _read_torch(path: Path, form: FileFormat) -> WeightFile:
    try:
        data, mapping = map_file(path)
        read_pickle = archives.read_zip if form is FileFormat.TORCH_ZIP else archives.read_legacy
        content, storages = read_pickle(path)
        if isinstance(content, Placeholder):
            raise Refusal(
                f"is a whole pickled module ({content.origin}), which can only be read by running its program; save "
                "its weights there with torch.save(model.state_dict(), …)"
            )
        if not isinstance(content, dict):
            raise Refusal(f"holds {_describe(content)}, expected a dictionary; is it an RVC model?")
        checker = _ContentChecker(lambda stored: aligned(stored_tensor.map_tensor(stored, data, storages, path.name)))
        checked = checker.check(content)
    except Refusal as refusal:
        raise BadCheckpoint(f"{path.name} {refusal}") from None
    except BadCheckpoint as error:
        raise BadCheckpoint(_about(path, str(error))) from error.__cause__
    except archives.DAMAGE as error:
        raise BadCheckpoint(f"{path.name} is damaged or cut short ({error}); download it again") from error
    return WeightFile(path, form, checked, {}, mapping)


class _ContentChecker:
    """Copies a file's content with tensors in place of their descriptions and `PassedOver` for foreign objects."""

    def __init__(self, map_tensor: Callable[[StoredTensor], Tensor]) -> None:
        self.map_tensor, self.values_left = map_tensor, MAX_VALUES

    def check(self, value: Any, depth: int = MAX_DEPTH) -> Any:
        """Copy a value and everything in it.

        Args:
            value: a value of the unpickled content.
            depth: how many more levels may be nested.
        Raises:
            Refusal: the content is too deep or too large, or a tensor reaches beyond its numbers.
        """
        self.values_left -= 1
        if self.values_left < 0:
            raise Refusal(f"holds more than {MAX_VALUES} values, which no model does; do not trust this file")
        if isinstance(value, StoredTensor):
            count = int(np.prod(value.size, dtype=np.float64))
            if count > value.count:
                raise Refusal(
                    f"describes a tensor of {count} numbers that are {value.count} in the file; it is damaged"
                )
            return self.map_tensor(value)
        if type(value) in PLAIN:
            return value
        if depth == 0:
            raise Refusal(f"nests more than {MAX_DEPTH} levels deep, which no model does; it is damaged")
        if isinstance(value, dict):
            keys = [key for key in dict.keys(value) if type(key) in (str, int)]
            return {key: self.check(dict.get(value, key), depth - 1) for key in keys}
        if type(value) in (list, tuple):
            return [self.check(item, depth - 1) for item in value]
        if isinstance(value, NumpyArray) and value.value is not None:
            return value.value
        return PassedOver(value.origin if isinstance(value, Placeholder) else type(value).__name__)


def _describe(value: Any) -> str:
    """A value that should not be there, in a user's words."""
    if isinstance(value, StoredTensor):
        return "a tensor"
    return "a foreign object" if isinstance(value, Placeholder) else f"a {type(value).__name__}"


def _about(path: Path, sentence: str) -> str:
    """A message of the safe unpickler with the name of the file."""
    if sentence.startswith("the file "):
        return f"{path.name} {sentence.removeprefix('the file ')}"
    return sentence if path.name in sentence else f"{path.name}: {sentence}"


def _read_safetensors(path: Path) -> WeightFile:
    try:
        with utf8_name(path) as name, safe_open(name, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            content = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise BadCheckpoint(f"{path.name} is a damaged safetensors file ({error}); download it again") from error
    return WeightFile(path, FileFormat.SAFETENSORS, content, metadata)


def parse_json(text: str, path: Path, name: str) -> Any:
    """Parse the entry `name` of a file's metadata.  Raises BadCheckpoint when it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadCheckpoint(f"{path.name} carries {name} that is not JSON ({error}); export it again") from error
