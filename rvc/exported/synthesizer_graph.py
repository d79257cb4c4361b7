"""The synthesizer as one network for an exporter: content, F0 and noise to a waveform (docs/spec/05).

Each layer computes its full tensor as the specification states it. The intermediate values that docs/spec/00 §0.3 names
are outputs too. `skip_head`, `return_length` and `resized_length` are the arguments of a stream (docs/spec/05 §5.9);
their defaults convert every frame.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rvc.exported.layers import Linear, Norm, conv, resize_linear, scripted, slice_time
from rvc.nn.flow import REACH
from rvc.nn.kernels.conv import Weights
from rvc.nn.source import AMPLITUDE, NOISE_VOICED
from rvc.nn.synthesizer import TEMPERATURE
from rvc.nn.synthesizer_config import FLOW_KERNEL, FLOW_LAYERS, FLOWS, WINDOW, Sizes

EPS = 1e-5  # epsilon of the layer norms (docs/spec/05 §5.2)
DIGITS, BASE = 4, 1024.0  # digits of a phase and their base: 40 bits hold each step of 0.4 Hz and more to its last bit
SLOPE, LAST_SLOPE = 0.1, 0.01  # slopes of LeakyReLU, and of the last one, before conv_post (docs/spec/05 §5.6)


class Encoder(nn.Module):
    """content (1, p, C) and coarse (1, p) → m and logs (1, inter, p)."""

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        super().__init__()
        self.sizes = sizes
        self.phone = Linear(weights["enc_p.emb_phone.weight"], weights["enc_p.emb_phone.bias"])
        self.pitch = nn.Parameter(weights["enc_p.emb_pitch.weight"]) if sizes.f0 else None
        self.blocks = nn.ModuleList(EncoderBlock(sizes, weights, i) for i in range(sizes.layers))
        self.proj = conv(weights["enc_p.proj.weight"], weights["enc_p.proj.bias"])

    def forward(self, content: Tensor, coarse: Tensor | None) -> tuple[Tensor, Tensor]:
        """float32 (1, p, C) and int64 (1, p)."""
        x = self.phone(content)
        if self.pitch is not None:
            assert coarse is not None
            x = x + F.embedding(coarse, self.pitch)
        x = F.leaky_relu(x * math.sqrt(self.sizes.hidden), SLOPE)
        for block in self.blocks:
            x = block(x)
        m, logs = self.proj(x.transpose(1, 2)).split(self.sizes.inter, dim=1)
        return m, logs


class EncoderBlock(nn.Module):
    """Attention with relative positions and a feed-forward part, each normalized after its addition: (1, p, hidden)."""

    def __init__(self, sizes: Sizes, weights: Weights, i: int) -> None:
        super().__init__()
        attention, ffn = f"enc_p.encoder.attn_layers.{i}", f"enc_p.encoder.ffn_layers.{i}"
        self.heads, self.width = sizes.heads, sizes.hidden // sizes.heads
        self.query, self.key, self.value, self.mix = (
            Linear(weights[f"{attention}.conv_{letter}.weight"][..., 0], weights[f"{attention}.conv_{letter}.bias"])
            for letter in "qkvo"
        )
        self.relative_key, self.relative_value = (
            nn.Parameter(weights[f"{attention}.emb_rel_{letter}"][0]) for letter in "kv"
        )
        self.first, self.second = (
            conv(weights[f"{ffn}.conv_{j}.weight"], weights[f"{ffn}.conv_{j}.bias"], padding=sizes.kernel // 2)
            for j in (1, 2)
        )
        self.to_absolute, self.to_relative = scripted(to_absolute), scripted(to_relative)
        self.norm1, self.norm2 = (
            Norm(
                weights[f"enc_p.encoder.norm_layers_{j}.{i}.gamma"],
                weights[f"enc_p.encoder.norm_layers_{j}.{i}.beta"],
                EPS,
            )
            for j in (1, 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """float32 (1, p, hidden) → the same."""
        x = self.norm1(x + self.attend(x))
        inner = self.second(torch.relu(self.first(x.transpose(1, 2)))).transpose(1, 2)
        normed: Tensor = self.norm2(x + inner)
        return normed

    def attend(self, x: Tensor) -> Tensor:
        """Attention of 2 heads with relative positions of up to 10 frames: float32 (1, p, 192) → the same shape."""
        q, k, v = (part(x)[0].reshape(-1, self.heads, self.width).transpose(0, 1) for part in self.parts())
        q = q / math.sqrt(self.width)
        score = q @ k.transpose(1, 2) + self.to_absolute(q @ self.relative_key.t())
        share = score.softmax(-1)
        mixed = share @ v + self.to_relative(share, WINDOW) @ self.relative_value
        result: Tensor = self.mix(mixed.transpose(0, 1).reshape(-1, self.heads * self.width))[None]
        return result

    def parts(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """The projections to query, key and value."""
        return self.query, self.key, self.value


def to_absolute(relative: Tensor) -> Tensor:
    """(h, p, 21) by distance −10 … 10 → (h, p, p) by key, 0 beyond the distance of 10.

    Row i begins at key i − 10: with p zeros after each row, reading with one column less moves each row to the right by
    one.
    """
    heads, frames, span = relative.shape[0], relative.shape[1], relative.shape[2]
    reach = span // 2
    flat = F.pad(relative, [0, frames]).reshape(heads, -1)[:, : frames * (frames + span - 1)]
    return flat.reshape(heads, frames, frames + span - 1)[:, :, reach : reach + frames]


def to_relative(share: Tensor, reach: int) -> Tensor:
    """The inverse of `to_absolute`: (h, p, p) by key → (h, p, 2·reach + 1) by distance, 0 beyond the ends."""
    heads, frames = share.shape[0], share.shape[1]
    span = 2 * reach + 1
    flat = F.pad(F.pad(share, [reach, reach]).reshape(heads, -1), [0, frames])
    return flat.reshape(heads, frames, frames + span)[:, :, :span]


class Flow(nn.Module):
    """z_p (1, inter, p) and g (1, gin, 1) → z (1, inter, p), the couplings in reverse order."""

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        super().__init__()
        self.hidden, self.read_channels = sizes.hidden, sizes.inter // 2
        self.layers = nn.ModuleDict()
        for k in FLOWS:
            at = f"flow.flows.{k}"
            for part in ("pre", "post"):
                self.layers[f"{part}{k}"] = conv(weights[f"{at}.{part}.weight"], weights[f"{at}.{part}.bias"])
            self.layers[f"cond{k}"] = conv(weights.folded(f"{at}.enc.cond_layer"), weights[f"{at}.enc.cond_layer.bias"])
            for l in range(FLOW_LAYERS):
                for part, padding in (("in_layers", FLOW_KERNEL // 2), ("res_skip_layers", 0)):
                    name = f"{at}.enc.{part}.{l}"
                    self.layers[f"{part}{k}{l}"] = conv(weights.folded(name), weights[f"{name}.bias"], padding=padding)

    def forward(self, z_p: Tensor, g: Tensor) -> Tensor:
        """float32 (1, inter, p) and (1, gin, 1)."""
        x, c = z_p, self.hidden
        for k in reversed(FLOWS):
            x = x.flip(1)
            read, moved = x[:, : self.read_channels], x[:, self.read_channels :]
            h, voice = self.layers[f"pre{k}"](read), self.layers[f"cond{k}"](g)
            total: Tensor | None = None
            for l in range(FLOW_LAYERS):
                a = self.layers[f"in_layers{k}{l}"](h) + voice[:, 2 * c * l : 2 * c * (l + 1)]
                r = self.layers[f"res_skip_layers{k}{l}"](torch.tanh(a[:, :c]) * torch.sigmoid(a[:, c:]))
                if l < FLOW_LAYERS - 1:
                    h = h + r[:, :c]
                    r = r[:, c:]
                total = r if total is None else total + r
            x = torch.cat((read, moved - self.layers[f"post{k}"](total)), 1)
        return x


class Source(nn.Module):
    """F0 (1, p) in Hz and noise (1, p·upp, 1) → the sine with noise (1, p·upp, 1) and the source (1, 1, p·upp).

    The phase is summed exactly, the value that both generations of the originals' sine approach (docs/spec/05 §5.5).
    """

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        super().__init__()
        self.rate, self.upp = sizes.rate, sizes.upp
        self.linear = Linear(weights["dec.m_source.l_linear.weight"], weights["dec.m_source.l_linear.bias"])

    def forward(self, hz: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (1, p) and (1, p·upp, 1)."""
        step = (hz / self.rate).to(torch.float64)[0]
        before = phase_before(step, self.upp)
        count = torch.arange(1, self.upp + 1, dtype=torch.float64)
        phase = before[:, None] + step[:, None] * count
        phase = (phase - phase.floor()).to(torch.float32)
        voiced = (hz[0] > 0).to(torch.float32)[:, None]
        deviation = voiced * NOISE_VOICED + (1 - voiced) * AMPLITUDE / 3
        sine = torch.sin(phase * (2 * math.pi)) * AMPLITUDE * voiced + deviation * noise.reshape(-1, self.upp)
        sine = sine.reshape(1, -1, 1)
        return sine, torch.tanh(self.linear(sine)).transpose(1, 2)


def phase_before(step: Tensor, upp: int) -> Tensor:
    """The sine's phase at the start of each frame: the fraction of the sum of `upp` steps of each frame before it.

    A step is split into digits of base 1024. They are multiplied, summed and carried one by one, whole numbers below
    2²⁴ in segments of up to 163 s, so that the sum is exact in float32 too: OpenVINO computes float64 as float32.

    Args:
        step: float64 (p,), cycles in a sample.
        upp: samples in a frame.
    Returns:
        float64 (p,), cycles, 0 to 1.
    """
    rest, digits = step, []
    for _ in range(DIGITS):
        rest = rest * BASE
        digits.append(rest.floor() * upp)
        rest = rest - rest.floor()
    digits = carried([torch.cumsum(digit, 0) - digit for digit in carried(digits)])
    phase = torch.zeros_like(step)
    for digit in reversed(digits):
        phase = (phase + digit) / BASE
    return phase


def carried(digits: list[Tensor]) -> list[Tensor]:
    """Whole numbers, the most significant first, as digits of base 1024; what the first one carries is dropped."""
    made, carry = [], torch.zeros_like(digits[0])
    for digit in reversed(digits):
        whole = digit + carry
        carry = (whole / BASE).floor()
        made.append(whole - carry * BASE)
    return made[::-1]


class ResBlock(nn.Module):
    """ResBlock1 (pairs of convolutions) or ResBlock2 (single ones) of docs/spec/05 §5.7: (1, C, T) → the same."""

    def __init__(self, weights: Weights, name: str, kind: str, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.chains = nn.ModuleList()
        for l, dilation in enumerate(dilations if kind == "1" else dilations[:2]):
            names = [(f"{name}.convs1.{l}", dilation), (f"{name}.convs2.{l}", 1)]
            if kind != "1":
                names = [(f"{name}.convs.{l}", dilation)]
            self.chains.append(
                nn.ModuleList(
                    conv(weights.folded(n), weights[f"{n}.bias"], dilation=d, padding=(kernel - 1) * d // 2)
                    for n, d in names
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        """Add one or two convolutions with LeakyReLU to the input for each dilation: float32 (1, C, n) → same shape."""
        for chain in self.chains:
            y = x
            for layer in chain:  # type: ignore[attr-defined]
                y = layer(F.leaky_relu(y, SLOPE))
            x = x + y
        return x


class Generator(nn.Module):
    """z (1, inter, p), the source (1, 1, p·upp) or None, and g (1, gin, 1) → samples (1, 1, p·upp)."""

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        super().__init__()
        self.count = len(sizes.resblock_kernels)
        self.pre = conv(weights["dec.conv_pre.weight"], weights["dec.conv_pre.bias"], padding=3)
        self.cond = conv(weights["dec.cond.weight"], weights["dec.cond.bias"])
        self.post = conv(weights["dec.conv_post.weight"], None, padding=3)
        self.ups, self.noises, self.blocks = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for i, (rate, kernel) in enumerate(zip(sizes.upsample_rates, sizes.upsample_kernels, strict=True)):
            weight = weights.folded(f"dec.ups.{i}")
            odd = (kernel - rate) % 2  # only odd strides; one frame of output padding restores the length
            up = nn.ConvTranspose1d(
                weight.shape[0], weight.shape[1], kernel, rate, (kernel - rate + 1) // 2, output_padding=odd
            )
            assert up.bias is not None
            up.weight.data, up.bias.data = weight, weights[f"dec.ups.{i}.bias"]
            self.ups.append(up)
            if sizes.f0:
                name, stride = f"dec.noise_convs.{i}", sizes.noise_stride(i)
                weight = weights[f"{name}.weight"]
                padding = stride // 2 if weight.shape[2] > 1 else 0
                self.noises.append(conv(weight, weights[f"{name}.bias"], stride=stride, padding=padding))
            for j, (size, spread) in enumerate(zip(sizes.resblock_kernels, sizes.resblock_dilations, strict=True)):
                name = f"dec.resblocks.{i * self.count + j}"
                self.blocks.append(ResBlock(weights, name, sizes.resblock, size, spread))

    def forward(self, z: Tensor, source: Tensor | None, g: Tensor) -> Tensor:
        """float32 throughout."""
        x = self.pre(z) + self.cond(g)
        for i, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, SLOPE))
            if source is not None:
                x = x + self.noises[i](source)
            total = self.blocks[i * self.count](x)
            for block in self.blocks[i * self.count + 1 : (i + 1) * self.count]:
                total = total + block(x)
            x = total / self.count
        return torch.tanh(self.post(F.leaky_relu(x, LAST_SLOPE)))


class SynthesizerGraph(nn.Module):
    """The entire synthesizer; its outputs are those of `interface.synthesizer_outputs`."""

    def __init__(self, sizes: Sizes, weights: Weights) -> None:
        super().__init__()
        self.sizes = sizes
        self.speakers = nn.Parameter(weights["emb_g.weight"])
        self.encoder, self.flow = Encoder(sizes, weights), Flow(sizes, weights)
        self.source = Source(sizes, weights) if sizes.f0 else None
        self.generator = Generator(sizes, weights)
        self.cut, self.resize = scripted(slice_time), scripted(resize_linear)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the graph's outputs, in the order of `interface.synthesizer_outputs`.

        Args:
            inputs: the inputs of `example_inputs`, in that order, with their shapes and dtypes.
        """
        if self.source is None:
            content, speaker, noise_z, skip_head, return_length, resized_length = inputs
            coarse = hz = noise_source = None
        else:
            content, coarse, hz, speaker, noise_z, noise_source, skip_head, return_length, resized_length = inputs
        g = F.embedding(speaker, self.speakers)[:, :, None]
        m, logs = self.encoder(content, coarse)
        frames = torch.tensor(content.shape[1]) if isinstance(content.shape[1], int) else content.shape[1]
        flow_head = (skip_head - REACH).clamp(min=0)
        kept = torch.where(return_length < 0, frames - skip_head, return_length)
        resized = torch.where(resized_length < 0, kept, resized_length)
        m, logs = self.cut(m, flow_head, frames - flow_head), self.cut(logs, flow_head, frames - flow_head)
        z_p = m + torch.exp(logs) * noise_z * TEMPERATURE
        z = self.flow(z_p, g)
        latent = self.resize(self.cut(z, skip_head - flow_head, kept), resized)
        if self.source is None:
            return self.generator(latent, None, g)[0], g, m, logs, z_p, z
        sine, source = self.source(self.cut(hz, skip_head, kept), noise_source)
        resized_source = self.resize(source, resized * self.sizes.upp)
        waveform = self.generator(latent, resized_source, g)[0]
        return waveform, g, m, logs, z_p, z, sine, source


def example_inputs(sizes: Sizes, frames: int = 40) -> dict[str, Any]:
    """Inputs of a few frames, by name, for the exporter."""
    inputs: dict[str, Any] = {"content": torch.zeros(1, frames, sizes.content)}
    if sizes.f0:
        inputs |= {"coarse": torch.ones(1, frames, dtype=torch.int64), "hz": torch.full((1, frames), 200.0)}
    inputs |= {"speaker": torch.zeros(1, dtype=torch.int64), "noise_z": torch.zeros(1, sizes.inter, frames)}
    if sizes.f0:
        inputs["noise_source"] = torch.zeros(1, frames * sizes.upp, 1)
    return inputs | {
        "skip_head": torch.tensor(0),
        "return_length": torch.tensor(-1),
        "resized_length": torch.tensor(-1),
    }
