"""A safe unpickler: read the content of any file that torch.save wrote, and execute nothing from it.

A pickle names functions and classes and how to call them. `SafeUnpickler` imports none of them: tensors are described
by `StoredTensor`, ordered dictionaries become dictionaries, and every other name (fairseq's Dictionary, argparse's
Namespace, omegaconf's containers) becomes a `Placeholder`, whose methods do nothing. Of Python's standard library,
model files name only containers; a file that names anything else of it, such as os.system, is refused.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import Any, BinaryIO

import torch

from rvc.errors import BadCheckpoint
from rvc.weights.torch_files.pickle_allocations import refuse_large_allocations
from rvc.weights.torch_files.placeholders import NUMPY, Placeholder, encode
from rvc.weights.torch_files.refused_names import is_executable
from rvc.weights.torch_files.stored_tensor import STORAGES, StoredTensor, rebuild, rebuild_parameter


class SafeUnpickler(pickle.Unpickler):
    """An unpickler that imports nothing: a file can only call functions of this package and OrderedDict.

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
        if is_executable(module, name):
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
    refuse_large_allocations(file)
    unpickler = kind(file)
    try:
        return unpickler.load(), unpickler.widths
    except BadCheckpoint:
        raise
    except Exception as error:  # a hostile or damaged pickle can fail in any way
        raise BadCheckpoint(f"the file's pickle cannot be read ({type(error).__name__}: {error})") from error
