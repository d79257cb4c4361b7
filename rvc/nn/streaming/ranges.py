"""Ranges of frames of a layer, and convolutions that compute just those ranges.

A range may extend beyond the true ends of its layer. The frames there are zeros, like the padding of the network run
over the entire signal. Pieces at the ends therefore have the same shapes as pieces in the middle, and oneDNN compiles
no further kernels for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from rvc.nn.kernels.conv import Conv


@dataclass(frozen=True)
class FrameRange:
    """Frames start … end − 1 of a layer whose true ends are 0 and `length`."""

    start: int
    end: int
    length: int

    def __len__(self) -> int:
        return self.end - self.start

    def widened(self, reach: int) -> FrameRange:
        """This range with `reach` more frames at each side."""
        return FrameRange(self.start - reach, self.end + reach, self.length)

    def aligned(self, frames: int) -> FrameRange:
        """This range, extended at both sides to multiples of `frames` counted from the start of the layer."""
        return FrameRange(self.start - self.start % frames, self.end + -self.end % frames, self.length)

    def pieces(self, frames: int) -> Iterator[FrameRange]:
        """This range in consecutive pieces of `frames` frames, the last of which may be shorter."""
        for start in range(self.start, self.end, frames):
            yield FrameRange(start, min(start + frames, self.end), self.length)


def slice_range(x: Tensor, inputs: FrameRange, outputs: FrameRange) -> Tensor:
    """The frames `outputs` of x (frames, channels), which holds the frames `inputs`; a view."""
    assert inputs.start <= outputs.start <= outputs.end <= inputs.end
    return x[outputs.start - inputs.start : outputs.end - inputs.start]


def slice_padded(x: Tensor, outputs: FrameRange) -> Tensor:
    """The frames `outputs` of x (length, channels), which holds all frames of a layer; beyond its ends, zeros."""
    inside = x[max(outputs.start, 0) : max(min(outputs.end, outputs.length), 0)]
    before = min(max(-outputs.start, 0), len(outputs))
    return F.pad(inside.contiguous(), (0, 0) * (x.dim() - 1) + (before, len(outputs) - len(inside) - before))


def zero_beyond_ends(x: Tensor, frames: FrameRange) -> Tensor:
    """Set the frames of x (frames, channels) beyond the layer's true ends to zero in place, and return x."""
    if frames.start < 0:
        x[: -frames.start] = 0
    if frames.end > frames.length:
        x[max(frames.length - frames.start, 0) :] = 0
    return x


def convolve_range(
    conv: Conv,
    x: Tensor,
    inputs: FrameRange,
    outputs: FrameRange,
    slope: float | None = None,
    slope_before: float | None = None,
) -> Tensor:
    """Convolve just the frames that a range of the result depends on.

    Args:
        conv: a convolution of odd width.
        x: the frames `inputs`, which include `outputs` widened by the convolution's reach.
        inputs, outputs: ranges of the signal and of the result.
        slope, slope_before: as in `Conv.__call__`.
    Returns:
        The frames `outputs` of the result, zeros beyond the layer's ends.
    """
    reached = slice_range(x, inputs, outputs.widened(conv.reach))
    return zero_beyond_ends(conv(reached, slope=slope, slope_before=slope_before), outputs)


def add_convolved_range(
    addend: Tensor,
    conv: Conv,
    x: Tensor,
    inputs: FrameRange,
    outputs: FrameRange,
    slope_before: float | None = None,
) -> Tensor:
    """Add the frames `outputs` of a convolution to `addend` in place, and return it; see `convolve_range`."""
    reached = slice_range(x, inputs, outputs.widened(conv.reach))
    return zero_beyond_ends(conv.add_to(addend, reached, slope_before=slope_before), outputs)


def sum_with_convolved_range(
    addend: Tensor,
    conv: Conv,
    x: Tensor,
    inputs: FrameRange,
    outputs: FrameRange,
    slope_before: float | None = None,
) -> Tensor:
    """The sum that `add_convolved_range` computes, in new memory."""
    reached = slice_range(x, inputs, outputs.widened(conv.reach))
    return zero_beyond_ends(conv.sum_with(addend, reached, slope_before=slope_before), outputs)
