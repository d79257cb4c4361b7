"""Traces: the tensors that a run computes, recorded by taps and stored as safetensors under the stage table's names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from safetensors import safe_open

from parity.errors import TraceError
from parity.goldens import tensor_file
from parity.goldens.arrays import Array

Value = TypeVar("Value")


@runtime_checkable
class TorchTensor(Protocol):
    """The methods of a torch tensor that `snapshot` uses; this module does not import torch."""

    def detach(self) -> "TorchTensor":
        """The tensor without its gradient."""
        ...

    def cpu(self) -> "TorchTensor":
        """The tensor in the memory of the CPU."""
        ...

    def numpy(self) -> Array:
        """The tensor as an array."""
        ...

    def float(self) -> "TorchTensor":
        """The tensor in float32."""
        ...


def snapshot(value: object) -> Array:
    """A copy of an array, a number or a torch tensor (detached, moved to the CPU) as a numpy array.

    A tensor of bfloat16, which numpy lacks, becomes float32; its values stay.
    """
    if not isinstance(value, TorchTensor):
        return np.array(value, copy=True)
    if str(getattr(value, "dtype", "")) == "torch.bfloat16":
        value = value.float()
    return np.array(value.detach().cpu().numpy(), copy=True)


class Trace(dict[str, Array]):
    """Full name → array, in the order of recording. Call it as a tap: it records a value and returns it unchanged."""

    def __call__(self, name: str, value: Value) -> Value:
        """Record a copy of `value` under `name`. Raises TraceError where that name was recorded before."""
        if name in self:
            raise TraceError(f"{name!r} was recorded twice in one run; give each tap its own name")
        self[name] = snapshot(value)
        return value

    def write(self, path: str | Path, about: Mapping[str, str] | None = None) -> Path:
        """Write all arrays as one safetensors file, by one rename; `about` becomes the file's metadata."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        contiguous = {name: np.ascontiguousarray(value).reshape(value.shape) for name, value in self.items()}
        try:
            tensor_file.write(contiguous, fresh, about or {})
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        fresh.chmod(0o644)
        fresh.replace(path)
        return path


def read(path: str | Path) -> Trace:
    """Read a trace. Raises TraceError where the file is missing or is no safetensors file."""
    path = Path(path)
    if not path.is_file():
        raise TraceError(f"there is no file {path}; give the path of a trace (.safetensors)")
    try:
        return Trace(tensor_file.read(path))
    except tensor_file.UnreadableDtype as error:
        raise TraceError(f"{path} holds {error}") from None
    except tensor_file.NotSafetensors as error:
        raise TraceError(f"{path} is {error}; was it written completely?") from None


def metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a trace's file, text → text; empty where it has none."""
    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})
