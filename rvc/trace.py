"""What a conversion computed on its way, under the names of docs/spec/00 §0.3, written as one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.audio.output import atomically, check_target
from rvc.errors import RvcError


class Recorder(dict[str, npt.NDArray[Any]]):
    """Named arrays in the order heard. Call it to record one; the value goes on unchanged."""

    def __call__(self, name: str, value: Any) -> Any:
        if name in self:
            raise RvcError(f"{name!r} was heard twice in one run; give each tap its own name")
        self[name] = snapshot(value)
        return value


def snapshot(value: Any) -> npt.NDArray[Any]:
    """A contiguous copy of an array or tensor, in main memory."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.array(value, order="C", copy=True)


def write(path: str | Path, tensors: dict[str, npt.NDArray[Any]], about: dict[str, Any]) -> None:
    """Write the tensors, and `about` as JSON under "rvc" in the header.  The file appears whole or not at all."""
    from safetensors.numpy import save_file

    path = Path(path)
    check_target(path, "TRACE", None)
    atomically(path, lambda part: save_file(tensors, part, {"rvc": json.dumps(about, sort_keys=True)}))
