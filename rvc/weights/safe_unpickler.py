"""A safe unpickler: read the tensors of any file that torch.save wrote, and execute nothing from it.

A pickle names functions and classes and how to call them. `SafeUnpickler` imports none of them: tensors are described
by `StoredTensor`, ordered dictionaries become dictionaries, and every other name (fairseq's Dictionary, argparse's
Namespace, omegaconf's containers) becomes a `Placeholder`, whose methods do nothing. Of Python's standard library,
model files name only containers; a file that names anything else of it, such as os.system, is refused.
"""

from __future__ import annotations

import io
import lzma
import pickle
import re
import struct
import sys
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.weights.mapped_file import MappedTensors, aligned, map_file
from rvc.weights.pickle_memo import refuse_large_memo

DAMAGE = (  # exceptions that reading a damaged archive can raise
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
PICKLE_LIMIT = 64 << 20  # bytes; the pickle in hubert_base.pt has less than 1 MB
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER, the first pickle of the legacy format
STANDARD_LIBRARY = sys.stdlib_module_names | {"__builtin__", "copy_reg"}  # two modules have other names in Python 2
CONTAINER_MODULES = {
    "argparse",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "pathlib",
    "typing",
    "uuid",
    "zoneinfo",
}
PLAIN_TYPES = {  # types of `builtins`; protocols up to 2 write some under their names in Python 2
    "Ellipsis",
    "NotImplemented",
    "basestring",
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "long",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
    "unicode",
    "xrange",
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


RUNNERS = re.compile(  # functions outside the standard library that load or run code when they are called
    r"torch\.(load|hub\..*|package\..*|jit\..*|serialization\.(?!_get_layout$).*|utils\..*|distributed\..*|multiprocessing\..*)"
    r"|numpy\.(load|loads|f2py\..*|testing\..*|distutils\..*)|(joblib|dill|cloudpickle|pandas)\..*load.*|pandas\.read_.*"
)
NUMBERS_IN_ARRAY = 4096  # elements of a NumPy array beside the weights, such as a histogram; larger ones are skipped


class Placeholder:
    """Replaces an unknown class of the file: its objects accept every call of the unpickler and do nothing.

    Attributes:
        origin: the name of the class in the file.
    """

    origin = "an unknown class"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Placeholder:
        return Placeholder()

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Ignore an element of a list."""

    def extend(self, values: Any) -> None:
        """Ignore the elements of a list."""

    def add(self, value: Any) -> None:
        """Ignore an element of a set."""


class NumpyType(Placeholder):
    """Stands in for numpy.dtype: a type code such as f8, and the byte order that the pickle sets afterwards."""

    def __init__(self, code: Any = "", *rest: Any) -> None:
        self.code, self.order = (code if isinstance(code, str) else ""), "<"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = state[1]

    def read(self, data: Any, count: int) -> Any:
        """The numbers or texts in `data` as a list of Python values; None for another type of content."""
        if not isinstance(data, bytes) or re.fullmatch(r"[biufc]\d{1,2}|U\d{1,4}", self.code) is None:
            return None
        try:
            return np.frombuffer(data, np.dtype(self.order + self.code), count).tolist()
        except (TypeError, ValueError):
            return None


class NumpyArray(Placeholder):
    """Stands in for an array of NumPy; a small array of numbers becomes a list.

    Attributes:
        value: the nested list; None for an array that is large or holds something else.
    """

    value: Any = None

    def __setstate__(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], NumpyType)):
            return
        _, shape, kind, is_fortran, data = state
        if not (isinstance(shape, tuple) and all(type(n) is int and 0 <= n <= NUMBERS_IN_ARRAY for n in shape)):
            return
        count = int(np.prod(shape, dtype=np.float64))
        numbers = kind.read(data, count) if count <= NUMBERS_IN_ARRAY and not is_fortran else None
        if numbers is not None and len(numbers) == count:
            self.value = np.array(numbers).reshape(shape).tolist()


def numpy_scalar(kind: Any = None, data: Any = b"", *rest: Any) -> Any:
    """Stand in for numpy's `scalar`: the number as a Python value, a Placeholder for anything else."""
    numbers = kind.read(data, 1) if isinstance(kind, NumpyType) else None
    return numbers[0] if numbers else Placeholder()


def encode(text: Any = "", coding: Any = "", *rest: Any) -> Any:
    """Stand in for _codecs.encode, with which protocol 2 writes bytes."""
    return text.encode("latin1", "replace") if isinstance(text, str) else Placeholder()


NUMPY = {
    "numpy.dtype": NumpyType,
    **{
        f"numpy.{core}.multiarray.{name}": stand_in
        for core in ("core", "_core")
        for name, stand_in in (("scalar", numpy_scalar), ("_reconstruct", lambda *shape: NumpyArray()))
    },
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


class SafeUnpickler(pickle.Unpickler):
    """An unpickler that imports nothing: a file can only call functions of this module and OrderedDict.

    Attributes:
        widths: storage key → bytes of one number.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.widths: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        """The replacement of a name.  Raises BadCheckpoint for a name of the standard library that is no container."""
        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if module == "collections" and name == "defaultdict":
            return lambda *factory: OrderedDict()
        if module == "torch" and name == "Size":
            return lambda *sizes: tuple(*sizes)
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return lambda *args: rebuild(*args)  # a new function each time, since a pickle may set its attributes
        if module == "torch._utils" and name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
            return lambda *args: rebuild_parameter(*args)
        if module in ("torch", "torch.storage") and name in STORAGES:
            return STORAGES[name]
        if module == "_codecs" and name == "encode":
            return lambda *args: encode(*args)
        stand_in = NUMPY.get(f"{module}.{name}")
        if stand_in is not None:
            return type(name, (stand_in,), {}) if isinstance(stand_in, type) else lambda *args: stand_in(*args)
        if _is_executable(module, name):
            raise BadCheckpoint(
                f"the file asks to use {module}.{name} when it is read, which no model needs; nothing was executed, "
                "do not trust this file"
            )
        # A new class each time, so that classes share no state.
        return type("Placeholder", (Placeholder,), {"origin": f"{module}.{name}"})

    def persistent_load(self, pid: Any) -> Any:
        """Describe a storage, which the pickle refers to as ("storage", type, key, device, count).

        Raises:
            BadCheckpoint: the pickle refers to something else, or to a negative count.
        """
        if isinstance(pid, tuple) and pid[:1] == ("module",):
            return Placeholder  # torch before 0.4 stored the source text of classes
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage"):
            raise BadCheckpoint("the file refers to something that torch.save never stores; it is damaged")
        _, dtype, key, _, count = pid[:5]
        if not isinstance(dtype, torch.dtype):
            return Placeholder()  # a type of number that no supported model uses
        self.widths[str(key)] = dtype.itemsize
        if type(count) is not int:
            raise BadCheckpoint("the file claims a storage whose size is no number; it is damaged")
        if count < 0:
            raise BadCheckpoint(f"the file claims a storage of {count} numbers; it is damaged")
        return StoredTensor(str(key), dtype, count, 0, (count,), (1,))


def _is_executable(module: str, name: str) -> bool:
    """Whether a name is in Python's standard library and is not a container, or loads code in another library."""
    root = module.split(".")[0]
    if RUNNERS.fullmatch(f"{module}.{name}"):
        return True
    if root in ("builtins", "__builtin__"):
        return name not in PLAIN_TYPES
    harmless = root in CONTAINER_MODULES or f"{module}.{name}" in (
        "copyreg._reconstructor",
        "copy_reg._reconstructor",
        "_codecs.encode",
        "types.SimpleNamespace",
        "logging.getLogger",
        "re._compile",
    )
    return root in STANDARD_LIBRARY and not harmless


def unpickle(file: BinaryIO, kind: type[SafeUnpickler] = SafeUnpickler) -> tuple[Any, dict[str, int]]:
    """Unpickle one object and execute nothing.

    Args:
        file: open at the start of a pickle; left after its end.
        kind: SafeUnpickler or a stricter subclass.
    Returns:
        The object, and for each storage that it mentions the bytes of one number.
    Raises:
        BadCheckpoint: the pickle is damaged or names what no weight file needs.
    """
    refuse_large_memo(file)
    unpickler = kind(file)
    try:
        return unpickler.load(), unpickler.widths
    except BadCheckpoint:
        raise
    except Exception as error:  # a hostile or damaged pickle can fail in any way
        raise BadCheckpoint(f"the file's pickle cannot be read ({type(error).__name__}: {error})") from error


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
        content, storages = read_zip(path) if zipfile.is_zipfile(path) else read_legacy(path)
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


def read_zip(path: Path, kind: type[SafeUnpickler] = SafeUnpickler) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Read torch.save's zip format: the pickle `*/data.pkl` and the storages `*/data/KEY`.

    Returns:
        The unpickled object, and storage key → (offset in the file, bytes).
    Raises:
        BadCheckpoint: the file is another kind of zip file, compressed or big-endian, or has a pickle of more than
            64 MB.
    """
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        names = [name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(names) != 1:
            raise BadCheckpoint(f"{path.name} is a zip file, but not one that torch.save writes")
        prefix = names[0].removesuffix("data.pkl")
        if f"{prefix}byteorder" in archive.namelist() and _first(archive, f"{prefix}byteorder") != b"little":
            raise BadCheckpoint(
                f"{path.name} was written on a big-endian machine; save it again on a little-endian one"
            )
        if archive.getinfo(names[0]).file_size > PICKLE_LIMIT:
            raise BadCheckpoint(f"{path.name} has a pickle of more than {PICKLE_LIMIT >> 20} MB; it is no model")
        content, _ = unpickle(io.BytesIO(archive.read(names[0])), kind)
        storages = {}
        for info in archive.infolist():
            if info.filename.startswith(f"{prefix}data/"):
                if info.compress_type != zipfile.ZIP_STORED:
                    raise BadCheckpoint(
                        f"{path.name} was packed again as a compressed zip file, expected one without compression as "
                        "torch.save writes it; download the original file, or unpack it and pack it with zip -0"
                    )
                file.seek(info.header_offset)
                header = struct.unpack("<4s5H3I2H", file.read(30))
                start = info.header_offset + 30 + header[9] + header[10]
                storages[info.filename.removeprefix(f"{prefix}data/")] = (start, info.file_size)
    return content, storages


def _first(archive: zipfile.ZipFile, name: str) -> bytes:
    """The first 8 bytes of an entry; the rest is not unpacked, since a hostile entry may be huge."""
    with archive.open(name) as entry:
        return entry.read(8)


def read_legacy(path: Path, kind: type[SafeUnpickler] = SafeUnpickler) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Read torch.save's format before 1.6: several pickles, then each storage after its count.

    Returns:
        The unpickled object, and storage key → (offset in the file, bytes).
    Raises:
        BadCheckpoint: the file is another kind of pickle or is damaged.
    """
    with path.open("rb") as file:
        if unpickle(file, kind)[0] != LEGACY_MAGIC:
            raise BadCheckpoint(f"{path.name} is a pickle, but not one that torch.save writes")
        unpickle(file, kind)  # the protocol version
        unpickle(file, kind)  # byte order and sizes of the writing machine
        content, widths = unpickle(file, kind)
        keys, _ = unpickle(file, kind)
        storages: dict[str, tuple[int, int]] = {}
        for key in keys if isinstance(keys, list) else ():
            (count,) = struct.unpack("<q", file.read(8))
            if str(key) not in widths or count < 0:
                raise BadCheckpoint(
                    f"{path.name} holds a storage that its pickle does not describe; it is damaged, download it again"
                )
            storages[str(key)] = (file.tell(), count * widths[str(key)])  # literal: Python's file position
            file.seek(count * widths[str(key)], io.SEEK_CUR)
    return content, storages
