"""Files of `torch.save`, written and read without torch: a zip archive of one pickle and the bytes of each tensor.

The layout is that of `torch.save` since PyTorch 1.6. `NAME/data.pkl` is a pickle of protocol 2 in which a tensor is a
call of `torch._utils._rebuild_tensor_v2` on a storage, `NAME/data/0`, `NAME/data/1`, … hold the storages, and `NAME` is
the stem of the file's name. Every storage begins at a multiple of ALIGNMENT, so that a reader can map it into memory.
`torch.load(weights_only=True)` accepts each opcode and each global that is written here.
"""

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.voices.draw import Array

ALIGNMENT = 64  # bytes; the default of torch.save
STORAGES = {"float16": "HalfStorage", "float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}

# Storages that are read beside STORAGES; a bfloat16 is the upper half of a float32 and is read as one.
_READ_ONLY = {
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "bfloat16": "BFloat16Storage",
}
_LOCAL_HEADER = 30  # bytes of a zip member's local header before its name
_PADDING = b"FB"  # the id of the extra field that torch.save pads with
_MARK, _TUPLE, _REDUCE, _STOP = b"(", b"t", b"R", b"."
_PROTOCOL_2, _EMPTY_DICT, _SET_ITEMS, _EMPTY_LIST, _APPENDS = b"\x80\x02", b"}", b"u", b"]", b"e"
_EMPTY_TUPLE, _PERSISTENT_ID, _NONE, _TRUE, _FALSE = b")", b"Q", b"N", b"\x88", b"\x89"


def write(content: Mapping[str, object], path: Path) -> None:
    """Write what `torch.load` returns as a dict.

    Args:
        content: dicts (an OrderedDict stays one), lists, tuples, str, int of 32 bits, float, bool, None, and arrays of
            the dtypes of STORAGES, which are read as contiguous CPU tensors.
        path: the file. Equal content under an equal file name gives equal bytes.
    Raises:
        TypeError: a value of another type; nothing is written then.
    """
    storages: list[Array] = []
    pickled = _PROTOCOL_2 + _value(content, storages) + _STOP
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, f"{path.stem}/data.pkl", pickled)
        _add(archive, f"{path.stem}/byteorder", b"little")
        for number, values in enumerate(storages):
            little = values.astype(values.dtype.newbyteorder("<"), copy=False)
            _add(archive, f"{path.stem}/data/{number}", little.tobytes())
        _add(archive, f"{path.stem}/version", b"3\n")


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Store one member, its data at a multiple of ALIGNMENT; the date is that of `ZipInfo`, 1980."""
    member = zipfile.ZipInfo(name)
    # The offset is that of the member's data where it is not padded; the extra field has a header of 4 bytes.
    start = archive.start_dir + _LOCAL_HEADER + len(name.encode("utf-8")) + 4
    padding = b"Z" * (-start % ALIGNMENT)
    member.extra = _PADDING + struct.pack("<H", len(padding)) + padding
    archive.writestr(member, data)


def _value(value: object, storages: list[Array]) -> bytes:
    """The opcodes that push a value; its arrays are appended to `storages`."""
    if isinstance(value, np.ndarray):
        return _tensor(value, storages)
    if isinstance(value, Mapping):
        start = _global("collections", "OrderedDict") + _EMPTY_TUPLE + _REDUCE
        items = b"".join(_value(key, storages) + _value(item, storages) for key, item in value.items())
        return (start if isinstance(value, OrderedDict) else _EMPTY_DICT) + _MARK + items + _SET_ITEMS
    if isinstance(value, (list, tuple)):
        items = _MARK + b"".join(_value(item, storages) for item in value)
        return _EMPTY_LIST + items + _APPENDS if isinstance(value, list) else items + _TUPLE
    return _scalar(value)


def _scalar(value: object) -> bytes:
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, int) and -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode("utf-8")
        return b"X" + struct.pack("<I", len(text)) + text
    raise TypeError(f"a torch file cannot hold {value!r} ({type(value).__name__})")


def _tensor(values: Array, storages: list[Array]) -> bytes:
    """_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, backward_hooks)."""
    if values.dtype.name not in STORAGES:
        raise TypeError(f"a torch file cannot hold an array of {values.dtype}; it can hold {', '.join(STORAGES)}")
    storage = STORAGES[values.dtype.name]
    key = str(len(storages))
    storages.append(np.ascontiguousarray(values))
    place = (
        _MARK + _scalar("storage") + _global("torch", storage) + _scalar(key) + _scalar("cpu") + _scalar(values.size)
    )
    strides = tuple(math.prod(values.shape[axis + 1 :]) for axis in range(values.ndim))
    arguments = _scalar(0) + _value(values.shape, storages) + _value(strides, storages) + _FALSE
    hooks = _global("collections", "OrderedDict") + _EMPTY_TUPLE + _REDUCE
    call = _global("torch._utils", "_rebuild_tensor_v2") + _MARK + place + _TUPLE + _PERSISTENT_ID
    return call + arguments + hooks + _TUPLE + _REDUCE


def _global(module: str, name: str) -> bytes:
    return b"c" + f"{module}\n{name}\n".encode("ascii")


def read(path: Path) -> Any:
    """What `write` or `torch.save` wrote, with arrays in place of tensors; nothing that the file names is executed.

    Raises:
        pickle.UnpicklingError: the file holds another global than an OrderedDict and dense tensors of known storages,
            or a tensor that lies outside of its storage.
        OSError, zipfile.BadZipFile, KeyError: it cannot be read, or is no such archive.
    """
    with zipfile.ZipFile(path) as archive:
        pickled = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        return _Reader(archive, pickled.removesuffix("data.pkl")).load()


class _Reader(pickle._Unpickler):
    """An unpickler that accepts the globals of `write` and no other.

    It is Python's own, whose memo is a dictionary: that of the one in C is a table as large as the file demands.
    """

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}data.pkl")))
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        """The class or function of an allowed global."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _parameter
        if module == "torch" and name in (readable := STORAGES | _READ_ONLY).values():
            return next(dtype for dtype, storage in readable.items() if storage == name)
        raise pickle.UnpicklingError(f"the file names {module}.{name}, which a file of plain tensors does not hold")

    def persistent_load(self, pid: Any) -> Array:
        """The storage that ("storage", dtype, key, device, count) names: (count,)."""
        _, dtype, key, _, _ = pid
        data = self._archive.read(f"{self._folder}data/{key}")
        if dtype == "bfloat16":
            return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        return np.frombuffer(data, np.dtype(dtype).newbyteorder("<"))


def _rebuilt(storage: Array, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> Array:
    """The tensor of a storage, whose numbers come from the file: one that leaves its storage is refused."""
    numbers: tuple[object, ...] = (offset, *shape, *strides)
    whole = all(isinstance(number, int) and number >= 0 for number in numbers) and len(shape) == len(strides)
    if not whole or not isinstance(storage, np.ndarray):
        raise pickle.UnpicklingError(f"the file holds a tensor of the invalid shape {shape}")
    count = 1
    for size in shape:
        count *= size
    if not count:
        return np.zeros(shape, storage.dtype)
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if last >= len(storage):
        raise pickle.UnpicklingError(f"the file holds a tensor of shape {shape} that lies outside of its values")
    if count > len(storage):
        raise pickle.UnpicklingError(f"the file holds a tensor of shape {shape} that repeats {len(storage)} values")
    width = storage.dtype.itemsize
    view = np.lib.stride_tricks.as_strided(storage[offset:], shape, [stride * width for stride in strides])
    return np.ascontiguousarray(view).reshape(shape)


def _parameter(value: Array, *_: object) -> Array:
    return value
