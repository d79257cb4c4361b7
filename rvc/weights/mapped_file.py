"""Weight files mapped into memory: pages are read when used, and can be released once a tensor was packed."""

from __future__ import annotations

import json
import math
import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rvc.errors import BadCheckpoint

HEADER_LIMIT = 100 << 20  # bytes, safetensors' own limit
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class MappedTensors(dict[str, Tensor]):
    """Named tensors whose memory is a mapped file."""

    def __init__(self, tensors: Mapping[str, Tensor], mapping: mmap.mmap | None = None) -> None:
        super().__init__(tensors)
        self.mapping = mapping

    def renamed(self, tensors: Mapping[str, Tensor]) -> MappedTensors:
        """A mapping of other names to tensors of this file, which keeps the file mapped.

        Args:
            tensors: new name → tensor of this mapping or a view of one.
        """
        return MappedTensors(tensors, self.mapping)

    def release_pages(self) -> None:
        """Release the file's pages; they are read from the file when a tensor is used again."""
        if self.mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapping.madvise(mmap.MADV_DONTNEED)


def map_file(path: Path) -> tuple[Tensor, mmap.mmap]:
    """Map a file into memory.

    Returns:
        Its bytes, uint8 (n,), whose pages are copied when written to, and the mapping.
    Raises:
        OSError: the file cannot be opened.
        ValueError: the file is empty.
    """
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return torch.from_numpy(np.frombuffer(mapping, np.uint8)), mapping


def aligned(tensor: Tensor) -> Tensor:
    """The tensor itself where its address is a multiple of its element size; else a copy."""
    return tensor if tensor.data_ptr() % tensor.element_size() == 0 else tensor.clone()


def read_safetensors(path: Path) -> MappedTensors:
    """Map the tensors of a safetensors file into memory.

    Raises:
        BadCheckpoint: the file is damaged or not a safetensors file.
    """
    try:
        content, mapping = map_file(path)
        (length,) = struct.unpack("<Q", bytes(content[:8].numpy()))
        if length > min(HEADER_LIMIT, len(content) - 8):
            raise ValueError(f"its header claims {length} bytes")
        header = json.loads(bytes(content[8 : 8 + length].numpy()))
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        return MappedTensors({name: _tensor(entry, content[8 + length :]) for name, entry in entries.items()}, mapping)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise BadCheckpoint(f"{path.name} is not a readable safetensors file ({error}); download it again") from error


def _tensor(entry: Any, data: Tensor) -> Tensor:
    dtype, shape, (start, end) = DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
    if not all(type(v) is int and v >= 0 for v in (*shape, start, end)):
        raise ValueError("it has sizes that are not counts")
    if end > len(data) or end - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"it claims {end - start} bytes at {start} for shape {shape} of {len(data)} bytes")
    raw = data[start:end]
    return (raw if raw.storage_offset() % dtype.itemsize == 0 else raw.clone()).view(dtype).view(shape)
