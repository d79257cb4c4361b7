"""Taps and traces: the intermediate values of a conversion, under the names of docs/spec/00 §0.3, in one safetensors
file.

A tap is a function that is called with the name and value of every intermediate tensor and returns the value.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from rvc.audio.output import check_target
from rvc.errors import RvcError
from rvc.weights.whole_files import atomically

T = TypeVar("T")


class Tap(Protocol):
    """Called with the name and value of every tensor that a stage hands on; returns the value."""

    def __call__(self, name: str, value: T, /) -> T: ...


def no_tap(name: str, value: T, /) -> T:
    """The tap of a conversion whose intermediate values are not recorded; compared by identity."""
    return value


class Recorder(dict[str, npt.NDArray[Any]]):
    """A tap that keeps a copy of every tensor by name, in the order they were computed."""

    def __call__(self, name: str, value: T, /) -> T:
        """Record one tensor and return it unchanged.

        Raises:
            RvcError: a tensor of this name has been recorded before.
        """
        if name in self:
            raise RvcError(f"{name!r} was recorded twice in one run; give each tensor its own name")
        self[name] = snapshot(value)
        return value


def snapshot(value: Any) -> npt.NDArray[Any]:
    """A contiguous copy of a NumPy array or a torch tensor, in main memory, of the same shape and dtype."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.array(value, order="C", copy=True)


def write(path: str | Path, tensors: dict[str, npt.NDArray[Any]], about: dict[str, Any]) -> None:
    """Write a trace; on an error no file is left behind.

    Args:
        path: a .safetensors file.
        tensors: name → array.
        about: written as JSON under the key "rvc" of the file's header.
    Raises:
        BadInput: the file cannot be written.
    """
    from safetensors.numpy import save_file

    path = Path(path)
    check_target(path, "TRACE", None)
    atomically(path, lambda part: save_file(tensors, part, {"rvc": json.dumps(about, sort_keys=True)}))
