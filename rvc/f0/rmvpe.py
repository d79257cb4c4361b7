"""Pitch by RMVPE: samples (L,) → f0 (L // 160 + 1,)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from rvc.errors import BadInput
from rvc.f0.mel import FFT, HOP, filterbank, log_mel
from rvc.f0.salience import decode
from rvc.nn.rmvpe import Rmvpe

THRESHOLD = 0.03


def track(samples: npt.NDArray[np.floating], network: Rmvpe) -> npt.NDArray[np.float64]:
    """Pitch of every 10 ms.

    samples : float (L,) at 16 kHz, more than 512;  network : the loaded weights
    returns : float64 (L // 160 + 1,), Hz, 0 where unvoiced; frame j is centred at sample 160·j
    raises  : BadInput when the sound is too short to be reflected at its ends
    """
    f0 = np.empty(len(samples) // HOP + 1)
    for start, stretch in network.salience(mel(samples).to(network.device)):
        f0[start : start + len(stretch)] = decode(stretch.cpu().numpy(), THRESHOLD)
    return f0


def mel(samples: npt.NDArray[np.floating]) -> torch.Tensor:
    """Log-mel as RMVPE was trained on it: float (L,) → float32 (L // 160 + 1, 128)."""
    if len(samples) <= FFT // 2:
        raise BadInput(f"rmvpe needs more than {FFT // 2} samples at 16 kHz, found {len(samples)}; give a longer sound")
    audio = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
    framed = torch.nn.functional.pad(audio[None], (FFT // 2, FFT // 2), mode="reflect")[0]
    return log_mel(framed, filterbank(30.0, 8000.0, "htk"))
