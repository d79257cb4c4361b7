"""F0 by RMVPE: samples (L,) → f0 (L // 160 + 1,). docs/spec/03 §3.5."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from rvc.errors import BadInput
from rvc.f0.mel import BANDS, FFT, PIECE, filterbank, log_mel, reflected
from rvc.f0.registry import HOP
from rvc.f0.salience import BINS, CENTS, decode
from rvc.nn.gpu.recorded_rmvpe import RecordedRmvpe
from rvc.nn.rmvpe import Rmvpe
from rvc.scratch import Frames, frame_store, release

THRESHOLD = 0.03  # salience, 0 to 1; a frame whose strongest bin is not above it is unvoiced
LOWEST, HIGHEST = 30.0, 8000.0  # Hz, the range of the mel filterbank


def track(samples: npt.NDArray[np.floating], network: Rmvpe | RecordedRmvpe) -> npt.NDArray[np.float64]:
    """Track the F0 every 10 ms.

    Args:
        samples: float (L,) at 16 kHz, more than 512 samples.
        network: RMVPE with its weights; in a stream on a GPU, its recordings.
    Returns:
        float64 (L // 160 + 1,), Hz, 0 where unvoiced; frame j is centered at sample 160·j.
    Raises:
        BadInput: the sound is too short to be reflected at its ends.
    """
    count = len(samples) // HOP + 1
    f0 = np.empty(count)
    if isinstance(network, RecordedRmvpe):
        refuse_too_short(samples)
        spectrogram = partial(log_mel, bank=filterbank(LOWEST, HIGHEST, "htk"))
        pieces = network.salience(framed(samples, 0, count).to(network.device), spectrogram)
    else:
        pieces = network.salience(mel(samples, network.device))
    for start, part in pieces:
        f0[start : start + len(part)] = decode(part.cpu().numpy(), THRESHOLD)
    return f0


def salience(
    samples: npt.NDArray[np.floating], network: Rmvpe
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """The salience that `track` decodes: float32 (L // 160 + 1, 360), and the cents of its bins, float64 (360,)."""
    values = np.zeros((len(samples) // HOP + 1, BINS), np.float32)
    for start, part in network.salience(mel(samples, network.device)):
        values[start : start + len(part)] = part.cpu().numpy()
    return values, CENTS


def mel(samples: npt.NDArray[np.floating], device: torch.device | str = "cpu") -> Frames:
    """The log-mel spectrogram that RMVPE was trained on.

    Args:
        samples: float (L,) at 16 kHz, more than 512 samples.
        device: where the spectrogram is computed.
    Returns:
        float32 (L // 160 + 1, 128), natural logarithm of magnitudes; that of a long sound is in a temporary file.
    Raises:
        BadInput: the sound is too short to be reflected at its ends.
    """
    refuse_too_short(samples)
    count, bank = len(samples) // HOP + 1, filterbank(LOWEST, HIGHEST, "htk")
    if count <= PIECE:
        return log_mel(framed(samples, 0, count).to(device), bank)
    spectrogram = frame_store(count, BANDS, device)
    for start in range(0, count, PIECE):
        stop = min(start + PIECE, count)
        spectrogram[start:stop] = log_mel(framed(samples, start, stop).to(device), bank)
        release(samples)
    return spectrogram


def refuse_too_short(samples: npt.NDArray[np.floating]) -> None:
    """Raise BadInput for a sound, (L,) at 16 kHz, that is too short to be reflected at its ends."""
    if len(samples) <= FFT // 2:
        raise BadInput(f"rmvpe needs more than {FFT // 2} samples at 16 kHz, found {len(samples)}; give a longer sound")


def framed(samples: npt.NDArray[np.floating], start: int, stop: int) -> torch.Tensor:
    """The samples in the windows of frames start … stop − 1, reflected at both ends of the sound.

    Args:
        samples: float (L,) at 16 kHz, more than 512 samples.
        start, stop: frames; frame j is centered at sample 160·j.
    Returns:
        float32 (160·(stop − start) + 864,), and the samples after the last window where `stop` is the end.
    """
    half, count = FFT // 2, len(samples)
    last = count if stop == count // HOP + 1 else (stop - 1) * HOP
    return reflected(samples, start * HOP - half, last + half)


def is_rmvpe(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether tensors of these names belong to RMVPE."""
    return any(name.startswith("unet.") for name in shapes)
