"""F0 methods as networks for an exporter: 16 kHz samples to F0, or to the salience that a path search decodes.

Framing, spectrogram and the decoding of RMVPE and FCPE are inside the graph; CREPE's Viterbi search, dither and
smoothing are not operations of ONNX and stay with the program that runs the graph (docs/spec/03 §3.4).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rvc.exported.layers import Linear, Norm, Tensors, conv, framing, scripted
from rvc.f0.mel import FFT, FLOOR, filterbank, hann
from rvc.f0.methods import fcpe, rmvpe
from rvc.f0.registry import HOP
from rvc.f0.salience import CENTS, REACH
from rvc.nn import crepe as crepe_network
from rvc.nn import fcpe as fcpe_network
from rvc.nn import rmvpe as rmvpe_network

BINS = FFT // 2 + 1


class LogMel(nn.Module):
    """Framed samples (1, L) → the logarithm of mel magnitudes, (frames, 128); the transform is a convolution."""

    def __init__(self, bank: Tensor, epsilon: float) -> None:
        super().__init__()
        angle = 2 * math.pi / FFT * (torch.arange(BINS)[:, None] * torch.arange(FFT)[None, :] % FFT).double()
        window = hann().double()
        basis = torch.cat((torch.cos(angle) * window, -torch.sin(angle) * window)).float()
        self.transform, self.bank, self.epsilon = conv(basis[:, None], None, stride=HOP), nn.Parameter(bank), epsilon

    def forward(self, framed: Tensor) -> Tensor:
        """float32 (1, L)."""
        spectrum = self.transform(framed[:, None])[0]
        magnitude = torch.sqrt(spectrum[:BINS].square() + spectrum[BINS:].square() + self.epsilon)
        return torch.log((self.bank @ magnitude).clamp(min=FLOOR)).t()


def decode(salience: Tensor, cents: Tensor, threshold: float, edges: bool) -> Tensor:
    """The mean of the nine bins around the strongest, weighted by salience: (F, 360) → F0 in Hz, (F,), 0 if unvoiced.

    Args:
        salience: float32 (F, 360).
        cents: float (360,), the cents of each bin above 10 Hz, in the dtype that the method computes in.
        threshold: a frame whose strongest bin is not above it is unvoiced.
        edges: whether the edge bin is counted again beyond the table's ends (FCPE), or nothing is (RMVPE).
    """
    highest, strongest = salience.max(dim=1)
    window = strongest[:, None] + torch.arange(-REACH, REACH + 1)
    inside = window.clamp(0, len(cents) - 1)
    weights = salience.gather(1, inside).to(cents.dtype)
    if not edges:
        weights = weights * (window == inside).to(cents.dtype)
    mean = (weights * cents[inside]).sum(1) / weights.sum(1)
    hz = 10 * torch.exp(mean * (math.log(2) / 1200))
    return torch.where(highest > threshold, hz, torch.zeros_like(hz))


def pad_to_multiple(mel: Tensor, multiple: int) -> Tensor:
    """(F, b) with rows of 0 after the last, up to a multiple."""
    return F.pad(mel, [0, 0, 0, (multiple - mel.shape[0] % multiple) % multiple])


class RmvpeGraph(nn.Module):
    """audio (1, L) at 16 kHz → f0 float64 (L // 160 + 1,), and salience float32 (L // 160 + 1, 360)."""

    def __init__(self, weights: Tensors) -> None:
        super().__init__()
        self.mel = LogMel(filterbank(rmvpe.LOWEST, rmvpe.HIGHEST, "htk"), 0.0)
        self.pad = scripted(pad_to_multiple)
        scale, shift = rmvpe_network.norm_affine(weights, "unet.encoder.bn")
        self.input_scale, self.input_shift = float(scale), float(shift)
        levels = rmvpe_network.LEVELS
        self.down = nn.ModuleList(_level(weights, f"unet.encoder.layers.{i}.conv") for i in range(levels))
        self.middle = nn.ModuleList(_level(weights, f"unet.intermediate.layers.{j}.conv") for j in range(4))
        self.rise = nn.ModuleList(Rise(weights, f"unet.decoder.layers.{i}.conv1") for i in range(levels))
        self.up = nn.ModuleList(_level(weights, f"unet.decoder.layers.{i}.conv2") for i in range(levels))
        self.head = _conv2d(weights["cnn.weight"].float(), weights["cnn.bias"].float(), 1)
        self.features = weights["fc.0.gru.weight_ih_l0"].shape[1]
        hidden = weights["fc.0.gru.weight_hh_l0"].shape[1]
        self.gru = nn.GRU(self.features, hidden, batch_first=True, bidirectional=True)
        for name, _ in list(self.gru.named_parameters()):
            getattr(self.gru, name).data = weights[f"fc.0.gru.{name}"].float()
        self.bins = Linear(weights["fc.1.weight"], weights["fc.1.bias"])
        self.cents = torch.from_numpy(CENTS)

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (1, L), L > 512."""
        half = FFT // 2
        mel = self.mel(F.pad(audio[None], (half, half), mode="reflect")[0])
        x = self.pad(mel, 1 << rmvpe_network.LEVELS)[None, None] * self.input_scale + self.input_shift
        skips = []
        for level in self.down:
            x = level(x)
            skips.append(x)
            x = F.avg_pool2d(x, 2)
        for level in self.middle:
            x = level(x)
        for rise, level in zip(self.rise, self.up, strict=True):
            x = level(torch.cat((rise(x), skips.pop()), 1))
        frames = self.head(x)[0].permute(1, 0, 2).reshape(-1, self.features)
        salience = torch.sigmoid(self.bins(self.gru(frames[None])[0][0]))
        # Decoded before the cut: OpenVINO 2026 drops a cut before GatherElements and then refuses the shapes.
        f0 = decode(salience, self.cents, rmvpe.THRESHOLD, edges=False)
        return f0[: mel.shape[0]], salience[: mel.shape[0]]


def _conv2d(weight: Tensor, bias: Tensor, padding: int) -> nn.Conv2d:
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], padding=padding)
    assert layer.bias is not None
    layer.weight.data, layer.bias.data = weight, bias
    return layer


def _level(weights: Tensors, name: str) -> nn.Sequential:
    return nn.Sequential(*(Block(weights, f"{name}.{b}") for b in range(rmvpe_network.BLOCKS)))


class Block(nn.Module):
    """Two 3×3 convolutions, each with its batch norm folded in and ReLU, added to the input."""

    def __init__(self, weights: Tensors, name: str) -> None:
        super().__init__()
        folded = []
        for i in (0, 3):
            scale, shift = rmvpe_network.norm_affine(weights, f"{name}.conv.{i + 1}")
            folded.append(_conv2d(weights[f"{name}.conv.{i}.weight"].float() * scale.view(-1, 1, 1, 1), shift, 1))
        self.first, self.second = folded
        self.shortcut: nn.Module = nn.Identity()
        if f"{name}.shortcut.weight" in weights:
            self.shortcut = _conv2d(
                weights[f"{name}.shortcut.weight"].float(), weights[f"{name}.shortcut.bias"].float(), 0
            )

    def forward(self, image: Tensor) -> Tensor:
        """(1, c_in, f, w) → (1, c_out, f, w)."""
        result: Tensor = torch.relu(self.second(torch.relu(self.first(image)))) + self.shortcut(image)
        return result


class Rise(nn.Module):
    """A transposed convolution that doubles both axes, with its batch norm folded in, and ReLU."""

    def __init__(self, weights: Tensors, name: str) -> None:
        super().__init__()
        scale, shift = rmvpe_network.norm_affine(weights, f"{name}.1")
        weight = (weights[f"{name}.0.weight"] * scale.view(1, -1, 1, 1)).float()
        self.conv = nn.ConvTranspose2d(weight.shape[0], weight.shape[1], 3, 2, 1, output_padding=1)
        assert self.conv.bias is not None
        self.conv.weight.data, self.conv.bias.data = weight, shift

    def forward(self, image: Tensor) -> Tensor:
        """(1, c_in, f, w) → (1, c_out, 2f, 2w)."""
        return torch.relu(self.conv(image))


def frame_for_fcpe(audio: Tensor) -> Tensor:
    """Samples (1, L) with the margins of FCPE's spectrogram: reflected, or zeros where the sound is too short."""
    left = 432  # (FFT − HOP) // 2
    right = max(left, 1024 - audio.shape[1] - left)
    if right < audio.shape[1]:
        return F.pad(audio[None], [left, right], mode="reflect")[0]
    return F.pad(audio, [left, right])


class FcpeGraph(nn.Module):
    """audio (1, L) at 16 kHz → f0 float32 (L // 160 + 1,), and salience float32 (L // 160 + 1, 360)."""

    def __init__(self, weights: Tensors) -> None:
        super().__init__()
        self.frame = scripted(frame_for_fcpe)
        self.mel = LogMel(filterbank(fcpe.LOWEST, fcpe.HIGHEST, "slaney"), fcpe.EPSILON)
        self.first, self.second = (
            conv(weights[f"input_stack.{i}.weight"].float(), weights[f"input_stack.{i}.bias"].float(), padding=1)
            for i in (0, 3)
        )
        self.gain, self.offset = (weights[f"input_stack.1.{part}"].double() for part in ("weight", "bias"))
        count = fcpe_network.count_layers(weights)
        self.layers = nn.ModuleList(
            ConformerLayer(weights, f"net.encoder_layers.{i}.conformer.net") for i in range(count)
        )
        self.norm = Norm(weights["norm.weight"], weights["norm.bias"], fcpe_network.EPS)
        length = torch.linalg.vector_norm(weights["output_proj.weight_v"].double(), dim=1, keepdim=True)
        out = weights["output_proj.weight_v"] * (weights["output_proj.weight_g"] / length)
        self.out = Linear(out, weights["output_proj.bias"])
        self.cents = weights["cent_table"].float()

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (1, L)."""
        frames = audio.shape[1] // HOP + 1
        mel = self.mel(self.frame(audio))
        mel = torch.cat((mel, mel[-1:]))[:frames]  # where the spectrogram is a frame short, the last one is repeated
        x = self.first(mel.t()[None])
        x = self.second(F.leaky_relu(self.group_norm(x), fcpe_network.SLOPE)).transpose(1, 2)
        for layer in self.layers:
            x = x + layer(x)
        salience = torch.sigmoid(self.out(self.norm(x)))[0]
        return decode(salience, self.cents, fcpe.THRESHOLD, edges=True), salience

    def group_norm(self, x: Tensor) -> Tensor:
        """Group norm over all frames, its statistics in float64: (1, c, n) → the same."""
        groups = x.to(torch.float64).reshape(fcpe_network.GROUPS, -1)
        mean = groups.mean(1, keepdim=True)
        deviation = torch.sqrt((groups - mean).square().mean(1, keepdim=True) + fcpe_network.EPS)
        scale = self.gain.view(fcpe_network.GROUPS, -1) / deviation
        shift = self.offset.view(fcpe_network.GROUPS, -1) - mean * scale
        return x * scale.reshape(1, -1, 1).to(torch.float32) + shift.reshape(1, -1, 1).to(torch.float32)


class ConformerLayer(nn.Module):
    """The convolution module of a conformer, which the caller adds to its input: (1, n, c) → the same."""

    def __init__(self, weights: Tensors, name: str) -> None:
        super().__init__()
        self.norm = Norm(weights[f"{name}.0.weight"], weights[f"{name}.0.bias"], fcpe_network.EPS)
        self.expand = Linear(weights[f"{name}.2.weight"][..., 0], weights[f"{name}.2.bias"])
        depthwise = weights[f"{name}.4.conv.weight"].float()
        bias = weights[f"{name}.4.conv.bias"].float()
        self.depthwise = conv(depthwise, bias, padding=depthwise.shape[2] // 2, groups=depthwise.shape[0])
        self.contract = Linear(weights[f"{name}.6.weight"][..., 0], weights[f"{name}.6.bias"])

    def forward(self, x: Tensor) -> Tensor:
        """float32 (1, n, c)."""
        a, b = self.expand(self.norm(x)).chunk(2, 2)
        inner = self.depthwise((a * torch.sigmoid(b)).transpose(1, 2)).transpose(1, 2)
        result: Tensor = self.contract(inner * torch.sigmoid(inner))
        return result


class CrepeGraph(nn.Module):
    """audio (1, L) at 16 kHz → salience float32 (L // 160 + 1, 360)."""

    def __init__(self, weights: Tensors) -> None:
        super().__init__()
        self.windows = framing(crepe_network.WINDOW, HOP)
        self.layers = nn.ModuleList()
        self.norms = []
        for i in range(1, crepe_network.BLOCKS + 1):
            weight, bias = weights[f"conv{i}.weight"].float()[..., 0], weights[f"conv{i}.bias"].float()
            self.layers.append(conv(weight, bias, stride=crepe_network.STRIDE if i == 1 else 1))
            scale, shift = crepe_network.norm_affine(weights, f"conv{i}_BN")
            self.norms.append((scale[None, :, None], shift[None, :, None]))
        self.classifier = Linear(weights["classifier.weight"], weights["classifier.bias"])

    def forward(self, audio: Tensor) -> Tensor:
        """float32 (1, L)."""
        half = crepe_network.WINDOW // 2
        x = self.windows(F.pad(audio, (half, half))[:, None])[0].t()
        x = x - x.mean(1, keepdim=True)
        deviation = torch.sqrt(x.square().sum(1, keepdim=True) / (crepe_network.WINDOW - 1))
        x = (x / deviation.clamp(min=1e-10))[:, None]
        for i, layer in enumerate(self.layers):
            edge = crepe_network.FIRST_TAPS // 2 - crepe_network.STRIDE // 2
            padding = (edge, edge) if i == 0 else (crepe_network.PAST_TAPS, crepe_network.PAST_TAPS + 1)
            scale, shift = self.norms[i]
            x = F.max_pool1d(torch.relu(layer(F.pad(x, padding))) * scale + shift, 2)
        return torch.sigmoid(self.classifier(x.transpose(1, 2).reshape(-1, self.classifier.weight.shape[1])))


GRAPHS = {"rmvpe": RmvpeGraph, "fcpe": FcpeGraph, "crepe": CrepeGraph, "crepe-tiny": CrepeGraph}
OUTPUTS = {"rmvpe": ["f0", "salience"], "fcpe": ["f0", "salience"], "crepe": ["salience"], "crepe-tiny": ["salience"]}
