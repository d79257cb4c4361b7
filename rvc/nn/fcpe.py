"""FCPE: log-mel (frames, 128) → how strongly each of 360 pitches sounds in each frame, by convolutions alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.hubert_tensor_names import listed
from rvc.nn.kernels.dense import Dense, as_image, as_rows, windows

GROUPS = 4
EPS = 1e-5
SLOPE = 0.01
PIECE = 2048  # frames that go through the layers at once


class Fcpe:
    """The network; sizes follow from the tensors."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """weights : the `model` tensors of fcpe_c_v001.pt.  raises : BadCheckpoint."""
        check(weights)
        self.device = weights["cent_table"].device
        w = {name: value.to(torch.float32, copy=True) for name, value in weights.items() if value.is_floating_point()}
        self.first, self.second = (
            Dense(w[f"input_stack.{i}.weight"].transpose(1, 2).flatten(1), w[f"input_stack.{i}.bias"]) for i in (0, 3)
        )
        self.first_norm = w["input_stack.1.weight"], w["input_stack.1.bias"]
        self.layers = [Layer(w, f"net.encoder_layers.{i}.conformer.net") for i in range(count_layers(weights))]
        self.norm = w["norm.weight"], w["norm.bias"]
        self.cents = w["cent_table"]
        length = torch.linalg.vector_norm(w["output_proj.weight_v"].double(), dim=1, keepdim=True)
        out = w["output_proj.weight_v"] * (w["output_proj.weight_g"] / length)
        self.out = Dense(out.float(), w["output_proj.bias"])

    @torch.no_grad()
    def salience(self, mel: Tensor) -> Tensor:
        """mel : float32 (F, 128), natural log;  returns : float32 (F, 360), each 0…1."""
        rows = around(self.first, mel)
        self.settle(rows)
        rows = around(self.second, rows)
        halo = sum(layer.reach for layer in self.layers)
        found = []
        for start in range(0, len(rows), PIECE):
            first, stop = max(start - halo, 0), min(start + PIECE, len(rows))
            piece = rows[first : stop + halo]
            for layer in self.layers:
                piece = piece + layer(piece)
            piece = F.layer_norm(piece[start - first : stop - first], piece.shape[1:], *self.norm, EPS)
            found.append(torch.sigmoid(self.out(piece)))
        return torch.cat(found)

    def settle(self, rows: Tensor) -> None:
        """Normalise each quarter of the channels over the whole sound, and bend below zero, in place."""
        pieces = torch.split(rows.view(len(rows), GROUPS, -1), PIECE)
        count = rows.numel() / GROUPS
        mean = sum((piece.double().sum((0, 2)) for piece in pieces), torch.zeros(())) / count
        square = ((piece.double() - mean[:, None]).square().sum((0, 2)) for piece in pieces)
        variance = sum(square, torch.zeros(())) / count
        weight, bias = (part.double().view(GROUPS, -1) for part in self.first_norm)
        scale = weight / torch.sqrt(variance + EPS)[:, None]
        shift = bias - mean[:, None] * scale
        rows.mul_(scale.flatten().float()).add_(shift.flatten().float())
        F.leaky_relu_(rows, SLOPE)


class Layer:
    """A conformer's convolution module: rows (F, 512) → what is added to them."""

    def __init__(self, weights: Mapping[str, Tensor], name: str) -> None:
        self.norm = weights[f"{name}.0.weight"], weights[f"{name}.0.bias"]
        self.wide = Dense(weights[f"{name}.2.weight"][..., 0], weights[f"{name}.2.bias"])
        self.deep = weights[f"{name}.4.conv.weight"][:, :, None], weights[f"{name}.4.conv.bias"]
        self.narrow = Dense(weights[f"{name}.6.weight"][..., 0], weights[f"{name}.6.bias"])
        self.reach = self.deep[0].shape[3] // 2

    def __call__(self, rows: Tensor) -> Tensor:
        """rows : float32 (F, 512);  returns : float32 (F, 512)."""
        inner = F.glu(self.wide(F.layer_norm(rows, rows.shape[1:], *self.norm, EPS)), dim=1)
        deep = F.conv2d(as_image(inner), *self.deep, padding=(0, self.reach), groups=inner.shape[1])
        heard: Tensor = self.narrow(F.silu(as_rows(deep)))
        return heard


def around(product: Dense, rows: Tensor) -> Tensor:
    """A convolution of width 3 that keeps the length, a piece at a time: rows (F, a) → (F, b)."""
    assert product.bias is not None
    heard = rows.new_empty(len(rows), len(product.bias))
    for start in range(0, len(rows), PIECE):
        stop = min(start + PIECE, len(rows))
        beyond = (0, 0, int(start == 0), int(stop == len(rows)))  # a row of zeros at either end of the sound
        heard[start:stop] = product(windows(F.pad(rows[max(start - 1, 0) : stop + 1], beyond), 3, 1))
    return heard


def count_layers(weights: Mapping[str, Tensor]) -> int:
    """How many conformer layers the tensors describe."""
    return sum(1 for name in weights if re.fullmatch(r"net\.encoder_layers\.\d+\.conformer\.net\.0\.weight", name))


def expected_shapes(layers: int, width: int) -> dict[str, tuple[int, ...]]:
    """Every tensor the network needs."""
    shapes: dict[str, tuple[int, ...]] = {
        "cent_table": (360,),
        "input_stack.0.weight": (width, 128, 3),
        "input_stack.0.bias": (width,),
        "input_stack.1.weight": (width,),
        "input_stack.1.bias": (width,),
        "input_stack.3.weight": (width, width, 3),
        "input_stack.3.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
        "output_proj.weight_g": (360, 1),
        "output_proj.weight_v": (360, width),
        "output_proj.bias": (360,),
    }
    for i in range(layers):
        name = f"net.encoder_layers.{i}.conformer.net"
        shapes |= {f"{name}.0.weight": (width,), f"{name}.0.bias": (width,)}
        shapes |= {f"{name}.2.weight": (4 * width, width, 1), f"{name}.2.bias": (4 * width,)}
        shapes |= {f"{name}.4.conv.weight": (2 * width, 1, 31), f"{name}.4.conv.bias": (2 * width,)}
        shapes |= {f"{name}.6.weight": (width, 2 * width, 1), f"{name}.6.bias": (width,)}
    return shapes


def check(weights: Mapping[str, Tensor]) -> None:
    """Refuse anything but a complete convolution-only FCPE.  raises : BadCheckpoint."""
    bias = weights.get("input_stack.0.bias")
    shapes = expected_shapes(max(count_layers(weights), 1), 512 if bias is None else bias.numel())
    missing = [name for name in shapes if name not in weights]
    if missing:
        raise BadCheckpoint(
            f"the FCPE file lacks {len(missing)} tensors: {listed(missing)}; is it torchfcpe's fcpe_c_v001.pt?"
        )
    wrong = [
        f"{name} {tuple(weights[name].shape)} instead of {shape}"
        for name, shape in shapes.items()
        if tuple(weights[name].shape) != shape
    ]
    if wrong:
        raise BadCheckpoint(f"the FCPE file has {len(wrong)} tensors of another shape: {listed(wrong)}")
    attention = [name for name in weights if ".attn" in name]
    if attention:
        raise BadCheckpoint(f"the FCPE file has attention ({listed(attention)}); RVC uses the model without it")
