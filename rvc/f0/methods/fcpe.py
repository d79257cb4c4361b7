"""F0 by FCPE: samples (L,) → f0 (L // 160 + 1,). docs/spec/03 §3.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.f0.mel import FFT, filterbank, log_mel
from rvc.f0.registry import HOP
from rvc.nn.fcpe import Fcpe

THRESHOLD = 0.006  # salience, 0 to 1; a frame whose strongest bin is not above it is unvoiced
REACH = 4  # bins averaged on either side of the strongest
EPSILON = 1e-9  # added to the squared magnitude of the spectrum
LOWEST, HIGHEST = 0.0, 8000.0  # Hz, the range of the mel filterbank


def track(samples: npt.NDArray[np.floating[Any]], network: Fcpe) -> npt.NDArray[np.float32]:
    """Track the F0 every 10 ms.

    Args:
        samples: float (L,) at 16 kHz.
        network: FCPE with its weights.
    Returns:
        float32 (L // 160 + 1,), Hz, 0 where unvoiced.
    """
    audio = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
    values = network.salience(mel(audio.to(network.device))).cpu()
    return np.asarray(decode(values, network.cents.cpu()).numpy(), np.float32)


def salience(
    samples: npt.NDArray[np.floating[Any]], network: Fcpe
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """The salience that `track` decodes: float32 (L // 160 + 1, 360), and the cents of its bins, float64 (360,)."""
    audio = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
    values = network.salience(mel(audio.to(network.device))).cpu().numpy()
    return values, network.cents.cpu().numpy().astype(np.float64)


def mel(audio: Tensor) -> Tensor:
    """The log-mel spectrogram that FCPE was trained on.

    Args:
        audio: float32 (L,) at 16 kHz.
    Returns:
        float32 (L // 160 + 1, 128), natural logarithm of magnitudes; where the spectrogram is a frame short, the last
        one is repeated.
    """
    frames = len(audio) // HOP + 1
    left = (FFT - HOP) // 2
    right = max(left, FFT - len(audio) - left)
    mode = "reflect" if right < len(audio) else "constant"
    framed = F.pad(audio[None], (left, right), mode=mode)[0]
    spectrogram = log_mel(framed, filterbank(LOWEST, HIGHEST, "slaney"), EPSILON)[:frames]
    return torch.cat((spectrogram, spectrogram[-1:].expand(frames - len(spectrogram), -1)))


def decode(salience: Tensor, table: Tensor) -> Tensor:
    """Decode salience: the mean of the nine bins around the strongest, weighted by salience.

    Beyond the table's ends, the edge bin is counted again.

    Args:
        salience: float32 (F, 360), 0 to 1.
        table: float32 (360,), the bins' cents above 10 Hz.
    Returns:
        float32 (F,), Hz, 0 where unvoiced.
    """
    highest, strongest = salience.max(dim=1)
    window = (strongest[:, None] + torch.arange(-REACH, REACH + 1)).clamp_(0, len(table) - 1)
    weights = salience.gather(1, window)
    cents = (weights * table[window]).sum(1) / weights.sum(1)
    cents[highest <= THRESHOLD] = -torch.inf
    return 10 * 2 ** (cents / 1200)


def is_fcpe(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether tensors of these names belong to FCPE, supported or not."""
    return any(name.startswith(("input_stack.", "net.layers.", "stack.")) for name in shapes)
