"""The synthesizer and HuBERT as plain torch modules for an exporter, written from docs/spec/02 and docs/spec/05.

They share no code with `rvc`: each layer computes its full tensor, as the specification states it.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Weights = Mapping[str, Tensor]
WINDOW = 10  # frames; the reach of the relative positions of an attention layer (docs/spec/05)


def folded_weight(weights: Weights, name: str) -> Tensor:
    """A convolution's weight, float32 (out, in, kernel), with its weight norm applied."""
    if f"{name}.weight" in weights:
        return weights[f"{name}.weight"].float()
    return torch._weight_norm(weights[f"{name}.weight_v"].float(), weights[f"{name}.weight_g"].float(), 0)


def conv(weights: Weights, name: str, **options: Any) -> nn.Conv1d:
    """A Conv1d with the weights called `name`."""
    weight = folded_weight(weights, name)
    bias = weights.get(f"{name}.bias")
    groups = options.get("groups", 1)
    made = nn.Conv1d(weight.shape[1] * groups, weight.shape[0], weight.shape[2], bias=bias is not None, **options)
    made.weight.data = weight
    if bias is not None:
        made.bias.data = bias.float()  # type: ignore[union-attr]
    return made


class Encoder(nn.Module):
    """content (1, p, C) and coarse (1, p) to m and logs (1, 192, p)."""

    def __init__(self, weights: Weights, layers: int = 6, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.layers = heads, layers
        self.content = nn.Parameter(weights["enc_p.emb_phone.weight"].float())
        self.offset = nn.Parameter(weights["enc_p.emb_phone.bias"].float())
        self.pitch = nn.Parameter(weights["enc_p.emb_pitch.weight"].float())
        self.hidden = self.content.shape[0]
        at = "enc_p.encoder"
        self.projections = nn.ModuleDict(
            {
                f"{letter}{i}": conv(weights, f"{at}.attn_layers.{i}.conv_{letter}")
                for i in range(layers)
                for letter in "qkvo"
            }
        )
        self.ffn = nn.ModuleDict(
            {
                f"{j}{i}": conv(weights, f"{at}.ffn_layers.{i}.conv_{j}", padding=1)
                for i in range(layers)
                for j in (1, 2)
            }
        )
        self.relative = nn.ParameterDict(
            {
                f"{letter}{i}": weights[f"{at}.attn_layers.{i}.emb_rel_{letter}"][0].float()
                for i in range(layers)
                for letter in "kv"
            }
        )
        self.norms = nn.ParameterDict(
            {
                f"{part}{j}{i}": weights[f"{at}.norm_layers_{j}.{i}.{part}"].float()
                for i in range(layers)
                for j in (1, 2)
                for part in ("gamma", "beta")
            }
        )
        self.proj = conv(weights, "enc_p.proj")

    def forward(self, content: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (1, p, C) and int64 (1, p)."""
        x = F.linear(content, self.content, self.offset) + F.embedding(coarse, self.pitch)
        x = F.leaky_relu(x * self.hidden**0.5, 0.1).transpose(1, 2)
        frames = torch.arange(content.shape[1])
        away = frames[None, :] - frames[:, None]
        within = (away.abs() <= WINDOW).float()
        place = away.clamp(-WINDOW, WINDOW) + WINDOW
        for i in range(self.layers):
            x = self.normed(x + self.attend(x, i, place, within), 1, i)
            h = self.ffn[f"2{i}"](torch.relu(self.ffn[f"1{i}"](x)))
            x = self.normed(x + h, 2, i)
        m, logs = self.proj(x).split(self.hidden, dim=1)
        return m, logs

    def normed(self, x: Tensor, j: int, i: int) -> Tensor:
        gamma, beta = self.norms[f"gamma{j}{i}"], self.norms[f"beta{j}{i}"]
        return F.layer_norm(x.transpose(1, 2), (self.hidden,), gamma, beta, 1e-5).transpose(1, 2)

    def attend(self, x: Tensor, i: int, place: Tensor, within: Tensor) -> Tensor:
        width = self.hidden // self.heads
        q, k, v = (
            self.projections[f"{letter}{i}"](x)[0].view(self.heads, width, -1).transpose(1, 2) for letter in "qkv"
        )
        q = q / width**0.5
        index = place[None].expand(self.heads, -1, -1)
        score = q @ k.transpose(1, 2) + (q @ self.relative[f"k{i}"].t()).gather(2, index) * within
        share = score.softmax(-1)
        shares = torch.zeros(self.heads, x.shape[2], 2 * WINDOW + 1).scatter_add(2, index, share * within)
        mixed = share @ v + shares @ self.relative[f"v{i}"]
        return self.projections[f"o{i}"](mixed.transpose(1, 2).reshape(1, self.hidden, -1))  # type: ignore[no-any-return]


class Flow(nn.Module):
    """z_p (1, 192, p) and g (1, 256, 1) to z (1, 192, p)."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        for k in (0, 2, 4, 6):
            at = f"flow.flows.{k}"
            self.layers.update(
                {
                    f"pre{k}": conv(weights, f"{at}.pre"),
                    f"post{k}": conv(weights, f"{at}.post"),
                    f"cond{k}": conv(weights, f"{at}.enc.cond_layer"),
                }
            )
            for l in range(3):
                self.layers[f"in{k}{l}"] = conv(weights, f"{at}.enc.in_layers.{l}", padding=2)
                self.layers[f"rs{k}{l}"] = conv(weights, f"{at}.enc.res_skip_layers.{l}")
        self.hidden, self.read = (int(size) for size in folded_weight(weights, "flow.flows.0.pre").shape[:2])

    def forward(self, z_p: Tensor, g: Tensor) -> Tensor:
        """Four couplings, the last one first."""
        x, c = z_p, self.hidden
        for k in (6, 4, 2, 0):
            x = x.flip(1)
            read, moved = x[:, : self.read], x[:, self.read :]
            h, voice = self.layers[f"pre{k}"](read), self.layers[f"cond{k}"](g)
            out = torch.zeros_like(h)
            for l in range(3):
                a = self.layers[f"in{k}{l}"](h) + voice[:, 2 * c * l : 2 * c * (l + 1)]
                r = self.layers[f"rs{k}{l}"](torch.tanh(a[:, :c]) * torch.sigmoid(a[:, c:]))
                if l < 2:
                    h = h + r[:, :c]
                    r = r[:, c:]
                out = out + r
            x = torch.cat([read, moved - self.layers[f"post{k}"](out)], 1)
        return x


class ResBlock(nn.Module):
    """Per dilation: LeakyReLU, dilated convolution, LeakyReLU, plain convolution, added."""

    def __init__(self, pairs: list[list[nn.Conv1d]]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(first for first, _ in pairs)
        self.plain = nn.ModuleList(second for _, second in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """(1, C, T) to the same."""
        for first, second in zip(self.dilated, self.plain, strict=True):
            x = x + second(F.leaky_relu(first(F.leaky_relu(x, 0.1)), 0.1))
        return x


class Generator(nn.Module):
    """z (1, 192, p), source (1, 1, p·upp) and g (1, 256, 1) to samples (p·upp,)."""

    def __init__(
        self, weights: Weights, rates: list[int], kernels: list[int], blocks: list[int], dilations: list[list[int]]
    ) -> None:
        super().__init__()
        self.pre, self.cond = conv(weights, "dec.conv_pre", padding=3), conv(weights, "dec.cond")
        self.post = conv(weights, "dec.conv_post", padding=3)
        self.ups, self.noises, self.blocks = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.count = len(blocks)
        for i, (rate, kernel) in enumerate(zip(rates, kernels, strict=True)):
            weight = folded_weight(weights, f"dec.ups.{i}")
            up = nn.ConvTranspose1d(weight.shape[0], weight.shape[1], kernel, rate, (kernel - rate) // 2)
            up.weight.data, up.bias.data = weight, weights[f"dec.ups.{i}.bias"].float()  # type: ignore[union-attr]
            self.ups.append(up)
            stride = 1
            for later in rates[i + 1 :]:
                stride *= later
            self.noises.append(conv(weights, f"dec.noise_convs.{i}", stride=stride, padding=stride // 2))
            for j, (size, spread) in enumerate(zip(blocks, dilations, strict=True)):
                at = f"dec.resblocks.{i * len(blocks) + j}"
                pairs = [
                    [
                        conv(weights, f"{at}.convs1.{l}", dilation=d, padding=(size - 1) * d // 2),
                        conv(weights, f"{at}.convs2.{l}", padding=(size - 1) // 2),
                    ]
                    for l, d in enumerate(spread)
                ]
                self.blocks.append(ResBlock(pairs))

    def forward(self, z: Tensor, source: Tensor, g: Tensor) -> Tensor:
        """NSF-HiFiGAN."""
        x = self.pre(z) + self.cond(g)
        for i, (up, noise) in enumerate(zip(self.ups, self.noises, strict=True)):
            x = up(F.leaky_relu(x, 0.1)) + noise(source)
            total = torch.zeros_like(x)
            for block in self.blocks[i * self.count : (i + 1) * self.count]:
                total = total + block(x)
            x = total / self.count
        return torch.tanh(self.post(F.leaky_relu(x, 0.01)))[0, 0]


class Hubert(nn.Module):
    """audio (1, L) to features (1, n, 768) of the last layer, from a transformers state dict."""

    def __init__(self, weights: Weights, layers: int = 12, heads: int = 12) -> None:
        super().__init__()
        self.heads, self.count = heads, layers
        self.values = nn.ParameterDict(
            {name.replace(".", "/"): value.float() for name, value in weights.items() if value.dtype.is_floating_point}
        )
        position = "encoder.pos_conv_embed.conv."
        newer = f"{position}parametrizations.weight.original"
        g, v = (
            weights[f"{newer}{i}"] if f"{newer}{i}" in weights else weights[f"{position}weight_{'gv'[i]}"]
            for i in (0, 1)
        )
        norm = v.double().pow(2).sum((0, 1), keepdim=True).sqrt()
        self.position = nn.Parameter((v.double() * g.double() / norm).float())

    def weight(self, name: str) -> Tensor:
        value: Tensor = self.values[name.replace(".", "/")]
        return value

    def linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"))

    def norm(self, x: Tensor, name: str) -> Tensor:
        weight = self.weight(f"{name}.weight")
        return F.layer_norm(x, weight.shape, weight, self.weight(f"{name}.bias"), 1e-5)

    def forward(self, audio: Tensor) -> Tensor:
        """float32 (1, L) at 16 kHz."""
        at = "feature_extractor.conv_layers"
        x = audio[:, None]
        for i, stride in enumerate((5, 2, 2, 2, 2, 2, 2)):
            x = F.conv1d(x, self.weight(f"{at}.{i}.conv.weight"), stride=stride)
            if i == 0:
                middle = x.mean(2, keepdim=True)
                spread = (x - middle).pow(2).mean(2, keepdim=True)
                gain, offset = (self.weight(f"{at}.0.layer_norm.{part}")[None, :, None] for part in ("weight", "bias"))
                x = (x - middle) / torch.sqrt(spread + 1e-5) * gain + offset
            x = F.gelu(x)
        x = self.linear(self.norm(x.transpose(1, 2), "feature_projection.layer_norm"), "feature_projection.projection")
        place = F.conv1d(
            x.transpose(1, 2), self.position, self.weight("encoder.pos_conv_embed.conv.bias"), padding=64, groups=16
        )[:, :, :-1]
        x = self.norm(x + F.gelu(place).transpose(1, 2), "encoder.layer_norm")
        for i in range(self.count):
            name = f"encoder.layers.{i}"
            x = self.norm(x + self.attend(x, f"{name}.attention"), f"{name}.layer_norm")
            h = F.gelu(self.linear(x, f"{name}.feed_forward.intermediate_dense"))
            x = self.norm(x + self.linear(h, f"{name}.feed_forward.output_dense"), f"{name}.final_layer_norm")
        return x

    def attend(self, x: Tensor, name: str) -> Tensor:
        q, k, v = (
            self.linear(x, f"{name}.{letter}_proj").view(1, x.shape[1], self.heads, -1).transpose(1, 2)
            for letter in "qkv"
        )
        share = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1)
        return self.linear((share @ v).transpose(1, 2).reshape(1, x.shape[1], -1), f"{name}.out_proj")
