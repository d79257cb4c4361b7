"""Loudness over time, and the gain that mixes the input's loudness into the output (docs/spec/07 §7.6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

Samples = npt.NDArray[np.float32]

QUIETEST = 1e-3  # amplitude; the output's loudness is raised to this before the division (docs/spec/07 §7.6)


def loudness(samples: Samples, zc: int) -> Samples:
    """Root mean square of 40 ms every 10 ms, centered, with zeros beyond both ends.

    Args:
        samples: float32 (N,).
        zc: samples in 10 ms.
    Returns:
        float32 (1 + N//zc,).
    """
    padded = np.pad(samples, 2 * zc)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 4 * zc)[::zc]
    root: Samples = np.sqrt(np.mean(np.square(frames), axis=1))
    return root


def stretch(values: Samples, length: int) -> torch.Tensor:
    """Interpolate linearly to `length` values.

    The interpolation makes length + 1 values with the ends aligned and drops the last, as the original does.

    Args:
        values: float32 (frames,).
        length: number of samples.
    Returns:
        float32 (length,).
    """
    line = torch.from_numpy(values)[None, None]
    interpolated = torch.nn.functional.interpolate(line, size=length + 1, mode="linear", align_corners=True)
    return interpolated[0, 0, :-1]


def gain(before: Samples, after: Samples, rate: float, length: int) -> torch.Tensor:
    """The gain of the loudness mix.

    Args:
        before: float32 (frames,), loudness of the input.
        after: float32 (frames,), loudness of the output.
        rate: 0 gives the output the input's loudness, 1 leaves it unchanged.
        length: number of samples of the output.
    Returns:
        float32 (length,), the factors for the output's samples.
    """
    target, current = stretch(before, length), stretch(after, length).clamp(min=QUIETEST)
    ratio: torch.Tensor = (target / current) ** (1.0 - rate)
    return ratio
