"""HuBERT-base, the content encoder: samples at 16 kHz → content features, one frame every 20 ms (docs/spec/02).

Frames are (n, channels) from end to end, the channels-last layout, which convolutions compute fastest. No memory grows
with the square of the length: the convolutional front end runs in pieces, and attention is fused.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rvc.errors import BadCheckpoint, BadInput
from rvc.nn.hubert_config import HubertConfig
from rvc.nn.kernels import amx
from rvc.nn.kernels.dense import Dense, Grouped, attend
from rvc.weights.mapped_file import MappedTensors, aligned
from rvc.weights.policy import RESIDENT, WeightPolicy

FILTERS_PER_FOLD = 32  # filters whose weight norm is folded at a time, so that they stay in the cache
# bfloat16 terms per number on AMX, which computes no float16
TERMS = {torch.float32: amx.FLOAT32, torch.bfloat16: amx.INTERMEDIATE, torch.float16: amx.FLOAT32}
LOW_LATENCY_TERMS = TERMS | {torch.bfloat16: amx.BFLOAT16}  # terms per number in realtime
PIECE = 72  # content frames of 20 ms at most in one pass of the front end: 9 MB after its first layer


class Hubert(nn.Module):
    """The network. `hubert_config.expected_shapes` names its weights; `hubert_tensor_names` maps the names of files."""

    def __init__(
        self,
        config: HubertConfig,
        weights: Mapping[str, Tensor],
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        policy: WeightPolicy = RESIDENT,
    ) -> None:
        """Pack the weights.

        On AMX, bfloat16 takes two terms per number. With one, content features are 45 dB from those of float32, and
        meet other neighbors in a voice's index. Elsewhere the front end is float32 for every `dtype`: in bfloat16 it
        alone would leave 40 dB, the transformer leaves 43 dB (docs/performance.md).

        Args:
            config: the sizes of the network.
            weights: the tensors of `hubert_config.expected_shapes`, of any float type; a streamed network reads them
                at each run.
            device: where the network runs.
            dtype: the type of the products of the transformer and of its positional convolution.
            policy: a streamed network packs each transformer layer when it is run. With low latency, in bfloat16 on
                AMX, the transformer takes one term per number instead of two.
        """
        super().__init__()
        self.config, self.device = config, torch.device(device)
        reader = WeightReader(weights, self.device, torch.float32)
        self.front = FrontEnd(config, reader, TERMS[dtype])
        self.embed = Embedding(config, reader, dtype)
        terms = LOW_LATENCY_TERMS if policy.low_latency else TERMS
        transformer_reader = WeightReader(weights, self.device, dtype, terms)
        self.streamed = transformer_reader if policy.is_streamed else None
        held = range(0 if policy.is_streamed else config.layers)
        self.layers = nn.ModuleList(Layer(config, transformer_reader, f"layers.{i}") for i in held)
        self.final = reader.dense("final_proj") if "final_proj.weight" in weights else None

    @torch.no_grad()
    def forward(self, samples: Tensor, layer: int | None = None, project: bool = False) -> Tensor:
        """Extract content features.

        Args:
            samples: float32 (1, L) at 16 kHz, not normalized.
            layer: the number of transformer layers to run (12 for v2, 9 for v1); None runs all of them.
            project: whether to apply `final_proj`, 768 → 256, which v1 voices need.
        Returns:
            float32 (1, n, C), n = (L − 400) // 320 + 1.
        Raises:
            BadInput: there are fewer than 400 samples.
            BadCheckpoint: the file had no `final_proj`.
        """
        config = self.config
        if samples.ndim != 2 or samples.shape[0] != 1:
            raise BadInput(f"content needs samples of shape (1, L), found {tuple(samples.shape)}; make the audio mono")
        if samples.shape[1] < config.field:
            raise BadInput(
                f"the audio has {samples.shape[1]} samples at 16 kHz, but a content frame needs {config.field}; "
                f"give at least {config.field / 16:.0f} ms"
            )
        frames = self.embed(self.front(samples[0].to(self.device)))
        for i in range(config.layers if layer is None else min(layer, config.layers)):
            frames = self.layer(i)(frames)
        if project:
            if self.final is None:
                raise BadCheckpoint(
                    "this HuBERT has no final_proj, which v1 voices need; use a ContentVec model that keeps it"
                )
            frames = self.final(frames).float()
        features: Tensor = frames[None]
        return features

    def layer(self, i: int) -> nn.Module:
        """Transformer layer `i`, packed now where layers are streamed."""
        return self.layers[i] if self.streamed is None else Layer(self.config, self.streamed, f"layers.{i}")


class WeightReader:
    """Reads tensors of a file and packs them for layers; the pages of a mapped file are released after each."""

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        device: torch.device,
        dtype: torch.dtype,
        terms: Mapping[torch.dtype, int] = TERMS,
    ) -> None:
        """Nothing is read yet; terms: bfloat16 terms per number on AMX, for each type."""
        self.weights, self.device, self.dtype, self.terms = weights, device, dtype, terms[dtype]

    def plain(self, name: str) -> Tensor:
        """A copy of the tensor `name`, float32."""
        return self.weights[name].to(self.device, torch.float32, copy=True)

    def dense(self, name: str) -> Dense:
        """The matrix product `name`, with its bias."""
        return self.product(self.weights[f"{name}.weight"], self.plain(f"{name}.bias"))

    def stacked(self, *names: str) -> Dense:
        """The matrix products of these names as one, whose outputs are concatenated."""
        weight = torch.cat([self.weights[f"{name}.weight"] for name in names])
        return self.product(weight, torch.cat([self.plain(f"{name}.bias") for name in names]))

    def product(self, weight: Tensor, bias: Tensor | None, **options: int) -> Dense:
        """A matrix product with a weight (out, in) of the file; `options` are keyword arguments of Dense."""
        result = Dense(
            aligned(weight).to(self.device, torch.float32), bias, self.dtype, **{"terms": self.terms, **options}
        )
        self.release_pages()
        return result

    def release_pages(self) -> None:
        """Release the pages of a mapped file."""
        if isinstance(self.weights, MappedTensors):
            self.weights.release_pages()

    def norm(self, name: str, eps: float) -> Norm:
        """The layer norm `name`."""
        return Norm(self.plain(f"{name}.weight"), self.plain(f"{name}.bias"), eps)


class FrontEnd(nn.Module):
    """Seven strided convolutions, each a matrix product over unfolded frames: samples (L,) → frames (n, 512)."""

    def __init__(self, config: HubertConfig, reader: WeightReader, terms: int = amx.FLOAT32) -> None:
        """Pack the weights; terms: bfloat16 terms per number on AMX."""
        super().__init__()
        self.config, self.terms = config, terms
        self.first = reader.plain("front.0.weight")[:, 0]
        self.norm_weight, self.norm_bias = reader.plain("front.norm.weight"), reader.plain("front.norm.bias")
        self.rest = nn.ModuleList(
            reader.product(
                reader.weights[f"front.{i}.weight"].transpose(1, 2).flatten(1),
                None,
                width=config.kernels[i],
                stride=config.strides[i],
                terms=terms,
            )
            for i in range(1, len(config.kernels))
        )

    def forward(self, samples: Tensor) -> Tensor:
        """samples : float32 (L,);  returns : float32 (n, 512), contiguous."""
        config = self.config
        first = Dense(*self.normalized_first(samples), terms=self.terms)
        count = config.frames(len(samples))
        frames = torch.empty(count, config.conv_width, dtype=samples.dtype, device=samples.device)
        size = -(-count // -(-count // PIECE))  # passes of about the same length
        for start in range(0, count, size):
            stop = min(start + size, count)
            piece = samples[start * config.hop : (stop - 1) * config.hop + config.field]
            frames[start:stop] = self.piece(piece, first)
        return frames

    def piece(self, samples: Tensor, first: Dense) -> Tensor:
        """Run all layers over one piece: samples (l,) → float32 (n, 512); `first` includes the normalization."""
        frames: Tensor = first(samples.unfold(0, self.config.kernels[0], self.config.strides[0]), gelu=True)
        for product in self.rest:
            frames = product(frames, gelu=True)
        return frames

    def normalized_first(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Fold the first layer's group norm, whose statistics span the entire segment, into its filters.

        Each channel is normalized by its mean and variance over time. The channel is a linear function of the windows
        of 10 samples, so both follow from the windows' mean and covariance, without computing the channel.

        Args:
            samples: float32 (L,).
        Returns:
            Filters (512, 10) and bias (512,), of the samples' type.
        """
        kernel, stride = self.config.kernels[0], self.config.strides[0]
        windows = samples.double().unfold(0, kernel, stride)  # (T, 10)
        mean = windows.mean(0)
        centered = windows - mean
        covariance = centered.T @ centered / len(windows)
        filters = self.first.double()  # (512, 10)
        variance = ((filters @ covariance) * filters).sum(1)
        scale = self.norm_weight.double() / torch.sqrt(variance + self.config.eps)
        bias = self.norm_bias.double() - filters @ mean * scale
        return (filters * scale[:, None]).to(samples.dtype), bias.to(samples.dtype)


class Embedding(nn.Module):
    """Norm, projection and positional convolution: frames (n, 512) → (n, 768), the input of the transformer."""

    def __init__(self, config: HubertConfig, reader: WeightReader, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.norm = reader.norm("projection.norm", config.eps)
        self.projection = reader.dense("projection")
        folded = fold_position(reader.plain("position.g"), reader.plain("position.v"))
        self.position = Grouped(folded, config.position_groups, dtype)
        self.position_bias = reader.plain("position.bias")
        self.final_norm = reader.norm("norm", config.eps)

    def forward(self, frames: Tensor) -> Tensor:
        """float32 (n, 512) → float32 (n, 768)."""
        frames = self.projection(self.norm(frames))
        place = self.place(frames)[: len(frames)]  # an even kernel gives one frame too many
        hidden: Tensor = self.final_norm(frames + place)
        return hidden

    def place(self, frames: Tensor) -> Tensor:
        """The positional convolution and its GELU: frames (n, 768) → (n + 1, 768) where the kernel size is even."""
        return self.position(frames, self.position_bias)


class Layer(nn.Module):
    """One transformer layer, normalized after each of its two residual additions: frames (n, 768) → (n, 768)."""

    def __init__(self, config: HubertConfig, reader: WeightReader, name: str) -> None:
        super().__init__()
        self.heads, self.terms = config.heads, reader.terms
        self.qkv = reader.stacked(*(f"{name}.{part}" for part in ("q", "k", "v")))
        self.out, self.wide, self.narrow = (reader.dense(f"{name}.{part}") for part in ("out", "wide", "narrow"))
        self.attention_norm = reader.norm(f"{name}.attention_norm", config.eps)
        self.final_norm = reader.norm(f"{name}.final_norm", config.eps)

    def forward(self, frames: Tensor) -> Tensor:
        """float32 (n, 768) → float32 (n, 768)."""
        frames = self.attention_norm(frames + self.attention(frames))
        result: Tensor = self.final_norm(frames + self.narrow(self.wide(frames, gelu=True)))
        return result

    def attention(self, frames: Tensor) -> Tensor:
        """Self-attention of 12 heads of 64 channels: (n, 768) → (n, 768)."""
        q, k, v = self.qkv(frames).view(len(frames), 3, self.heads, -1).unbind(1)
        mixed: Tensor = self.out(attend(q, k, v, self.terms).flatten(1))
        return mixed


class Norm(nn.Module):
    """Layer norm over the channels of each frame."""

    def __init__(self, weight: Tensor, bias: Tensor, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = weight, bias, eps

    def forward(self, frames: Tensor) -> Tensor:
        """float (n, c) → float32 (n, c)."""
        return F.layer_norm(frames.float(), self.weight.shape, self.weight, self.bias, self.eps)


def fold_position(g: Tensor, v: Tensor) -> Tensor:
    """Fold weight norm over the kernel axis: g (1, 1, k), v (out, in, k) → (out, in, 1, k), channels last."""
    square = sum((part.double().square_().sum((0, 1)) for part in torch.split(v, FILTERS_PER_FOLD)), torch.zeros(()))
    scale = g[0, 0].double() / torch.sqrt(square)
    folded = torch.empty(v.shape[0], 1, v.shape[2], v.shape[1], device=v.device)
    for part, out in zip(torch.split(v, FILTERS_PER_FOLD), torch.split(folded, FILTERS_PER_FOLD), strict=True):
        out[:, 0] = (part * scale).transpose(1, 2)
    return folded.permute(0, 3, 1, 2)
