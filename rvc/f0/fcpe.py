"""Pitch by FCPE: samples (L,) → f0 (L // 160 + 1,)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from rvc.f0.mel import FFT, HOP, filterbank, log_mel
from rvc.nn.fcpe import Fcpe

THRESHOLD = 0.006
REACH = 4  # bins averaged on either side of the strongest
EPSILON = 1e-9  # in the squared magnitude


def track(samples: npt.NDArray[np.floating[Any]], network: Fcpe) -> npt.NDArray[np.float32]:
    """Pitch of every 10 ms.

    samples : float (L,) at 16 kHz;  returns : float32 (L // 160 + 1,), Hz, 0 where unvoiced
    """
    audio = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
    salience = network.salience(mel(audio).to(network.device)).cpu()
    return np.asarray(decode(salience, network.cents.cpu()).numpy(), np.float32)


def mel(audio: Tensor) -> Tensor:
    """Log-mel as FCPE was trained on it: float32 (L,) → (L // 160 + 1, 128)."""
    frames = len(audio) // HOP + 1
    left = (FFT - HOP) // 2
    right = max(left, FFT - len(audio) - left)
    mode = "reflect" if right < len(audio) else "constant"
    framed = F.pad(audio[None], (left, right), mode=mode)[0]
    heard = log_mel(framed, filterbank(0.0, 8000.0, "slaney"), EPSILON)[:frames]
    return torch.cat((heard, heard[-1:].expand(frames - len(heard), -1)))  # the last frame again where one is short


def decode(salience: Tensor, table: Tensor) -> Tensor:
    """The mean of nine bins around the strongest, the edge bins counted again beyond the table's ends.

    salience : float32 (F, 360);  table : float32 (360,), cents above 10 Hz;  returns : float32 (F,), Hz
    """
    strength, strongest = salience.max(dim=1)
    window = (strongest[:, None] + torch.arange(-REACH, REACH + 1)).clamp_(0, len(table) - 1)
    weights = salience.gather(1, window)
    cents = (weights * table[window]).sum(1) / weights.sum(1)
    cents[strength <= THRESHOLD] = -torch.inf
    return 10 * 2 ** (cents / 1200)
