"""Log-mel spectrograms for the networks of F0 methods: samples (L,) → (frames, 128). docs/spec/03 §3.5, §3.6."""

from __future__ import annotations

import math
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rvc.f0.registry import HOP

Scale = Literal["htk", "slaney"]

RATE = 16000  # Hz
FFT = 1024  # samples in a window
BANDS = 128  # mel bands
FLOOR = 1e-5  # smallest mel magnitude before the logarithm
PIECE = 4096  # frames transformed at once, which takes 17 MB for the spectrum


def hz_to_mel(hz: float, scale: Scale) -> float:
    """The mel value of a frequency: HTK's logarithm, or Slaney's scale, linear below 1000 Hz and logarithmic above.

    The constants are those of librosa.hz_to_mel.
    """
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + hz / 700.0)
    if hz < 1000.0:
        return hz / (200.0 / 3)
    return 15.0 + math.log(hz / 1000.0) / (math.log(6.4) / 27.0)


def mel_to_hz(mels: npt.NDArray[np.float64], scale: Scale) -> npt.NDArray[np.float64]:
    """The inverse of `hz_to_mel` for each element: float64 mel values of any shape → Hz, of the same shape."""
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mels / 2595.0) - 1.0))
    return np.where(mels < 15.0, mels * (200.0 / 3), 1000.0 * np.exp(math.log(6.4) / 27.0 * (mels - 15.0)))


@cache
def filterbank(low: float, high: float, scale: Scale) -> Tensor:
    """A filterbank of 128 triangles over the bins of the FFT, each of equal area (Slaney's normalization).

    Args:
        low, high: Hz, the ends of the range.
        scale: the mel scale on which the triangles are evenly spaced.
    Returns:
        float32 (128, 513), equal to librosa.filters.mel.
    """
    bins = np.linspace(0, RATE / 2, FFT // 2 + 1)
    edges = mel_to_hz(np.linspace(hz_to_mel(low, scale), hz_to_mel(high, scale), BANDS + 2), scale)
    slopes = edges[:, None] - bins[None, :]
    widths = np.diff(edges)
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    triangles *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(triangles)


@cache
def hann() -> Tensor:
    """Periodic Hann window, float32 (1024,)."""
    return torch.hann_window(FFT)


@cache
def on_device(constant: Tensor, device: torch.device) -> Tensor:
    """A constant, which is copied to the device once; of any shape."""
    return constant.to(device)


def reflected(samples: npt.NDArray[np.floating], first: int, last: int) -> Tensor:
    """A part of a sound that is reflected at both ends.

    Args:
        samples: float (L,).
        first, last: samples of the part, -L < first < last < 2·L - 1; those below 0 and from L on are reflected.
    Returns:
        float32 (last - first,), a copy.
    """
    count = len(samples)
    inside = samples[max(first, 0) : min(last, count)]
    before = samples[1 : 1 - first][::-1] if first < 0 else samples[:0]
    after = samples[2 * count - 1 - last : count - 1][::-1] if last > count else samples[:0]
    return torch.from_numpy(np.concatenate([np.asarray(part, np.float32) for part in (before, inside, after)]))


def log_mel(framed: Tensor, bank: Tensor, epsilon: float = 0.0) -> Tensor:
    """The natural logarithm of the mel magnitudes of windows that start every 160 samples.

    Args:
        framed: float32 (L,) at 16 kHz, already padded as the network requires.
        bank: float32 (128, 513), see `filterbank`.
        epsilon: added to the squared magnitude.
    Returns:
        On the device of `framed`: float32 ((L - 1024) // 160 + 1, 128).
    """
    count = (len(framed) - FFT) // HOP + 1
    mel = torch.empty(count, len(bank), device=framed.device)
    bank, window = on_device(bank, framed.device), on_device(hann(), framed.device)
    for start in range(0, count, PIECE):
        stop = min(start + PIECE, count)
        piece = framed[start * HOP : (stop - 1) * HOP + FFT]
        spectrum = torch.stft(piece, FFT, HOP, FFT, window, center=False, return_complex=True)
        magnitude = torch.sqrt(spectrum.real.square() + spectrum.imag.square() + epsilon)
        mel[start:stop] = (bank @ magnitude).clamp_(min=FLOOR).log_().T
    return mel
