"""Checking the numbers of weight files: training that failed leaves NaN or infinity in them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.weights.mapped_file import MappedTensors

RELEASED_FROM = 1 << 18  # numbers of a tensor after which the pages of the file are released
# The end of a direction's name → the axis whose rows are normalized. Weight norm divides each row by its length.
DIRECTIONS = {"weight_v": 0, "position.v": 2}


def is_finite(tensor: Tensor) -> bool:
    """Whether a tensor of any shape and dtype holds neither NaN nor infinity.

    A finite sum proves it in one pass; only a sum that is not finite needs the test of every element.
    """
    if not tensor.is_floating_point():
        return True
    return bool(torch.isfinite(tensor.sum(dtype=torch.float32)) or torch.isfinite(tensor).all())


def fault(name: str, tensor: Tensor) -> str | None:
    """Why a tensor makes each result NaN, as a phrase that follows its name in a message; None where it does not.

    Args:
        name: the tensor's name; its end shows whether it is the direction of a weight norm (`DIRECTIONS`).
        tensor: the tensor, of any shape and dtype.
    """
    if not is_finite(tensor):
        return "holds NaN or infinity"
    axis = next((axis for end, axis in DIRECTIONS.items() if name.endswith(end)), None)
    if axis is not None and tensor.dim() > axis:
        others = [i for i in range(tensor.dim()) if i != axis]
        if not torch.linalg.vector_norm(tensor.float(), dim=others).all():
            return "has a row of the length 0, by which weight norm divides"
    return None


def refuse_nonfinite(tensors: MappedTensors, file: str, name_of: Callable[[str], str] = str) -> None:
    """Raise BadCheckpoint for a tensor with a `fault`; each is read once, its pages are released.

    Args:
        tensors: the tensors of a file.
        file: the file's name, for messages.
        name_of: a tensor's name here → its name in the file.
    """
    for name, tensor in tensors.items():
        if problem := fault(name, tensor):
            raise BadCheckpoint(f"{file}'s tensor {name_of(name)} {problem}; its training failed, or it is damaged")
        if tensor.numel() > RELEASED_FROM:
            tensors.release_pages()
