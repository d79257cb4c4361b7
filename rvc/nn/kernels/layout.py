"""Layouts of a signal: frames (T, C) between the layers, channels-last images for convolutions, (1, C, T) outside."""

from __future__ import annotations

from torch import Tensor


def as_image(x: Tensor) -> Tensor:
    """Frames (T, C) as a channels-last image (1, C, 1, T); no copy."""
    return x.unsqueeze(0).unsqueeze(0).permute(0, 3, 1, 2)


def as_frames(image: Tensor) -> Tensor:
    """A channels-last image (1, C, 1, T) as frames (T, C); no copy."""
    return image.permute(0, 2, 3, 1)[0, 0]


def to_frames(x: Tensor) -> Tensor:
    """A tensor (1, C, T), the layout of the reference, as contiguous frames (T, C)."""
    return x[0].t().contiguous()


def from_frames(x: Tensor) -> Tensor:
    """Frames (T, C) as a contiguous tensor (1, C, T), the layout of the reference."""
    return x.t().contiguous().unsqueeze(0)


def unfold_frames(frames: Tensor, width: int, stride: int) -> Tensor:
    """Every `stride`, `width` consecutive frames as one: (T, c) → ((T − width) // stride + 1, width·c); no copy."""
    count, channels = (len(frames) - width) // stride + 1, frames.shape[1]
    return frames.as_strided((count, width * channels), (stride * channels, 1), frames.storage_offset())
