"""HuBERT-base, the network that hears what is said: samples at 16 kHz → one content frame every 20 ms.

Frames are kept as rows (n, channels) from end to end, which is the channels-last layout that convolutions like best.
Nothing grows with the square of the length: the convolutional front end runs in pieces, attention is fused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rvc.errors import BadCheckpoint, BadInput
from rvc.nn.kernels import amx
from rvc.nn.kernels.dense import Dense, as_image, as_rows, must_widen, on_tiles
from rvc.weights.mapped_file import Tensors
from rvc.weights.policy import RESIDENT, WeightPolicy

FOLDED = 32  # filters whose norm is folded at once: they stay in the cache
NEAR = {torch.float32: amx.FLOAT32, torch.bfloat16: amx.HALFWAY}  # limbs on tiles
LOW_LATENCY = NEAR | {torch.bfloat16: amx.BFLOAT16}  # limbs of the transformer in realtime conversion
PIECE = 72  # content frames at most in one pass of the front end: 1.4 s of sound, 9 MB after the first layer


@dataclass(frozen=True)
class HubertConfig:
    """Sizes of the network; the defaults are HuBERT-base's, as ContentVec has them."""

    width: int = 768
    layers: int = 12
    heads: int = 12
    inner: int = 3072
    conv_width: int = 512
    kernels: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    strides: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    position_kernel: int = 128
    position_groups: int = 16
    projected: int = 256
    eps: float = 1e-5

    @property
    def hop(self) -> int:
        """Samples from one frame to the next (320)."""
        hop = 1
        for stride in self.strides:
            hop *= stride
        return hop

    @property
    def field(self) -> int:
        """Samples that one frame is computed from (400)."""
        field = 1
        for kernel, stride in zip(reversed(self.kernels), reversed(self.strides), strict=True):
            field = (field - 1) * stride + kernel
        return field

    def frames(self, samples: int) -> int:
        """How many frames `samples` samples give; 0 when they are too few."""
        return 0 if samples < self.field else (samples - self.field) // self.hop + 1


def config_from_json(fields: Mapping[str, Any]) -> HubertConfig:
    """Read the sizes from a transformers config.json.

    raises  : BadCheckpoint when the file describes another architecture than HuBERT-base's
    """
    expected = {
        "feat_extract_norm": "group",
        "do_stable_layer_norm": False,
        "conv_bias": False,
        "feat_proj_layer_norm": True,
        "hidden_act": "gelu",
        "feat_extract_activation": "gelu",
        "conv_pos_batch_norm": False,
    }
    for name, value in expected.items():
        if fields.get(name, value) != value:
            raise BadCheckpoint(
                f"the HuBERT config.json says {name} = {fields[name]!r}, but RVC's content encoder has {value!r}; "
                f"use a HuBERT-base or ContentVec model"
            )
    base = HubertConfig()
    conv_dim = tuple(int(v) for v in fields.get("conv_dim", (base.conv_width,) * len(base.kernels)))
    if len(set(conv_dim)) != 1:
        raise BadCheckpoint(f"the HuBERT config.json says conv_dim = {list(conv_dim)}, but all must be the same width")
    config = HubertConfig(
        width=int(fields.get("hidden_size", base.width)),
        layers=int(fields.get("num_hidden_layers", base.layers)),
        heads=int(fields.get("num_attention_heads", base.heads)),
        inner=int(fields.get("intermediate_size", base.inner)),
        conv_width=conv_dim[0],
        kernels=tuple(int(v) for v in fields.get("conv_kernel", base.kernels)),
        strides=tuple(int(v) for v in fields.get("conv_stride", base.strides)),
        position_kernel=int(fields.get("num_conv_pos_embeddings", base.position_kernel)),
        position_groups=int(fields.get("num_conv_pos_embedding_groups", base.position_groups)),
        projected=int(fields.get("classifier_proj_size", base.projected)),
        eps=float(fields.get("layer_norm_eps", base.eps)),
    )
    if len(config.kernels) != len(config.strides) or len(conv_dim) != len(config.kernels):
        raise BadCheckpoint("the HuBERT config.json has conv_dim, conv_kernel and conv_stride of different lengths")
    return config


class Hubert(nn.Module):
    """The network. `weights` hold the names of `expected_shapes`; rvc.nn.hubert_tensor_names maps the files' names."""

    def __init__(
        self,
        config: HubertConfig,
        weights: Mapping[str, Tensor],
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        policy: WeightPolicy = RESIDENT,
    ) -> None:
        """weights : of any float type;  dtype : what the transformer and its positional convolution are computed in.

        policy  : a streamed network packs each transformer layer when it is run, from `weights`;  with low latency, in
                  bfloat16 on AMX, the transformer takes one limb a number instead of two
        On tiles bfloat16 is two limbs a number: with one, content is 45 dB from float32, and meets other neighbours in
        a voice's index. Elsewhere the front end never is bfloat16: that alone leaves 40 dB, the transformer 43 dB.
        """
        super().__init__()
        self.config, self.device = config, torch.device(device)
        parts = Parts(weights, self.device, torch.float32)
        self.front = FrontEnd(config, parts, NEAR[dtype])
        self.embed = Embedding(config, parts, dtype)
        fast = Parts(weights, self.device, dtype, LOW_LATENCY if policy.low_latency else NEAR)
        self.streamed = fast if policy.is_streamed else None
        held = range(0 if policy.is_streamed else config.layers)
        self.layers = nn.ModuleList(Layer(config, fast, f"layers.{i}") for i in held)
        self.final = parts.dense("final_proj") if "final_proj.weight" in weights else None

    @torch.no_grad()
    def forward(self, samples: Tensor, layer: int | None = None, project: bool = False) -> Tensor:
        """Hear `samples` up to a layer, and project for v1 voices.

        samples : float32 (1, L) at 16 kHz, not normalised
        layer   : how many transformer layers to run (12 for v2, 9 for v1); None runs all of them
        project : apply `final_proj`, 768 → 256
        returns : float32 (1, n, C), n = (L − 400) // 320 + 1
        raises  : BadInput for fewer than 400 samples; BadCheckpoint when the file had no `final_proj`
        """
        config = self.config
        if samples.ndim != 2 or samples.shape[0] != 1:
            raise BadInput(f"content needs samples of shape (1, L), found {tuple(samples.shape)}; make the sound mono")
        if samples.shape[1] < config.field:
            raise BadInput(
                f"the sound has {samples.shape[1]} samples at 16 kHz, but a content frame needs {config.field}; "
                f"give at least {config.field / 16:.0f} ms"
            )
        rows = self.embed(self.front(samples[0].to(self.device)))
        for i in range(config.layers if layer is None else min(layer, config.layers)):
            rows = self.layer(i)(rows)
        if project:
            if self.final is None:
                raise BadCheckpoint(
                    "this HuBERT has no final_proj, which v1 voices need; use a ContentVec model that keeps it"
                )
            rows = self.final(rows)
        heard: Tensor = rows[None]
        return heard

    def layer(self, i: int) -> nn.Module:
        """Transformer layer `i`, packed now where layers are streamed."""
        return self.layers[i] if self.streamed is None else Layer(self.config, self.streamed, f"layers.{i}")


class Parts:
    """A file's tensors as the network's layers take them; a mapped file's pages are let go as each was laid out."""

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        device: torch.device,
        dtype: torch.dtype,
        near: Mapping[torch.dtype, int] = NEAR,
    ) -> None:
        """near : limbs on tiles for each dtype."""
        self.weights, self.device, self.dtype, self.limbs = weights, device, dtype, near[dtype]

    def plain(self, name: str) -> Tensor:
        """A tensor of its own, in float32."""
        return self.weights[name].to(self.device, torch.float32, copy=True)

    def dense(self, name: str) -> Dense:
        """The matrix product `name`, with its bias."""
        return self.product(self.weights[f"{name}.weight"], self.plain(f"{name}.bias"))

    def abreast(self, *names: str) -> Dense:
        """The matrix products of these names as one, their outputs side by side."""
        weight = torch.cat([self.weights[f"{name}.weight"] for name in names])
        return self.product(weight, torch.cat([self.plain(f"{name}.bias") for name in names]))

    def product(self, weight: Tensor, bias: Tensor | None, **named: int) -> Dense:
        """A matrix product of a weight of the file; `named` as Dense has it."""
        made = Dense(weight.to(self.device, torch.float32), bias, self.dtype, **{"limbs": self.limbs, **named})
        self.forget()
        return made

    def forget(self) -> None:
        """Let a mapped file's pages go."""
        if isinstance(self.weights, Tensors):
            self.weights.forget()

    def norm(self, name: str, eps: float) -> Norm:
        """The layer norm `name`."""
        return Norm(self.plain(f"{name}.weight"), self.plain(f"{name}.bias"), eps)


class FrontEnd(nn.Module):
    """Seven strided convolutions, each a matrix product over windows of rows: samples (L,) → rows (n, 512)."""

    def __init__(self, config: HubertConfig, parts: Parts, limbs: int = amx.FLOAT32) -> None:
        """limbs : how near tiles come, as rvc.nn.kernels.amx has it."""
        super().__init__()
        self.config, self.limbs = config, limbs
        self.first = parts.plain("front.0.weight")[:, 0]
        self.norm_weight, self.norm_bias = parts.plain("front.norm.weight"), parts.plain("front.norm.bias")
        self.rest = nn.ModuleList(
            parts.product(
                parts.weights[f"front.{i}.weight"].transpose(1, 2).flatten(1),
                None,
                width=config.kernels[i],
                stride=config.strides[i],
                limbs=limbs,
            )
            for i in range(1, len(config.kernels))
        )

    def forward(self, samples: Tensor) -> Tensor:
        """samples : float32 (L,);  returns : float32 (n, 512), contiguous."""
        config = self.config
        first = Dense(*self.normalised_first(samples), limbs=self.limbs)
        count = config.frames(len(samples))
        rows = torch.empty(count, config.conv_width, dtype=samples.dtype, device=samples.device)
        most = -(-count // -(-count // PIECE))  # passes of about the same length
        for start in range(0, count, most):
            stop = min(start + most, count)
            piece = samples[start * config.hop : (stop - 1) * config.hop + config.field]
            rows[start:stop] = self.piece(piece, first)
        return rows

    def piece(self, samples: Tensor, first: Dense) -> Tensor:
        """Run all layers over one piece, the first with its normalisation folded in."""
        rows: Tensor = first(samples.unfold(0, self.config.kernels[0], self.config.strides[0]), gelu=True)
        for product in self.rest:
            rows = product(rows, gelu=True)
        return rows

    def normalised_first(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Fold the first layer's group norm, whose statistics span the whole segment, into its filters.

        Each channel is normalised by its mean and variance over time. The channel is a linear image of the windows of
        10 samples, so both follow from the windows' mean and covariance, without ever computing the channel.

        returns : filters (512, 10), bias (512,)
        """
        kernel, stride = self.config.kernels[0], self.config.strides[0]
        heard = samples.double().unfold(0, kernel, stride)  # (T, 10)
        middle = heard.mean(0)
        centred = heard - middle
        covariance = centred.T @ centred / len(heard)
        filters = self.first.double()  # (512, 10)
        variance = ((filters @ covariance) * filters).sum(1)
        scale = self.norm_weight.double() / torch.sqrt(variance + self.config.eps)
        bias = self.norm_bias.double() - filters @ middle * scale
        return (filters * scale[:, None]).to(samples.dtype), bias.to(samples.dtype)


class Embedding(nn.Module):
    """Norm, projection and positional convolution: rows (n, 512) → rows (n, 768), the encoder's `hidden0`."""

    def __init__(self, config: HubertConfig, parts: Parts, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.norm = parts.norm("projection.norm", config.eps)
        self.projection = parts.dense("projection")
        folded = fold_position(parts.plain("position.g"), parts.plain("position.v"))
        self.position = (Groups if on_tiles(folded.device) else Grouped)(folded, config.position_groups, dtype)
        self.position_bias = parts.plain("position.bias")
        self.final_norm = parts.norm("norm", config.eps)

    def forward(self, rows: Tensor) -> Tensor:
        """rows : float32 (n, 512);  returns : float32 (n, 768)."""
        rows = self.projection(self.norm(rows))
        place = self.place(rows)[: len(rows)]  # an even kernel gives one frame too many
        hidden: Tensor = self.final_norm(rows + place)
        return hidden

    def place(self, rows: Tensor) -> Tensor:
        """The positional convolution and its GELU: rows (n, 768) → rows (n + 1, 768) where the kernel is even."""
        return self.position(rows, self.position_bias)


class Grouped:
    """A convolution in groups of channels and its GELU, through torch."""

    def __init__(self, weight: Tensor, groups: int, dtype: torch.dtype) -> None:
        """weight : float32 (out, in, 1, k);  dtype : what is computed in."""
        self.weight, self.groups = weight.to(dtype), groups
        self.dtype = torch.float32 if must_widen(dtype, weight.device) else dtype

    def __call__(self, rows: Tensor, bias: Tensor) -> Tensor:
        """Rows (n, c) between k // 2 of zeros on either side → rows (n + 2·(k // 2) − k + 1, c), float32."""
        image, around = as_image(rows.to(self.dtype)), (0, self.weight.shape[3] // 2)
        made = F.conv2d(image, self.weight.to(self.dtype), bias.to(image.dtype), padding=around, groups=self.groups)
        return F.gelu(as_rows(made).float())


class Groups:
    """The same on tiles: each group a product of its own, of two taps at a time where their number is even."""

    def __init__(self, weight: Tensor, groups: int, dtype: torch.dtype) -> None:
        """As Grouped's."""
        out, self.across, _, kernel = weight.shape
        self.reach, self.pair = kernel // 2, 2 - kernel % 2
        at = tuple(range(0, kernel, self.pair))
        taps = weight.permute(3, 0, 1, 2).reshape(len(at), self.pair, out, self.across).transpose(1, 2).flatten(2)
        self.products = [amx.Product(part, at, NEAR[dtype]) for part in taps.chunk(groups, 1)]

    def __call__(self, rows: Tensor, bias: Tensor) -> Tensor:
        """As Grouped's."""
        groups, across = len(self.products), self.across
        apart = F.pad(rows.view(len(rows), groups, across).transpose(0, 1), (0, 0, self.reach, self.reach))
        size = apart.shape[1] - self.pair + 1, self.pair * across
        made = rows.new_empty(size[0] - self.products[0].reach, rows.shape[1])
        for product, part, shift, into in zip(
            self.products, apart, bias.chunk(groups), made.chunk(groups, 1), strict=True
        ):
            product(part.as_strided(size, (across, 1)), shift, gelu=True, into=into)
        return made


class Layer(nn.Module):
    """One transformer layer, normalised after each of its two residual additions: rows (n, 768) → the same."""

    def __init__(self, config: HubertConfig, parts: Parts, name: str) -> None:
        super().__init__()
        self.heads, self.limbs = config.heads, parts.limbs
        self.qkv = parts.abreast(*(f"{name}.{part}" for part in ("q", "k", "v")))
        self.out, self.wide, self.narrow = (parts.dense(f"{name}.{part}") for part in ("out", "wide", "narrow"))
        self.attention_norm = parts.norm(f"{name}.attention_norm", config.eps)
        self.final_norm = parts.norm(f"{name}.final_norm", config.eps)

    def forward(self, rows: Tensor) -> Tensor:
        """rows : float32 (n, 768);  returns : float32 (n, 768)."""
        rows = self.attention_norm(rows + self.attention(rows))
        heard: Tensor = self.final_norm(rows + self.narrow(self.wide(rows, gelu=True)))
        return heard

    def attention(self, rows: Tensor) -> Tensor:
        """Let every frame look at every other, in 12 heads of 64."""
        q, k, v = self.qkv(rows).view(len(rows), 3, self.heads, -1).unbind(1)
        heard: Tensor = self.out(attend(q, k, v, self.limbs).flatten(1))
        return heard


def attend(q: Tensor, k: Tensor, v: Tensor, limbs: int) -> Tensor:
    """Attention without a mask or a relative bias: float (n, heads, width) → the same, computed in their own type.

    limbs : how near tiles come to float32, whose result is float32
    """
    if on_tiles(q.device):
        return amx.attend(q, k, v, limbs)
    q, k, v = (part.transpose(0, 1)[None] for part in (q, k, v))
    mixed = F.scaled_dot_product_attention(q, k, v)
    return mixed[0].transpose(0, 1)


class Norm(nn.Module):
    """Layer norm over the channels of each row."""

    def __init__(self, weight: Tensor, bias: Tensor, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = weight, bias, eps

    def forward(self, rows: Tensor) -> Tensor:
        """rows : float (n, c);  returns : float32 (n, c)."""
        return F.layer_norm(rows.float(), self.weight.shape, self.weight, self.bias, self.eps)


def fold_position(g: Tensor, v: Tensor) -> Tensor:
    """Fold weight norm over the kernel axis: g (1, 1, k), v (out, in, k) → (out, in, 1, k) with the channels last."""
    square = sum((part.double().square_().sum((0, 1)) for part in torch.split(v, FOLDED)), torch.zeros(()))
    scale = g[0, 0].double() / torch.sqrt(square)
    folded = torch.empty(v.shape[0], 1, v.shape[2], v.shape[1], device=v.device)
    for part, out in zip(torch.split(v, FOLDED), torch.split(folded, FOLDED), strict=True):
        out[:, 0] = (part * scale).transpose(1, 2)
    return folded.permute(0, 3, 1, 2)


def expected_shapes(config: HubertConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor the network needs, by our own names; `final_proj.*` is wanted only by v1 voices and not listed."""
    c, d, inner = config.conv_width, config.width, config.inner
    shapes: dict[str, tuple[int, ...]] = {
        f"front.{i}.weight": (c, 1 if i == 0 else c, kernel) for i, kernel in enumerate(config.kernels)
    }
    shapes |= {"front.norm.weight": (c,), "front.norm.bias": (c,)}
    shapes |= {"projection.norm.weight": (c,), "projection.norm.bias": (c,)}
    shapes |= {"projection.weight": (d, c), "projection.bias": (d,)}
    shapes |= {"position.g": (1, 1, config.position_kernel), "position.bias": (d,)}
    shapes |= {"position.v": (d, d // config.position_groups, config.position_kernel)}
    shapes |= {"norm.weight": (d,), "norm.bias": (d,)}
    for i in range(config.layers):
        for name, out, into in (
            ("q", d, d),
            ("k", d, d),
            ("v", d, d),
            ("out", d, d),
            ("wide", inner, d),
            ("narrow", d, inner),
        ):
            shapes |= {f"layers.{i}.{name}.weight": (out, into), f"layers.{i}.{name}.bias": (out,)}
        for name in ("attention_norm", "final_norm"):
            shapes |= {f"layers.{i}.{name}.weight": (d,), f"layers.{i}.{name}.bias": (d,)}
    return shapes
