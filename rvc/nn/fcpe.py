"""FCPE, a convolutional F0 network: log-mel (frames, 128) → salience (frames, 360) over bins of 20 cents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.hubert_tensor_names import listed
from rvc.nn.kernels.dense import Dense
from rvc.nn.kernels.layout import as_frames, as_image, unfold_frames
from rvc.scratch import Frames, frame_store

GROUPS = 4  # groups of the group norm
EPS = 1e-5  # epsilon of the group norm and the layer norms
SLOPE = 0.01  # negative slope of the LeakyReLU
PIECE = 2048  # frames of 10 ms that are computed at a time


class Fcpe:
    """The network; sizes follow from the tensors."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Pack the `model` tensors of fcpe_c_v001.pt; raises BadCheckpoint when they are not complete."""
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

    def salience(self, mel: Frames) -> Tensor:
        """The salience of each F0 bin in each frame.

        Args:
            mel: float32 (F, 128), natural logarithm.
        Returns:
            float32 (F, 360) in 0 … 1.
        """
        return torch.cat(list(self.salience_pieces(mel)))

    @torch.no_grad()
    def salience_pieces(self, mel: Frames) -> Iterator[Tensor]:
        """Yield the result of `salience` in pieces of at most `PIECE` frames, in time order: float32 (frames, 360)."""
        frames = convolve_width_3(self.first, mel)
        self.normalize_groups(frames)
        frames = convolve_width_3(self.second, frames)
        halo = sum(layer.reach for layer in self.layers)
        for start in range(0, len(frames), PIECE):
            first, stop = max(start - halo, 0), min(start + PIECE, len(frames))
            piece = frames[first : stop + halo]
            for layer in self.layers:
                piece = piece + layer(piece)
            piece = F.layer_norm(piece[start - first : stop - first], piece.shape[1:], *self.norm, EPS)
            yield torch.sigmoid(self.out(piece))

    def normalize_groups(self, frames: Frames) -> None:
        """Group norm over all frames (n, c), and LeakyReLU, in place."""
        ranges = [slice(start, min(start + PIECE, len(frames))) for start in range(0, len(frames), PIECE)]
        count = len(frames) * len(self.first_norm[0]) / GROUPS

        def grouped(each: slice) -> Tensor:
            return frames[each].view(each.stop - each.start, GROUPS, -1).double()

        mean = sum((grouped(each).sum((0, 2)) for each in ranges), torch.zeros(())) / count
        square = ((grouped(each) - mean[:, None]).square().sum((0, 2)) for each in ranges)
        variance = sum(square, torch.zeros(())) / count
        weight, bias = (part.double().view(GROUPS, -1) for part in self.first_norm)
        scale = weight / torch.sqrt(variance + EPS)[:, None]
        shift = bias - mean[:, None] * scale
        for each in ranges:
            piece = frames[each].mul_(scale.flatten().float()).add_(shift.flatten().float())
            frames[each] = F.leaky_relu_(piece, SLOPE)


class Layer:
    """The convolution module of a conformer: frames (F, 512) → (F, 512), which the caller adds to them."""

    def __init__(self, weights: Mapping[str, Tensor], name: str) -> None:
        self.norm = weights[f"{name}.0.weight"], weights[f"{name}.0.bias"]
        self.expand = Dense(weights[f"{name}.2.weight"][..., 0], weights[f"{name}.2.bias"])
        self.depthwise = weights[f"{name}.4.conv.weight"][:, :, None], weights[f"{name}.4.conv.bias"]
        self.contract = Dense(weights[f"{name}.6.weight"][..., 0], weights[f"{name}.6.bias"])
        self.reach = self.depthwise[0].shape[3] // 2

    def __call__(self, frames: Tensor) -> Tensor:
        """float32 (F, 512) → float32 (F, 512)."""
        inner = F.glu(self.expand(F.layer_norm(frames, frames.shape[1:], *self.norm, EPS)), dim=1)
        depthwise = F.conv2d(as_image(inner), *self.depthwise, padding=(0, self.reach), groups=inner.shape[1])
        result: Tensor = self.contract(F.silu(as_frames(depthwise)))
        return result


def convolve_width_3(product: Dense, frames: Frames) -> Frames:
    """A convolution of width 3 that keeps the length, piece by piece: frames (F, in) → (F, out)."""
    assert product.bias is not None
    result = frame_store(len(frames), len(product.bias), frames.device)
    for start in range(0, len(frames), PIECE):
        stop = min(start + PIECE, len(frames))
        padding = (0, 0, int(start == 0), int(stop == len(frames)))  # a zero frame at either end of the signal
        result[start:stop] = product(unfold_frames(F.pad(frames[max(start - 1, 0) : stop + 1], padding), 3, 1))
    return result


def count_layers(weights: Mapping[str, Tensor]) -> int:
    """The number of conformer layers that the tensors describe."""
    return sum(1 for name in weights if re.fullmatch(r"net\.encoder_layers\.\d+\.conformer\.net\.0\.weight", name))


def expected_shapes(layers: int, width: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor the network needs."""
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
    """Raise BadCheckpoint unless the tensors are those of a complete FCPE without attention."""
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
