"""Weight files opened safely: tensors, lists, numbers and text come out, and nothing in the file is ever executed.

A torch file is a pickle, which may name any function and have it called. Here the names it may use are a closed list
of eight kinds of number and three ways to hold them, each answered by code of ours; a file that names anything else
is refused. That is torch's `weights_only`, with a shorter list and without torch's unpickler. Tensors stay where they
are in the file: its pages are read when a tensor is used, so a claim of two gigabytes costs nothing before it is
found to be false.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.weights import safe_unpickler
from rvc.weights.mapped_file import open_bytes

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
PLAIN = (bool, int, float, str, type(None))
DAMAGE = (  # what reading a damaged archive can end in
    OSError,
    ValueError,
    RuntimeError,
    EOFError,
    OverflowError,
    MemoryError,
    LookupError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)
DEEPEST = 32  # levels of lists and dictionaries; a voice has three, an optimizer's state five
MOST = 1_000_000  # values in all; a list that holds one list many times would multiply at each level
ALLOWED = {
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    *(f"{module}.{name}" for module in ("torch", "torch.storage") for name in safe_unpickler.STORAGES),
}


class Refusal(BadCheckpoint):
    """A refusal that already says which file it is about."""


@dataclass(frozen=True)
class Opened:
    """What a file holds: dictionaries, lists, numbers and text, with tensors mapped from the file.

    form : "torch zip", "torch legacy" or "safetensors";  metadata : the texts that a safetensors file carries
    mapping : the file in memory, where its pages can be given back
    """

    path: Path
    form: str
    content: dict[str, Any]
    metadata: dict[str, str]
    mapping: mmap.mmap | None = None


def read(path: str | Path) -> Opened:
    """Open any weight file that torch.save or safetensors wrote, whatever its name ends with.

    raises : BadCheckpoint, one sentence, for a file that is missing, cut short, damaged, hostile or of another kind
    """
    path = Path(path)
    try:
        refuse_no_file(path)
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be opened ({error.strerror}); check the path") from error
    if start[:4] == b"PK\x03\x04":
        return _read_torch(path, "torch zip")
    if start[:1] == b"\x80":
        return _read_torch(path, "torch legacy")
    if start[8:] == b"{":
        return _read_safetensors(path)
    what = "is empty" if not start else "is neither a torch file nor a safetensors file"
    raise BadCheckpoint(f"{path.name} {what}; expected what torch.save or safetensors writes, download it again")


def refuse_no_file(path: Path) -> None:
    """Raises BadCheckpoint for a pipe or a device, which may never end."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise BadCheckpoint(f"{path} is {what}, expected a file of weights; give the path of one")


def sha256(path: str | Path) -> str:
    """The file's sha256, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tensors(content: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in a tree of dictionaries and lists, its name the path to it joined by dots."""
    if isinstance(content, Tensor):
        yield prefix, content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from tensors(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(content, list | tuple):
        for i, value in enumerate(content):
            yield from tensors(value, f"{prefix}.{i}" if prefix else str(i))


class Strict(safe_unpickler.Unpickler):
    """The reader that imports nothing, made to refuse every name that a voice has no use for."""

    def find_class(self, module: str, name: str) -> Any:
        """Ours in place of an allowed name; raises Refusal for any other."""
        if f"{module}.{name}" not in ALLOWED:
            raise Refusal(
                f"asks to use {module}.{name} when it is read, which no voice needs; "
                "nothing was executed, do not trust this file"
            )
        return (lambda *sizes: tuple(*sizes)) if name == "Size" else super().find_class(module, name)


def _read_torch(path: Path, form: str) -> Opened:
    try:
        whole, mapping = open_bytes(path)
        content, storages = (safe_unpickler.read_zip if form == "torch zip" else safe_unpickler.read_legacy)(
            path, Strict
        )
        if not isinstance(content, dict):
            raise Refusal(f"holds {_called(content)}, expected a dictionary; is it an RVC model?")
        tree = _Tree(lambda stored: safe_unpickler.materialise(stored, whole, storages, path.name)).settle(content)
    except Refusal as refusal:
        raise BadCheckpoint(f"{path.name} {refusal}") from None
    except BadCheckpoint as error:
        raise BadCheckpoint(_about(path, str(error))) from error.__cause__
    except DAMAGE as error:
        raise BadCheckpoint(f"{path.name} is damaged or cut short ({error}); download it again") from error
    return Opened(path, form, tree, {}, mapping)


class _Tree:
    """A file's content, tensors in place of their descriptions; nothing in it but what is on the closed list."""

    def __init__(self, lay: Callable[[safe_unpickler.Stored], Tensor]) -> None:
        self.lay, self.left = lay, MOST

    def settle(self, value: Any, depth: int = DEEPEST) -> Any:
        """The value and all it holds, `depth` levels down.  Raises Refusal for anything else than a model's values."""
        self.left -= 1
        if self.left < 0:
            raise Refusal(f"holds more than {MOST} values, which no model does; do not trust this file")
        if isinstance(value, safe_unpickler.Stored):
            count = int(np.prod(value.size, dtype=np.float64))
            if count > value.count:
                raise Refusal(
                    f"describes a tensor of {count} numbers that are {value.count} in the file; it is damaged"
                )
            return self.lay(value)
        if type(value) in PLAIN:
            return value
        if depth == 0:
            raise Refusal(f"nests more than {DEEPEST} levels deep, which no model does; it is damaged")
        if isinstance(value, dict):
            return {_key(key): self.settle(dict.get(value, key), depth - 1) for key in dict.keys(value)}
        if type(value) in (list, tuple):
            return [self.settle(item, depth - 1) for item in value]
        raise Refusal(f"holds {_called(value)}, expected only tensors, lists, numbers and text; is it an RVC model?")


def _called(value: Any) -> str:
    """What a user calls a value that should not be there."""
    if isinstance(value, safe_unpickler.Stored):
        return "a tensor"
    return "a foreign object" if isinstance(value, safe_unpickler.Inert) else f"a {type(value).__name__}"


def _key(key: Any) -> Any:
    if type(key) not in (str, int):
        raise Refusal(f"has a {type(key).__name__} as a name, expected text; is it an RVC model?")
    return key


def _about(path: Path, sentence: str) -> str:
    """A sentence of the inert reader, made to name the file."""
    return sentence if path.name in sentence else f"{path.name}: {sentence}"


def _read_safetensors(path: Path) -> Opened:
    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise BadCheckpoint(f"{path.name} is a damaged safetensors file ({error}); download it again") from error
    return Opened(path, "safetensors", content, metadata)


def parsed(text: str, path: Path, name: str) -> Any:
    """A JSON text from a file's metadata; raises BadCheckpoint when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadCheckpoint(f"{path.name} carries {name} that is not JSON ({error}); export it again") from error
