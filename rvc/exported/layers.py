"""Layers and dynamic ranges that several exported networks share, in the operations that ONNX has.

The exporter records what a network computes for one example. What depends on the length of the signal is therefore
computed from tensors (`int(count)` within a scripted function), never from Python numbers, so that the graph holds for
every length.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Tensors = Mapping[str, Tensor]


def scripted(function: Any) -> Any:
    """The function as TorchScript, whose lengths stay variable in an exported graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch 2.13 deprecates scripting
        return torch.jit.script(function)


def slice_time(values: Tensor, first: Tensor, count: Tensor) -> Tensor:
    """`count` steps from step `first` on of the last axis; both are int64 scalars."""
    return values[..., int(first) : int(first) + int(count)]


def resize_linear(values: Tensor, count: Tensor) -> Tensor:
    """The last axis of (1, C, T) resized to `count` steps, linearly, without aligned corners (docs/spec/05 §5.9).

    Step i of the result is taken at (i + 0.5)·T/count − 0.5, at 0 at least; where T equals count, that is step i. As in
    PyTorch's `interpolate`, T/count is rounded to float32, and the place once more after a fused multiply and
    subtraction: at sample 16000 a place has steps of 0.001 samples.
    """
    length = values.shape[2]
    step = (torch.ones([1], dtype=torch.float64) * length / count).to(torch.float32).to(torch.float64)
    place = (torch.arange(int(count)).to(torch.float64) + 0.5) * step - 0.5
    place = place.to(torch.float32).to(torch.float64).clamp(min=0.0)
    lower = place.floor()
    share = (place - lower).to(values.dtype)
    below = lower.to(torch.int64).clamp(max=length - 1)
    above = (below + 1).clamp(max=length - 1)
    return values[:, :, below] * (1 - share) + values[:, :, above] * share


def conv(weight: Tensor, bias: Tensor | None, **options: Any) -> nn.Conv1d:
    """A convolution in time with a weight, float32 (out, in / groups, k), and a bias (out,)."""
    groups = options.get("groups", 1)
    layer = nn.Conv1d(weight.shape[1] * groups, weight.shape[0], weight.shape[2], bias=bias is not None, **options)
    layer.weight.data = weight.contiguous()
    if bias is not None:
        assert layer.bias is not None
        layer.bias.data = bias
    return layer


def framing(length: int, hop: int) -> nn.Conv1d:
    """A convolution (1, 1, L) → (1, length, frames) that copies windows of `length` samples, one every `hop`."""
    return conv(torch.eye(length)[:, None], None, stride=hop)


class Linear(nn.Module):
    """A matrix product with bias: (…, in) → (…, out)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.float()), nn.Parameter(bias.float())

    def forward(self, values: Tensor) -> Tensor:
        """float32 (…, in) → (…, out)."""
        return F.linear(values, self.weight, self.bias)


class Norm(nn.Module):
    """Layer norm over the last axis."""

    def __init__(self, weight: Tensor, bias: Tensor, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(weight.float()), nn.Parameter(bias.float()), eps

    def forward(self, values: Tensor) -> Tensor:
        """float32 (…, c) → the same."""
        return F.layer_norm(values, self.weight.shape, self.weight, self.bias, self.eps)
