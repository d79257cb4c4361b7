"""F0 by FCPE: samples (L,) → f0 (L // 160 + 1,). docs/spec/03 §3.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.f0.mel import BANDS, FFT, PIECE, filterbank, log_mel, reflected
from rvc.f0.registry import HOP
from rvc.nn.fcpe import Fcpe
from rvc.scratch import Frames, frame_store, release

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
    cents = network.cents.cpu()
    pieces = network.salience_pieces(mel(samples, network.device))
    return np.concatenate([np.asarray(decode(piece.cpu(), cents).numpy(), np.float32) for piece in pieces])


def salience(
    samples: npt.NDArray[np.floating[Any]], network: Fcpe
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """The salience that `track` decodes: float32 (L // 160 + 1, 360), and the cents of its bins, float64 (360,)."""
    values = network.salience(mel(samples, network.device)).cpu().numpy()
    return values, network.cents.cpu().numpy().astype(np.float64)


def mel(samples: npt.NDArray[np.floating[Any]], device: torch.device | str = "cpu") -> Frames:
    """The log-mel spectrogram that FCPE was trained on.

    Args:
        samples: float (L,) at 16 kHz.
        device: where the spectrogram is computed.
    Returns:
        float32 (L // 160 + 1, 128), natural logarithm of magnitudes; where the spectrogram is a frame short, the last
        one is repeated. That of a long sound is in a temporary file.
    """
    frames = len(samples) // HOP + 1
    left = (FFT - HOP) // 2
    if frames > PIECE:
        return _mel_in_pieces(samples, left, device)
    audio = torch.from_numpy(np.ascontiguousarray(samples, np.float32)).to(device)
    right = max(left, FFT - len(audio) - left)
    mode = "reflect" if right < len(audio) else "constant"
    framed = F.pad(audio[None], (left, right), mode=mode)[0]
    spectrogram = log_mel(framed, filterbank(LOWEST, HIGHEST, "slaney"), EPSILON)[:frames]
    return torch.cat((spectrogram, spectrogram[-1:].expand(frames - len(spectrogram), -1)))


def _mel_in_pieces(samples: npt.NDArray[np.floating[Any]], left: int, device: torch.device | str) -> Frames:
    """`mel` of a sound that is longer than one piece, reflected by `left` samples at both ends."""
    count, frames = (len(samples) + 2 * left - FFT) // HOP + 1, len(samples) // HOP + 1
    bank = filterbank(LOWEST, HIGHEST, "slaney")
    spectrogram = frame_store(frames, BANDS, device)
    for start in range(0, count, PIECE):
        stop = min(start + PIECE, count)
        framed = reflected(samples, start * HOP - left, (stop - 1) * HOP + FFT - left)
        spectrogram[start:stop] = log_mel(framed.to(device), bank, EPSILON)
        release(samples)
    for frame in range(count, frames):
        spectrogram[frame : frame + 1] = spectrogram[count - 1 : count]
    return spectrogram


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
