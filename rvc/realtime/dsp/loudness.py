"""Loudness along time: the root mean square of 40 ms, every 10 ms, and the mix of the input's into the output."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

Samples = npt.NDArray[np.float32]

QUIETEST = 1e-3  # the output's loudness is never taken to be below this, so that silence is not divided by


def loudness(samples: Samples, zc: int) -> Samples:
    """Root mean square of 4·zc samples centred on every zc-th, zeros beyond both ends.

    samples : float32 (N,);  returns : float32 (1 + N//zc,)
    """
    padded = np.pad(samples, 2 * zc)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 4 * zc)[::zc]
    root: Samples = np.sqrt(np.mean(np.square(frames), axis=1))
    return root


def stretch(values: Samples, length: int) -> torch.Tensor:
    """Values to one for each of `length` samples: linear over length + 1 with the ends aligned, the last dropped."""
    line = torch.from_numpy(values)[None, None]
    whole = torch.nn.functional.interpolate(line, size=length + 1, mode="linear", align_corners=True)
    return whole[0, 0, :-1]


def gain(before: Samples, after: Samples, rate: float, length: int) -> torch.Tensor:
    """What `after`'s sound is multiplied by so that `rate` 0 gives it the loudness of `before`, 1 leaves it alone.

    before, after : float32 (frames,), loudness of the input and of the output
    returns : float32 (length,)
    """
    wanted, found = stretch(before, length), stretch(after, length).clamp(min=QUIETEST)
    ratio: torch.Tensor = (wanted / found) ** (1.0 - rate)
    return ratio
