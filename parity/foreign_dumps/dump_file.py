"""Dumps as named arrays: safetensors, .npy, .npz, torch.save files, and folders of these or of raw files with shapes.

Files are recognized by their first bytes. Nothing that a file names is executed: object arrays are refused, and a torch
file may hold plain containers and tensors only.
"""

import json
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.candidates import request_files
from parity.candidates.process import ProtocolError
from parity.errors import TraceError
from parity.goldens import tensor_file
from parity.goldens.arrays import Array, Tensors
from parity.goldens.text import printable
from parity.voices import torch_file

MOST_BYTES = 8 << 30  # bytes of an unpacked .npz file; a larger one is not the dump of one conversion
_ZIP, _NPY = b"PK\x03\x04", b"\x93NUMPY"
# First bytes of files that hold arrays, or that are compressed, and that are not read.
_OTHERS = (
    (b"\x1f\x8b", "compressed by gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard"),
    (b"\xfd7zXZ", "compressed by xz"),
    (b"\x89HDF", "an HDF5 file"),
    (b"MATLAB", "a MATLAB file"),
    (b"ARROW1", "an Arrow file"),
    (b"PAR1", "a Parquet file"),
    (b"GGUF", "a GGUF file"),
)
_HEAD = 9  # bytes that decide what a file is
_SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".safetensors")
_KINDS = "a safetensors, .npy, .npz or .pt file, or a folder of them or of raw files with their shapes in a JSON"


def read(path: Path) -> Tensors:
    """The arrays of a dump; half precision is widened to float32.

    In a folder, a name is the path below it without the suffix, and that of a member of an .npz follows after "/".

    Args:
        path: a file or a folder.
    Raises:
        TraceError: it does not exist, is of another kind, is not complete, or holds no array.
    """
    if not path.exists():
        raise TraceError(f"there is no file {path}; give the path of a trace (.safetensors) or another dump")
    made = dict(_folder(path) if path.is_dir() else _file(path, ""))
    if not made:
        raise TraceError(f"{path} holds no tensor; give {_KINDS}")
    return {name: _widened(value) for name, value in made.items()}


def is_safetensors(path: Path) -> bool:
    """Whether a path is a file of no kind that other dumps have."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            return not (head.startswith((_ZIP, _NPY)) or _is_pickle(head))
    except OSError:
        return False


def _is_pickle(head: bytes) -> bool:
    """Whether a file is a pickle of protocol 2 to 5; the length of a safetensors header can begin alike."""
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and head[8:9] != b"{"


def _folder(folder: Path) -> Iterator[tuple[str, Array]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        place = path.relative_to(folder).with_suffix("").as_posix()
        if path.suffix in _SUFFIXES:
            yield from _file(path, place)
        elif path.suffix == ".json" and _is_shapes(path):
            try:
                yield from request_files.read_raw(path, foreign=True).items()
            except ProtocolError as error:
                raise TraceError(f"{error}; each entry is name: {{file, dtype, shape}}") from None


def _is_shapes(path: Path) -> bool:
    """Whether a JSON describes raw files, as `rvc-parity cases --raw` writes it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return (
        isinstance(document, dict)
        and bool(document)
        and all(isinstance(entry, dict) and {"file", "dtype", "shape"} <= entry.keys() for entry in document.values())
    )


def _file(path: Path, place: str) -> Iterator[tuple[str, Array]]:
    """The arrays of one file; `place` is its name in a folder, "" for a file that is named itself."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(_NPY):
            yield place or path.stem, np.load(path, allow_pickle=False)
        elif head.startswith(_ZIP):
            yield from _archive(path, f"{place}/" if place else "")
        elif kind := next((word for magic, word in _OTHERS if head.startswith(magic)), None):
            raise TraceError(f"{path} is {kind}, which is not read; give {_KINDS}")
        elif _is_pickle(head):
            raise TraceError(f"{path} is a pickle, which could execute anything; write it by torch.save or numpy.savez")
        else:
            inner = f"{place}/" if place else ""
            for name, value in tensor_file.read(path, tuple(tensor_file.HALF.values())).items():
                yield f"{inner}{name}", value
    except tensor_file.NotSafetensors as error:
        raise TraceError(f"{path} is {error}; give {_KINDS}") from None
    except tensor_file.UnreadableDtype as error:
        raise TraceError(f"{path} holds {error}; give {_KINDS}") from None
    except (OSError, ValueError, EOFError, KeyError, IndexError, TypeError, MemoryError) as error:
        raise TraceError(f"{path} cannot be read as a dump ({_reason(error)}); give {_KINDS}") from None
    except (zipfile.BadZipFile, pickle.UnpicklingError, NotImplementedError, RuntimeError) as error:
        raise TraceError(f"{path} is not complete, or holds other than tensors ({_reason(error)})") from None


def _archive(path: Path, place: str) -> Iterator[tuple[str, Array]]:
    """The members of an .npz, or the tensors of a torch file."""
    with zipfile.ZipFile(path) as archive:
        names, size = archive.namelist(), sum(member.file_size for member in archive.infolist())
    if size > MOST_BYTES:
        raise TraceError(f"{path} unpacks to {size >> 30} GiB, more than a dump of one conversion holds")
    if any(name.endswith("data.pkl") for name in names):
        yield from _tensors(torch_file.read(path), place)
        return
    with np.load(path, allow_pickle=False) as members:
        for name in members.files:
            yield f"{place}{printable(name)}", members[name]


def _tensors(value: Any, place: str) -> Iterator[tuple[str, Array]]:
    """The arrays in nested containers, their keys joined by dots."""
    if isinstance(value, np.ndarray):
        yield place.rstrip("/.") or "tensor", value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _tensors(item, f"{place}{printable(str(key))}.")
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _tensors(item, f"{place}{number}.")


def _widened(value: Array) -> Array:
    return value.astype(np.float32) if value.dtype == np.float16 else np.ascontiguousarray(value).reshape(value.shape)


def _reason(error: BaseException) -> str:
    return printable(str(error).splitlines()[0])[:100] if str(error) else type(error).__name__
