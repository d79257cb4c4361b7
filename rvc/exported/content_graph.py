"""HuBERT as one network for an exporter: 16 kHz samples to content features of a version (docs/spec/02)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rvc.exported.layers import Linear, Norm, Tensors, conv
from rvc.nn.hubert import fold_position
from rvc.nn.hubert_config import HubertConfig
from rvc.voice_kinds import Version


class ContentGraph(nn.Module):
    """audio (1, L) at 16 kHz → features (1, n, C), n = (L − 400) // 320 + 1."""

    sums = torch.float64  # the type of the sums of the first norm; some runtimes compute it as float32

    def __init__(self, config: HubertConfig, weights: Tensors, version: Version) -> None:
        super().__init__()
        self.config = config
        waves = cosines(config.kernels[0])
        self.windows = conv(waves[:, None], None, stride=config.strides[0])
        self.first = weights["front.0.weight"][:, 0].double() @ torch.linalg.inv(waves.double())
        self.gain, self.offset = (weights[f"front.norm.{part}"].double() for part in ("weight", "bias"))
        self.front = nn.ModuleList(
            conv(weights[f"front.{i}.weight"].float(), None, stride=stride) for i, stride in enumerate(config.strides)
        )
        self.norm = Norm(weights["projection.norm.weight"], weights["projection.norm.bias"], config.eps)
        self.projection = Linear(weights["projection.weight"], weights["projection.bias"])
        folded = fold_position(weights["position.g"].float(), weights["position.v"].float())[:, :, 0]
        self.position = conv(
            folded, weights["position.bias"].float(), groups=config.position_groups, padding=config.position_kernel // 2
        )
        self.embedded = Norm(weights["norm.weight"], weights["norm.bias"], config.eps)
        self.layers = nn.ModuleList(TransformerLayer(config, weights, i) for i in range(version.hubert_layer))
        self.final = (
            Linear(weights["final_proj.weight"], weights["final_proj.bias"]) if version.projected else nn.Identity()
        )

    def forward(self, audio: Tensor) -> Tensor:
        """float32 (1, L)."""
        x = audio[:, None]
        scale, shift = self.group_norm(x)
        for i, layer in enumerate(self.front):
            x = layer(x)
            if i == 0:
                x = x * scale + shift
            x = F.gelu(x)
        x = self.projection(self.norm(x.transpose(1, 2)))
        place = F.gelu(self.position(x.transpose(1, 2)).transpose(1, 2))
        if self.config.position_kernel % 2 == 0:  # an even kernel gives one frame too many
            place = place[:, :-1]
        x = self.embedded(x + place)
        for layer in self.layers:
            x = layer(x)
        features: Tensor = self.final(x)
        return features

    def group_norm(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift (1, c, 1) of the first layer's norm over time.

        A channel is a linear function of windows of 10 samples, so its mean and variance follow from the mean and the
        covariance of these windows, which are summed in float64. The windows are in a basis of cosines, whose
        covariance is nearly diagonal for any sound: channels that subtract neighboring samples keep their precision in
        runtimes that compute float64 as float32.
        """
        windows = self.windows(x)[0].to(self.sums)  # (10, T)
        mean = windows.mean(1, keepdim=True)
        centered = windows - mean
        covariance = (centered[:, None] * centered[None]).mean(2)
        first, gain, offset = (part.to(self.sums) for part in (self.first, self.gain, self.offset))
        variance = ((first @ covariance) * first).sum(1)
        scale = gain / torch.sqrt(variance + self.config.eps)
        shift = offset - (first @ mean)[:, 0] * scale
        return scale.to(torch.float32)[None, :, None], shift.to(torch.float32)[None, :, None]


def cosines(length: int) -> Tensor:
    """The orthonormal discrete cosine transform (DCT-II) as a float32 matrix (length, length)."""
    place = torch.arange(length, dtype=torch.float64)
    waves: Tensor = torch.cos(torch.pi / length * (place + 0.5) * place[:, None]) * (2 / length) ** 0.5
    waves[0] *= 0.5**0.5
    return waves.float()


class TransformerLayer(nn.Module):
    """Attention and a feed-forward part, each normalized after its addition: (1, n, width) → the same."""

    def __init__(self, config: HubertConfig, weights: Tensors, i: int) -> None:
        super().__init__()
        self.heads, self.width = config.heads, config.width // config.heads
        self.q, self.k, self.v, self.out, self.wide, self.narrow = (
            Linear(weights[f"layers.{i}.{part}.weight"], weights[f"layers.{i}.{part}.bias"])
            for part in ("q", "k", "v", "out", "wide", "narrow")
        )
        self.attention_norm, self.final_norm = (
            Norm(weights[f"layers.{i}.{part}.weight"], weights[f"layers.{i}.{part}.bias"], config.eps)
            for part in ("attention_norm", "final_norm")
        )

    def forward(self, x: Tensor) -> Tensor:
        """float32 (1, n, width)."""
        x = self.attention_norm(x + self.attend(x))
        result: Tensor = self.final_norm(x + self.narrow(F.gelu(self.wide(x))))
        return result

    def attend(self, x: Tensor) -> Tensor:
        """Self-attention of 12 heads: float32 (1, n, 768) → the same shape."""
        q, k, v = (part(x).reshape(1, -1, self.heads, self.width).transpose(1, 2) for part in (self.q, self.k, self.v))
        share = (q @ k.transpose(2, 3) * self.width**-0.5).softmax(-1)
        mixed: Tensor = self.out((share @ v).transpose(1, 2).reshape(1, -1, self.heads * self.width))
        return mixed
