"""Safetensors files with numpy alone, because a program's environment need not hold the library safetensors."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, "NDArray[np.generic]"]
_DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}
_NAMES: dict["np.dtype[np.generic]", str] = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}
_LENGTH = 8  # bytes of the header's length, an unsigned integer, little endian


def read(path: str | Path) -> dict[str, "NDArray[np.generic]"]:
    """Name → array of a file; each array is a copy that may be written to."""
    content = Path(path).read_bytes()
    begin = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    header = json.loads(content[_LENGTH:begin])
    tensors: dict[str, NDArray[np.generic]] = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, stop = entry["data_offsets"]
            flat: NDArray[np.generic] = np.frombuffer(content[begin + start : begin + stop], _DTYPES[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"]).copy()
    return tensors


def write(path: str | Path, tensors: Tensors) -> None:
    """Write arrays as one file.

    Raises:
        ValueError: an array has a dtype that safetensors lacks.
    """
    header: dict[str, object] = {}
    offset, parts = 0, []
    for name, value in tensors.items():
        if value.dtype not in _NAMES:
            raise ValueError(f"{name} has dtype {value.dtype}; expected one of {', '.join(map(str, _NAMES))}")
        parts.append(np.ascontiguousarray(value).tobytes())
        end = offset + len(parts[-1])
        header[name] = {"dtype": _NAMES[value.dtype], "shape": list(value.shape), "data_offsets": [offset, end]}
        offset = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % _LENGTH)
    Path(path).write_bytes(len(encoded).to_bytes(_LENGTH, "little") + encoded + b"".join(parts))
