"""Safetensors files of other programs: every tensor that numpy can hold, half precision widened, the rest named."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from parity.errors import ParityError
from parity.goldens.arrays import Array, Tensors
from parity.goldens.text import printable

HALF = {"BF16": "bfloat16", "F16": "float16"}  # dtype of safetensors → name in the field `dtypes` of the handshake
_NUMPY = ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64", "C64")
_ZIP = b"PK\x03\x04"  # the first bytes of .npz and .pt files
_SHOWN = 100  # characters of a library's message that a sentence quotes


class NotSafetensors(ParityError):
    """The file is another kind of file, or is not complete."""


class UnreadableDtype(ParityError):
    """A tensor has a dtype that cannot be read."""


def read(path: Path, half: tuple[str, ...] = ()) -> Tensors:
    """Full name → array.

    Args:
        path: an existing file.
        half: the half precisions (values of `HALF`) whose tensors are read, as float32.
    Raises:
        NotSafetensors: another kind of file, or an incomplete one.
        UnreadableDtype: a tensor whose dtype is neither one of numpy nor in `half`.
    """
    try:
        with path.open("rb") as raw:
            if raw.read(4) == _ZIP:
                raise NotSafetensors("a zip archive (is it .npz or .pt?), not a safetensors file")
        with safe_open(path, framework="numpy") as file:
            return {printable(name): _tensor(file, path, name, half) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        if unknown := _unknown_dtype(str(error)):
            raise UnreadableDtype(f"a tensor of dtype {unknown}, which safetensors does not have") from None
        raise NotSafetensors(f"not a complete safetensors file ({_last_line(error)})") from None


def write(tensors: Mapping[str, Array], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write contiguous arrays as one safetensors file.

    Raises:
        OSError: the system refuses, as on a full disk; safetensors has an error of its own for it.
    """
    try:
        save_file(dict(tensors), path, dict(metadata) if metadata is not None else None)
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written ({_last_line(error)})") from None


def _tensor(file: Any, path: Path, name: str, half: tuple[str, ...]) -> Array:
    dtype = str(file.get_slice(name).get_dtype())
    if HALF.get(dtype) in half:
        return _bfloat16(path, name) if dtype == "BF16" else file.get_tensor(name).astype(np.float32)
    if dtype not in _NUMPY:
        hint = f' (or declare "{HALF[dtype]}" in dtypes)' if dtype in HALF else ""
        raise UnreadableDtype(f"{printable(name)} as {dtype}; write float32{hint}")
    value: Array = file.get_tensor(name).copy()
    return value


def _bfloat16(path: Path, name: str) -> Array:
    """A BF16 tensor of a file that `safe_open` has accepted; a bfloat16 is the upper half of a float32."""
    with path.open("rb") as raw:
        length = int.from_bytes(raw.read(8), "little")
        entry = json.loads(raw.read(length))[name]
        begin, end = entry["data_offsets"]
        raw.seek(8 + length + begin)
        upper = np.frombuffer(raw.read(end - begin), "<u2")
    return (upper.astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])


def _unknown_dtype(message: str) -> str:
    """The dtype in safetensors' message about a dtype that it does not support; "" for any other message."""
    _, marker, rest = message.partition("unknown variant `")
    return printable(rest.partition("`")[0])[:_SHOWN] if marker else ""


def _last_line(error: BaseException) -> str:
    return printable(str(error).splitlines()[-1])[:_SHOWN] if str(error) else type(error).__name__
