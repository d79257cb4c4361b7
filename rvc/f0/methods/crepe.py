"""F0 by CREPE: samples (L,) → f0 (L // 160 + 1,), smoothed by a path search and dithered. docs/spec/03 §3.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rvc.f0.registry import HOP
from rvc.f0.salience import BINS, LOWEST_CENTS
from rvc.f0.viterbi import best_path
from rvc.nn.crepe import WINDOW, Crepe
from rvc.scratch import release

LOWEST_BIN, END_BIN = 39, 308  # the first bin at or above 50 Hz, and the first at or above 1100 Hz
STEPS_AT_ONCE = 512  # frames in a batch; the original searches the path of each batch separately
SILENCE = 0.1  # periodicity, 0 to 1; a frame below it is unvoiced
FULL_WIDTH = 2048  # inputs of the full network's last layer; the tiny one has 256
WIDEST_MOVE = 12  # bins of 20 cents; moves of this many or more from one frame to the next have probability 0


def track(
    samples: npt.NDArray[np.floating[Any]], network: Crepe, dither: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Track the F0 every 10 ms.

    Args:
        samples: float (L,) at 16 kHz.
        network: CREPE with its weights.
        dither: float32 (L // 160 + 1,), cents added to each frame; the original draws them from a triangular
            distribution on (-20, 20).
    Returns:
        float32 (L // 160 + 1,), Hz, 0 where unvoiced.
    """
    return decode((network.salience(windows.to(network.device)).cpu() for windows in batches(samples)), dither)


def decode(saliences: Iterable[Tensor], dither: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Decode salience: a path search in each batch, dither, and smoothing.

    Args:
        saliences: float32 (B, 360) each, batch by batch: 512 frames, and the rest in the last.
        dither: float32 (F,), cents added to each frame.
    Returns:
        float32 (F,), Hz, 0 where unvoiced.
    """
    bins, periodicity = [], []
    for salience in saliences:
        path = search(salience)
        bins.append(path)
        periodicity.append(salience.gather(1, path[:, None])[:, 0])
    cents = 20 * torch.cat(bins).float() + LOWEST_CENTS + torch.from_numpy(np.asarray(dither, np.float32))
    f0 = mean_of_three(10 * 2 ** (cents / 1200))
    f0[median_of_three(torch.cat(periodicity)) < SILENCE] = 0
    return np.asarray(f0.numpy(), np.float32)


def periodicity(samples: npt.NDArray[np.floating[Any]], network: Crepe) -> tuple[npt.NDArray[np.float32], None]:
    """The values that `track` compares with `SILENCE`, float32 (L // 160 + 1, 1); the path search chooses the bin."""
    values = []
    for windows in batches(samples):
        salience = network.salience(windows.to(network.device)).cpu()
        values.append(salience.gather(1, search(salience)[:, None])[:, 0])
    return median_of_three(torch.cat(values)).numpy()[:, None], None


def batches(samples: npt.NDArray[np.floating[Any]]) -> Iterator[Tensor]:
    """Windows of a sound, float (L,), centered every 160 samples, with zeros beyond both ends.

    Yields:
        float32 (B, 1024), B = 512 or what remains, each window of mean 0 and deviation 1.
    """
    frames, half = len(samples) // HOP + 1, WINDOW // 2
    for start in range(0, frames, STEPS_AT_ONCE):
        stop = min(start + STEPS_AT_ONCE, frames)
        first, last = start * HOP - half, (stop - 1) * HOP + half
        inside = torch.from_numpy(np.array(samples[max(first, 0) : last], np.float32))
        release(samples)
        before = max(-first, 0)
        framed = torch.nn.functional.pad(inside, (before, last - first - before - len(inside)))
        batch = framed.unfold(0, WINDOW, HOP).clone()
        batch -= batch.mean(dim=1, keepdim=True)
        batch /= batch.std(dim=1, keepdim=True).clamp_(min=1e-10)
        yield batch


def search(salience: Tensor) -> Tensor:
    """The most probable path through the bins from 50 to 1100 Hz: salience (B, 360) → bins, int64 (B,)."""
    allowed = salience.clone()
    allowed[:, :LOWEST_BIN] = -torch.inf
    allowed[:, END_BIN:] = -torch.inf
    probabilities = torch.softmax(allowed, dim=1).T.contiguous().numpy()
    return torch.from_numpy(best_path(probabilities, transitions()))


@cache
def transitions() -> npt.NDArray[np.float64]:
    """Probabilities of moving from one bin to another, falling linearly with their distance: float64 (360, 360)."""
    bins = np.arange(BINS)
    near = np.maximum(WIDEST_MOVE - np.abs(bins[:, None] - bins[None, :]), 0).astype(np.float64)
    return np.asarray(near / near.sum(axis=1, keepdims=True))


def median_of_three(values: Tensor) -> Tensor:
    """The median of each value and its two neighbors, (F,); at an end, the lower of two values."""
    if len(values) < 2:
        return values.clone()
    middle = values.unfold(0, 3, 1).median(dim=1).values if len(values) > 2 else values[:0]
    return torch.cat((values[:2].min()[None], middle, values[-2:].min()[None]))


def mean_of_three(values: Tensor) -> Tensor:
    """The mean of each value and its two neighbors, (F,); at an end, of two values."""
    if len(values) < 2:
        return values.clone()
    middle = values.unfold(0, 3, 1).sum(dim=1) / 3 if len(values) > 2 else values[:0]
    return torch.cat((values[:2].sum()[None] / 2, middle, values[-2:].sum()[None] / 2))


def is_full(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether tensors of these names and shapes belong to the full CREPE."""
    return _is_crepe(shapes) and shapes["classifier.weight"][1] == FULL_WIDTH


def is_tiny(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether tensors of these names and shapes belong to a smaller CREPE, such as the tiny one."""
    return _is_crepe(shapes) and shapes["classifier.weight"][1] != FULL_WIDTH


def _is_crepe(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    return "conv1.weight" in shapes and len(shapes.get("classifier.weight", ())) == 2
