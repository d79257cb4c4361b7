"""Read the tensors of any file that torch.save wrote, however foreign its other objects, executing nothing from it.

A pickle names functions and classes and says how to call them. Here no name is ever imported: tensors are rebuilt by
our own code, ordered dictionaries become dictionaries, and every other name (fairseq's Dictionary, argparse's
Namespace, omegaconf's containers) becomes a class of ours whose objects do nothing. Of Python's own library only
containers are named by model files; a file that names anything else of it, such as os.system, is refused.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.weights.mapped_file import Tensors, open_bytes

PICKLE_LIMIT = 64 << 20  # bytes; hubert_base.pt's own pickle is well below 1 MB
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
OWN_LIBRARY = sys.stdlib_module_names | {"__builtin__", "copy_reg"}  # with their names under Python 2
CONTAINERS = {"argparse", "collections", "datetime", "enum", "pathlib", "typing"}
PLAIN_TYPES = {
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
    "unicode",
}
STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Inert:
    """What an unknown object in the file becomes: it accepts anything and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Inert:
        return Inert()

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Take an element of what was a list."""

    def extend(self, values: Any) -> None:
        """Take the elements of what was a list."""

    def add(self, value: Any) -> None:
        """Take an element of what was a set."""


@dataclass(frozen=True)
class Stored:
    """A tensor as the pickle describes it; its numbers lie elsewhere in the file."""

    key: str
    dtype: torch.dtype
    count: int  # elements of the whole storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def rebuild(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    """Describe a tensor, where the pickle would have torch rebuild it; refuse numbers that leave its storage."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, Stored) or not all(type(v) is int and v >= 0 for v in numbers):
        raise BadCheckpoint("the file describes a tensor in a way that torch.save never does; it is damaged")
    size, stride = tuple(size), tuple(stride)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.count:
        raise BadCheckpoint(f"a tensor of shape {size} reaches beyond its {storage.count} stored numbers")
    return Stored(storage.key, storage.dtype, storage.count, offset, size, stride)


def rebuild_parameter(data: Any, *rest: Any) -> Any:
    """A parameter is its tensor."""
    return data


class Unpickler(pickle.Unpickler):
    """An unpickler that imports nothing: the only callables are those of this file and OrderedDict."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.widths: dict[str, int] = {}  # bytes of one number in each storage

    def find_class(self, module: str, name: str) -> Any:
        """Answer every name with something of ours."""
        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return lambda *parts: rebuild(*parts)  # a new function each time: a pickle may try to alter it
        if module == "torch._utils" and name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
            return lambda *parts: rebuild_parameter(*parts)
        if module in ("torch", "torch.storage") and name in STORAGES:
            return STORAGES[name]
        if _commands(module, name):
            raise BadCheckpoint(
                f"the file asks to use {module}.{name} when it is read, which no model needs; nothing was executed, "
                "do not trust this file"
            )
        return type("Inert", (Inert,), {})  # a new class each time, so that the file's can share no state

    def persistent_load(self, pid: Any) -> Any:
        """Describe a storage: ("storage", its type, key, device, number of elements)."""
        if isinstance(pid, tuple) and pid[:1] == ("module",):
            return Inert  # the oldest format kept the source text of classes
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage"):
            raise BadCheckpoint("the file refers to something that torch.save never stores; it is damaged")
        _, dtype, key, _, count = pid[:5]
        if not isinstance(dtype, torch.dtype):
            return Inert()  # a kind of number that we never need
        self.widths[str(key)] = dtype.itemsize
        if type(count) is not int or count < 0:
            raise BadCheckpoint(f"the file claims a storage of {count!r} numbers; it is damaged")
        return Stored(str(key), dtype, count, 0, (count,), (1,))


def _commands(module: str, name: str) -> bool:
    """Whether a name of Python's own library is anything else than a container."""
    root = module.split(".")[0]
    if root in ("builtins", "__builtin__"):
        return name not in PLAIN_TYPES
    harmless = root in CONTAINERS or f"{module}.{name}" in (
        "copyreg._reconstructor",
        "copy_reg._reconstructor",
        "_codecs.encode",
    )
    return root in OWN_LIBRARY and not harmless


def load(file: BinaryIO, kind: type[Unpickler] = Unpickler) -> tuple[Any, dict[str, int]]:
    """Unpickle one object with nothing executed; `kind` may be stricter than Unpickler.

    returns : the object, and for each storage it mentions the bytes of one number
    raises  : BadCheckpoint when the pickle is damaged or asks for what no weight file needs
    """
    unpickler = kind(file)
    try:
        return unpickler.load(), unpickler.widths
    except BadCheckpoint:
        raise
    except Exception as error:  # a hostile or damaged pickle can fail in any way
        raise BadCheckpoint(f"the file's pickle cannot be read ({type(error).__name__}: {error})") from error


def read_tensors(path: Path) -> Tensors:
    """Read a state dict, found at the top or under `model`, `state_dict` or `weight`.

    returns : the tensors by name, mapped into memory: pages are read when they are used
    raises  : BadCheckpoint for a file that holds no tensors, is damaged, or was not written by torch.save
    """
    try:
        whole, mapping = open_bytes(path)
        content, storages = read_zip(path) if zipfile.is_zipfile(path) else read_legacy(path)
    except BadCheckpoint as error:
        raise BadCheckpoint(str(error) if path.name in str(error) else f"{path.name}: {error}") from error.__cause__
    except (OSError, ValueError, zipfile.BadZipFile, struct.error, EOFError) as error:
        raise BadCheckpoint(f"{path.name} is not a readable torch file ({error}); download it again") from error
    state = find_state(content)
    if not state:
        raise BadCheckpoint(f"{path.name} holds no tensors where a model keeps them; is it a model file?")
    tensors = {name: materialise(value, whole, storages, path.name) for name, value in state.items()}
    return Tensors(tensors, mapping)


def find_state(content: Any) -> dict[str, Stored]:
    """The first dictionary of tensors, by name."""
    if not isinstance(content, dict):
        return {}
    for value in (*(dict.get(content, key) for key in ("model", "state_dict", "weight")), content):
        if isinstance(value, dict):
            tensors = {str(k): v for k, v in dict.items(value) if isinstance(v, Stored)}
            if tensors:
                return tensors
    return {}


def materialise(stored: Stored, whole: Tensor, storages: Mapping[str, tuple[int, int]], source: str) -> Tensor:
    """Lay a tensor over the bytes of the mapped file."""
    start, size = storages.get(stored.key, (0, -1))
    needed = stored.count * stored.dtype.itemsize
    if size < needed or start + needed > len(whole):
        raise BadCheckpoint(f"{source} claims a storage of {needed} bytes but holds {max(size, 0)}; download it again")
    raw = whole[start : start + needed]
    if start % stored.dtype.itemsize:
        raw = raw.clone()
    return raw.view(stored.dtype).as_strided(
        stored.size, stored.stride, raw.storage_offset() // stored.dtype.itemsize + stored.offset
    )


def read_zip(path: Path, kind: type[Unpickler] = Unpickler) -> tuple[Any, dict[str, tuple[int, int]]]:
    """torch.save's zip: the pickle `*/data.pkl` and the storages `*/data/KEY`, as (offset, bytes) in the file."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        names = [name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(names) != 1:
            raise BadCheckpoint(f"{path.name} is a zip file, but not one that torch.save writes")
        prefix = names[0].removesuffix("data.pkl")
        if f"{prefix}byteorder" in archive.namelist() and _first(archive, f"{prefix}byteorder") != b"little":
            raise BadCheckpoint(f"{path.name} was written on a big-endian machine; save it again on a usual one")
        if archive.getinfo(names[0]).file_size > PICKLE_LIMIT:
            raise BadCheckpoint(f"{path.name} has a pickle of more than {PICKLE_LIMIT >> 20} MB; it is no model")
        content, _ = load(io.BytesIO(archive.read(names[0])), kind)
        storages = {}
        for info in archive.infolist():
            if info.filename.startswith(f"{prefix}data/") and info.compress_type == zipfile.ZIP_STORED:
                file.seek(info.header_offset)
                header = struct.unpack("<4s5H3I2H", file.read(30))
                start = info.header_offset + 30 + header[9] + header[10]
                storages[info.filename.removeprefix(f"{prefix}data/")] = (start, info.file_size)
    return content, storages


def _first(archive: zipfile.ZipFile, name: str) -> bytes:
    """The first bytes of an entry, however much it would unpack to."""
    with archive.open(name) as entry:
        return entry.read(8)


def read_legacy(path: Path, kind: type[Unpickler] = Unpickler) -> tuple[Any, dict[str, tuple[int, int]]]:
    """torch.save's format before 1.6: pickles one after the other, then each storage behind its length."""
    with path.open("rb") as file:
        if load(file, kind)[0] != LEGACY_MAGIC:
            raise BadCheckpoint(f"{path.name} is a pickle, but not one that torch.save writes")
        load(file, kind)  # protocol
        load(file, kind)  # the writer's word sizes
        content, widths = load(file, kind)
        keys, _ = load(file, kind)
        storages: dict[str, tuple[int, int]] = {}
        for key in keys if isinstance(keys, list) else ():
            (count,) = struct.unpack("<q", file.read(8))
            if str(key) not in widths or count < 0:
                raise BadCheckpoint(f"{path.name} holds a storage that its pickle does not describe; it is damaged")
            storages[str(key)] = (file.tell(), count * widths[str(key)])
            file.seek(count * widths[str(key)], io.SEEK_CUR)
    return content, storages
