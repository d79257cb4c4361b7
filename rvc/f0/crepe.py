"""Pitch by CREPE: samples (L,) → f0 (L // 160 + 1,), smoothed by a path search and dithered."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rvc.f0.viterbi import best_path
from rvc.nn.crepe import WINDOW, Crepe

HOP = 160
BINS = 360
LOWEST_BIN, END_BIN = 39, 308  # the bins from 50 Hz up to, but without, 1100 Hz
STEPS_AT_ONCE = 512  # the original searches its path separately in each batch
SILENCE = 0.1  # a frame of lower periodicity is unvoiced
WIDEST_MOVE = 12  # bins from one frame to the next


def frames_of(samples: int) -> int:
    """How many frames, and so how many dither values, a sound has."""
    return samples // HOP + 1


def track(
    samples: npt.NDArray[np.floating[Any]], network: Crepe, dither: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Pitch of every 10 ms.

    samples : float (L,) at 16 kHz
    dither  : float32 (L // 160 + 1,), cents added to each frame, which the original draws from a triangle on ±20
    returns : float32 (L // 160 + 1,), Hz, 0 where unvoiced
    """
    audio = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
    bins, periodicity = [], []
    for windows in batches(audio):
        salience = network.salience(windows.to(network.device)).cpu()
        path = search(salience)
        bins.append(path)
        periodicity.append(salience.gather(1, path[:, None])[:, 0])
    cents = 20 * torch.cat(bins).float() + 1997.3794084376191 + torch.from_numpy(np.asarray(dither, np.float32))
    f0 = mean_of_three(10 * 2 ** (cents / 1200))
    f0[median_of_three(torch.cat(periodicity)) < SILENCE] = 0
    return np.asarray(f0.numpy(), np.float32)


def batches(audio: Tensor) -> Iterator[Tensor]:
    """Windows centred every 160 samples, each of zero mean and unit deviation: up to 512 of them, (B, 1024)."""
    windows = torch.nn.functional.pad(audio, (WINDOW // 2, WINDOW // 2)).unfold(0, WINDOW, HOP)
    for start in range(0, len(windows), STEPS_AT_ONCE):
        batch = windows[start : start + STEPS_AT_ONCE].clone()
        batch -= batch.mean(dim=1, keepdim=True)
        batch /= batch.std(dim=1, keepdim=True).clamp_(min=1e-10)
        yield batch


def search(salience: Tensor) -> Tensor:
    """The likeliest path through the pitches from 50 to 1100 Hz: (B, 360) → int64 (B,)."""
    allowed = salience.clone()
    allowed[:, :LOWEST_BIN] = -torch.inf
    allowed[:, END_BIN:] = -torch.inf
    chances = torch.softmax(allowed, dim=1).T.contiguous().numpy()
    return torch.from_numpy(best_path(chances, moves()))


@cache
def moves() -> npt.NDArray[np.float64]:
    """From each bin to its neighbours, the nearer the likelier: float64 (360, 360), rows summing to 1."""
    bins = np.arange(BINS)
    near = np.maximum(WIDEST_MOVE - np.abs(bins[:, None] - bins[None, :]), 0).astype(np.float64)
    return np.asarray(near / near.sum(axis=1, keepdims=True))


def median_of_three(values: Tensor) -> Tensor:
    """Median over each value and its neighbours; of two at an end, the lower."""
    if len(values) < 2:
        return values.clone()
    middle = values.unfold(0, 3, 1).median(dim=1).values if len(values) > 2 else values[:0]
    return torch.cat((values[:2].min()[None], middle, values[-2:].min()[None]))


def mean_of_three(values: Tensor) -> Tensor:
    """Mean over each value and its neighbours; over two at an end."""
    if len(values) < 2:
        return values.clone()
    middle = values.unfold(0, 3, 1).sum(dim=1) / 3 if len(values) > 2 else values[:0]
    return torch.cat((values[:2].sum()[None] / 2, middle, values[-2:].sum()[None] / 2))
