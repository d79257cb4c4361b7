"""Tensors as a pickle describes them, and the tensors that share the bytes of the mapped file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rvc.errors import BadCheckpoint

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


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the pickle describes it; its numbers are elsewhere in the file.

    Attributes:
        key: name of the storage that holds the numbers.
        dtype: type of a number.
        count: numbers in the storage.
        offset: number in the storage at which the tensor begins.
        size: shape.
        stride: numbers between two neighbors along each axis.
    """

    key: str
    dtype: torch.dtype
    count: int
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def rebuild(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    """Stand in for torch._utils._rebuild_tensor_v2: describe the tensor.

    Raises:
        BadCheckpoint: an argument is of another type, or the tensor reaches beyond its storage.
    """
    numbers = (offset, *size, *stride)
    if not isinstance(storage, StoredTensor) or not all(type(v) is int and v >= 0 for v in numbers):
        raise BadCheckpoint("the file describes a tensor in a way that torch.save never does; it is damaged")
    size, stride = tuple(size), tuple(stride)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.count:
        raise BadCheckpoint(f"a tensor of shape {size} reaches beyond its {storage.count} stored numbers")
    return StoredTensor(storage.key, storage.dtype, storage.count, offset, size, stride)


def rebuild_parameter(data: Any, *rest: Any) -> Any:
    """Stand in for torch._utils._rebuild_parameter: a parameter is replaced by its tensor."""
    return data


def map_tensor(stored: StoredTensor, data: Tensor, storages: Mapping[str, tuple[int, int]], source: str) -> Tensor:
    """Make a tensor that shares the bytes of the mapped file; its address may be unaligned.

    Args:
        stored: the tensor's description.
        data: uint8 (n,), the file.
        storages: storage key → (offset in the file, bytes).
        source: the file's name, for messages.
    Raises:
        BadCheckpoint: the storage is missing or smaller than the description claims.
    """
    start, size = storages.get(stored.key, (0, -1))
    needed = stored.count * stored.dtype.itemsize
    if size < needed or start + needed > len(data):
        raise BadCheckpoint(f"{source} claims a storage of {needed} bytes but holds {max(size, 0)}; download it again")
    numbers = data.numpy()[start : start + needed].view(f"i{stored.dtype.itemsize}")
    raw = torch.from_numpy(numbers).view(stored.dtype)
    return raw.as_strided(stored.size, stored.stride, raw.storage_offset() + stored.offset)
