"""Checking the numbers of weight files: training that failed leaves NaN or infinity in them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.weights.mapped_file import MappedTensors

RELEASED_FROM = 1 << 18  # numbers of a tensor after which the pages of the file are released


def is_finite(tensor: Tensor) -> bool:
    """Whether a tensor holds neither NaN nor infinity. A finite sum, which is fast, shows that in one pass."""
    if not tensor.is_floating_point():
        return True
    return bool(torch.isfinite(tensor.sum(dtype=torch.float32)) or torch.isfinite(tensor).all())


def refuse_nonfinite(tensors: MappedTensors, file: str, name_of: Callable[[str], str] = str) -> None:
    """Raise BadCheckpoint for a tensor that holds NaN or infinity; each is read once, its pages are released.

    Args:
        tensors: the tensors of a file.
        file: the file's name, for messages.
        name_of: a tensor's name here → its name in the file.
    """
    for name, tensor in tensors.items():
        if not is_finite(tensor):
            raise BadCheckpoint(
                f"{file}'s tensor {name_of(name)} holds NaN or infinity; its training failed, or it is damaged"
            )
        if tensor.numel() > RELEASED_FROM:
            tensors.release_pages()
