"""FCPE: log-mel (frames, 128) → how strongly each of 360 pitches sounds in each frame, by convolutions alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.hubert_names import listed

GROUPS = 4
EPS = 1e-5
SLOPE = 0.01


class Fcpe:
    """The network; sizes follow from the tensors."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """weights : the `model` tensors of fcpe_c_v001.pt.  raises : BadCheckpoint."""
        check(weights)
        self.device = weights["cent_table"].device
        w = {name: value.float() for name, value in weights.items() if value.is_floating_point()}
        self.w = w
        self.layers = [Layer(w, f"net.encoder_layers.{i}.conformer.net") for i in range(count_layers(weights))]
        self.cents = w["cent_table"]
        norm = torch.linalg.vector_norm(w["output_proj.weight_v"].double(), dim=1, keepdim=True)
        self.out = (w["output_proj.weight_v"] * (w["output_proj.weight_g"] / norm)).float()

    @torch.no_grad()
    def salience(self, mel: Tensor) -> Tensor:
        """mel : float32 (F, 128), natural log;  returns : float32 (F, 360), each 0…1."""
        w = self.w
        rows = F.conv1d(mel.T[None], w["input_stack.0.weight"], w["input_stack.0.bias"], padding=1)
        rows = F.group_norm(rows, GROUPS, w["input_stack.1.weight"], w["input_stack.1.bias"], EPS)
        rows = F.leaky_relu_(rows, SLOPE)
        rows = F.conv1d(rows, w["input_stack.3.weight"], w["input_stack.3.bias"], padding=1)[0].T.contiguous()
        for layer in self.layers:
            rows = rows + layer(rows)
        rows = F.layer_norm(rows, rows.shape[1:], w["norm.weight"], w["norm.bias"], EPS)
        return torch.sigmoid(F.linear(rows, self.out, w["output_proj.bias"]))


class Layer:
    """A conformer's convolution module: rows (F, 512) → what is added to them."""

    def __init__(self, weights: Mapping[str, Tensor], name: str) -> None:
        for short, long in (("norm", "0"), ("wide", "2"), ("deep", "4.conv"), ("narrow", "6")):
            setattr(self, f"{short}_weight", weights[f"{name}.{long}.weight"])
            setattr(self, f"{short}_bias", weights[f"{name}.{long}.bias"])

    norm_weight: Tensor
    norm_bias: Tensor
    wide_weight: Tensor
    wide_bias: Tensor
    deep_weight: Tensor
    deep_bias: Tensor
    narrow_weight: Tensor
    narrow_bias: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """rows : float32 (F, 512);  returns : float32 (F, 512)."""
        inner = F.layer_norm(rows, rows.shape[1:], self.norm_weight, self.norm_bias, EPS)
        inner = F.glu(F.linear(inner, self.wide_weight[:, :, 0], self.wide_bias), dim=1)
        width = self.deep_weight.shape[2]
        inner = F.conv1d(inner.T[None], self.deep_weight, self.deep_bias, padding=width // 2, groups=inner.shape[1])
        return F.linear(F.silu(inner[0].T), self.narrow_weight[:, :, 0], self.narrow_bias)


def count_layers(weights: Mapping[str, Tensor]) -> int:
    """How many conformer layers the tensors describe."""
    return sum(1 for name in weights if re.fullmatch(r"net\.encoder_layers\.\d+\.conformer\.net\.0\.weight", name))


def expected_shapes(layers: int, width: int) -> dict[str, tuple[int, ...]]:
    """Every tensor the network needs."""
    shapes: dict[str, tuple[int, ...]] = {
        "cent_table": (360,),
        "input_stack.0.weight": (width, 128, 3), "input_stack.0.bias": (width,),
        "input_stack.1.weight": (width,), "input_stack.1.bias": (width,),
        "input_stack.3.weight": (width, width, 3), "input_stack.3.bias": (width,),
        "norm.weight": (width,), "norm.bias": (width,),
        "output_proj.weight_g": (360, 1), "output_proj.weight_v": (360, width), "output_proj.bias": (360,),
    }  # fmt: skip
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
