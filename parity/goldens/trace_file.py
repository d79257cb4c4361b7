"""Recording what a run computes, and the files that hold it: safetensors under the names of the stage table."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from parity import stages
from parity.errors import TraceError
from parity.goldens.arrays import Array

Value = TypeVar("Value")


def snapshot(value: Any) -> Array:
    """A copy as a numpy array: a network's tensor is detached and brought to the CPU first."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.array(value, copy=True)


class Trace(dict[str, Array]):
    """Named arrays in the order heard. Call it to record one; the value goes on unchanged."""

    def __call__(self, name: str, value: Value) -> Value:
        """Record a copy of `value` under `name`; raises TraceError when the name was heard before."""
        if name in self:
            raise TraceError(f"{name!r} was heard twice in one run; give each tap its own name")
        self[name] = snapshot(value)
        return value

    def write(self, path: str | Path, about: Mapping[str, str] | None = None) -> Path:
        """Write all of it as one safetensors file; `about` becomes the file's metadata."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        save_file(
            {name: np.ascontiguousarray(value).reshape(value.shape) for name, value in self.items()},
            fresh,
            dict(about or {}),
        )
        fresh.chmod(0o644)
        fresh.replace(path)
        return path


def read(path: str | Path) -> Trace:
    """A trace from a safetensors file; raises TraceError for a file that is none."""
    path = Path(path)
    if not path.is_file():
        raise TraceError(f"there is no file {path}; give the path of a trace (.safetensors)")
    try:
        with safe_open(path, framework="numpy") as file:
            return Trace({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        raise TraceError(f"{path} is not a safetensors file ({error}); was it written completely?") from None


def metadata(path: str | Path) -> dict[str, str]:
    """What the writer of a trace said about it; empty where it said nothing."""
    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})


def strangers(names: Mapping[str, Any] | set[str]) -> list[str]:
    """Names that the stage table does not know."""
    return sorted(name for name in names if not stages.is_known(name))


@contextmanager
def listen(network: Any, where: Mapping[str, str], tap: Any) -> Iterator[None]:
    """Report inner modules of a torch network to `tap` while the block runs; `where` maps tap name → module path."""
    with ExitStack() as stack:  # the hooks go even if the network raises
        for name, path in where.items():
            hook = network.get_submodule(path).register_forward_hook(partial(_report, tap, name))
            stack.callback(hook.remove)
        yield


def _report(tap: Any, name: str, module: Any, args: Any, output: Any) -> None:
    tap(name, output)  # returns nothing, so the output goes on unchanged
