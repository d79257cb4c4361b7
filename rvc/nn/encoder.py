"""The text encoder: content and coarse pitch to the mean and log-scale of the latent, docs/spec/05 §5.2."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.conv import Conv, Weights
from rvc.nn.kernels.layout import from_frames
from rvc.nn.synthesizer_config import WINDOW, Sizes

EPS = 1e-5  # epsilon of the layer norms (docs/spec/05 §5.2)
QUERIES = 320  # queries per attention matrix: memory grows with p, not with p²; a realtime window needs one matrix


class Encoder:
    """Content (1, p, C) and pitch bins (1, p) to m and logs, float32 (1, inter, p) each."""

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        """Pack the weights; their `dtype` is what the blocks' products are computed in, see `to_precision`."""
        self.hidden, self.inter = sizes.hidden, sizes.inter
        self.phone = Conv(weights["enc_p.emb_phone.weight"][:, :, None], weights["enc_p.emb_phone.bias"])
        self.pitch = weights["enc_p.emb_pitch.weight"] if sizes.f0 else None
        self.blocks = [Block(sizes, weights, i) for i in range(sizes.layers)]
        self.proj = weights.to(torch.float32).conv("enc_p.proj")

    def __call__(self, content: Tensor, coarse: Tensor | None, keep_from: int = 0) -> tuple[Tensor, Tensor]:
        """The prior's statistics for the frames from `keep_from` on; they depend on all frames.

        Args:
            content: float32 (1, p, C), content features.
            coarse: int64 (1, p), coarse pitch, or None for a voice without F0.
            keep_from: the first frame of the result.
        Returns:
            m and logs, float32 (1, inter, p − keep_from) each: mean and logarithm of the standard deviation.
        """
        x = self.phone(content[0].contiguous())
        if self.pitch is not None:
            assert coarse is not None  # the synthesizer checked
            x += self.pitch[coarse[0]]
        x = F.leaky_relu_(x.mul_(sqrt(self.hidden)), 0.1)
        for block in self.blocks[:-1]:
            x = block(x)
        stats = self.proj(self.blocks[-1](x, keep_from))
        return from_frames(stats[:, : self.inter]), from_frames(stats[:, self.inter :])

    def to_precision(self, dtype: torch.dtype) -> None:
        """Compute the blocks' products in `dtype`; norms, attention's weights and sums, and both ends stay float32."""
        for block in self.blocks:
            for conv in (block.attention.qkv, block.attention.out, block.conv_1, block.conv_2):
                conv.to_precision(dtype)


class Block:
    """Post-norm: attention, then two convolutions, each added and normalized over the channels."""

    def __init__(self, sizes: Sizes, weights: Weights, i: int) -> None:
        at = "enc_p.encoder"
        self.attention = Attention(sizes, weights, f"{at}.attn_layers.{i}")
        self.conv_1 = weights.conv(f"{at}.ffn_layers.{i}.conv_1")
        self.conv_2 = weights.conv(f"{at}.ffn_layers.{i}.conv_2")
        self.norm_1 = (weights[f"{at}.norm_layers_1.{i}.gamma"], weights[f"{at}.norm_layers_1.{i}.beta"])
        self.norm_2 = (weights[f"{at}.norm_layers_2.{i}.gamma"], weights[f"{at}.norm_layers_2.{i}.beta"])

    def __call__(self, x: Tensor, first: int = 0) -> Tensor:
        """Frames (p, hidden) → (p − first, hidden): those from `first` on, which depend on all frames."""
        width = x.shape[1:]
        start = max(first - self.conv_1.reach - self.conv_2.reach, 0)  # the first frame that the convolutions depend on
        x = F.layer_norm(x[start:] + self.attention(x, start), width, *self.norm_1, EPS)
        h = F.relu_(self.conv_1.same(x.to(self.conv_1.signal_dtype)))
        h = self.conv_2.same(h.to(self.conv_2.signal_dtype)).float()
        return F.layer_norm(h.add_(x), width, *self.norm_2, EPS)[first - start :]


class Attention:
    """Self-attention with relative positions: scores and values depend on the distance to keys within WINDOW frames."""

    def __init__(self, sizes: Sizes, weights: Weights, at: str) -> None:
        self.heads, self.width = sizes.heads, sizes.hidden // sizes.heads
        # Queries, keys and values are one product. The queries are scaled after it, as in the reference.
        parts = [f"{at}.conv_{letter}" for letter in "qkv"]
        self.qkv = Conv(
            torch.cat([weights[f"{part}.weight"] for part in parts]),
            torch.cat([weights[f"{part}.bias"] for part in parts]),
            dtype=weights.dtype,
        )
        self.out = weights.conv(f"{at}.conv_o")
        self.relative_k = weights[f"{at}.emb_rel_k"][0]
        self.relative_v = weights[f"{at}.emb_rel_v"][0]

    def __call__(self, x: Tensor, first: int = 0) -> Tensor:
        """Frames (p, hidden) → (p − first, hidden): the attention of the frames from `first` on to all frames."""
        p = x.shape[0]
        qkv = self.qkv(x.to(self.qkv.signal_dtype)).float().view(p, 3, self.heads, self.width)
        q, k, v = qkv.permute(1, 2, 0, 3).contiguous()  # (heads, p, width)
        q /= sqrt(self.width)
        mixed = x.new_empty(p - first, self.heads, self.width)
        for start in range(first, p, QUERIES):
            end = min(start + QUERIES, p)
            mixed[start - first : end - first] = self.attend(q[:, start:end], k, v, start).transpose(0, 1)
        return self.out(mixed.view(p - first, -1).to(self.out.signal_dtype)).float()

    def attend(self, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """Attention of the queries (heads, b, width) of frames start … start + b − 1 to all p keys and values."""
        heads, b, _ = q.shape
        first, last = max(start - WINDOW, 0), min(start + b + WINDOW, k.shape[1])  # the keys within WINDOW of any query
        inside = slice(first - start + WINDOW, last - start + WINDOW)  # the same keys, counted from start − WINDOW
        score = q @ k.transpose(1, 2)
        relative = q.new_zeros(heads, b, b + 2 * WINDOW)
        diagonals(relative).copy_(q @ self.relative_k.t())
        score[:, :, first:last] += relative[:, :, inside]
        score = torch.softmax(score, dim=-1)
        relative.zero_()
        relative[:, :, inside] = score[:, :, first:last]
        return (score @ v).add_(diagonals(relative) @ self.relative_v)


def diagonals(x: Tensor) -> Tensor:
    """The diagonals 0 … 2·WINDOW of x (heads, b, b + 2·WINDOW) as (heads, b, 2·WINDOW + 1); no copy."""
    heads, b, width = x.shape
    return x.as_strided((heads, b, 2 * WINDOW + 1), (b * width, width + 1, 1))
