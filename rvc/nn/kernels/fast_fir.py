"""Convolutions with fewer products: neighboring results share them (fast FIR filtering), exact but for rounding.

Two results of a filter with even taps a and odd taps b, from even frames E and odd frames O, are

    even = a∗E + b∗O = (a + b)∗O + a∗(E − O)
    odd  = a∗O + b∗E = (a + b)∗O + b∗(E − O)          (each at its own place in time)

so three filters of half the length, over half the frames, replace four. Applied twice, nine replace sixteen: 26
products instead of 44 for four results of 11 taps. A signal is therefore held as pairs of its even and odd frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from rvc.nn.kernels.backends.backend import Operation
from rvc.nn.kernels.conv import Conv

Signal: TypeAlias = "Tensor | tuple[Signal, Signal]"  # frames (T, C), or the even and the odd frames
Kernel: TypeAlias = "Conv | FastConv"


def split_frames(x: Tensor, levels: int) -> Signal:
    """Frames (T, C), T a multiple of 2^levels, as pairs nested `levels` deep."""
    if levels == 0:
        return x.contiguous()
    return split_frames(x[0::2], levels - 1), split_frames(x[1::2], levels - 1)


def add_joined(total: Tensor, signal: Signal) -> None:
    """Add a signal to the frames `total` (T, C) in place."""
    if isinstance(signal, Tensor):
        total += signal
    else:
        add_joined(total[0::2], signal[0])
        add_joined(total[1::2], signal[1])


def take(signal: Signal, start: int, count: int) -> Signal:
    """Frames start … start + count − 1, of which the first becomes an even one; no copy."""
    if isinstance(signal, Tensor):
        return signal[start : start + count]
    even, odd = signal
    if start % 2:
        even, odd = odd, take(even, 1, length(even) - 1)
    return take(even, start // 2, count // 2), take(odd, start // 2, count // 2)


def length(signal: Signal) -> int:
    """The number of frames in a signal."""
    return len(signal) if isinstance(signal, Tensor) else 2 * length(signal[0])


def zero_outside(signal: Signal, start: int, end: int) -> None:
    """Set frames beyond the true ends 0 and `end` to zero in place, in a signal that begins with frame `start`."""
    count = length(signal)
    if start < 0:
        zero_frames(signal, 0, min(-start, count))
    if start + count > end:
        zero_frames(signal, max(end - start, 0), count)


def zero_frames(signal: Signal, first: int, last: int) -> None:
    """Set frames first … last − 1 to zero in place."""
    if isinstance(signal, Tensor):
        signal[first:last] = 0
    else:
        zero_frames(signal[0], (first + 1) // 2, (last + 1) // 2)
        zero_frames(signal[1], first // 2, last // 2)


def map_signals(function: Callable[..., Tensor], *signals: Signal) -> Signal:
    """Apply a function of tensors to the corresponding tensors of several signals, which have the same pairs."""
    first = signals[0]
    if isinstance(first, Tensor):
        return function(*signals)
    return map_signals(function, *(s[0] for s in signals)), map_signals(function, *(s[1] for s in signals))


class FastConv:
    """The convolution that Conv computes, over signals paired `levels` deep (1 or 2), for dilation 1, 3 or 5."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dilation: int, levels: int) -> None:
        """Pack the three filters.

        Args:
            weight: float32 (out, in, k).
            bias: float32 (out,) or None.
            dilation: frames from one tap to the next.
            levels: how often the taps are divided into even and odd ones.
        """
        even, odd = weight[:, :, 0::2], weight[:, :, 1::2]
        total = even.clone()
        total[:, :, : odd.shape[2]] += odd

        def kernel(taps: Tensor, bias: Tensor | None) -> Kernel:
            if levels > 1:
                return FastConv(taps, bias, dilation, levels - 1)
            return Conv(taps, bias, dilation, operation=Operation.FILTER)

        self.sum_of_taps, self.even_taps, self.odd_taps = kernel(total, bias), kernel(even, None), kernel(odd, None)
        self.multiple = 2**levels
        # Both results use the shared product, at different times. Sharing the odd frames for dilations 1 and 5, and the
        # even ones for 3, makes the difference of those times even, which the next level requires.
        self.share_even = dilation % 4 == 3
        self.delay = (dilation + 1) // 2 if self.share_even else (dilation - 1) // 2

    def frames_needed(self, count: int) -> int:
        """Input frames, from the first tap on, for `count` results, a multiple of 2^levels."""
        half, delay = count // 2, self.delay
        total = frames_needed(self.sum_of_taps, half + delay)
        even, odd = frames_needed(self.even_taps, half), frames_needed(self.odd_taps, half)
        most = max(total, even + delay, odd + delay) if self.share_even else max(total, even + delay, odd + delay + 1)
        frames: int = -(-2 * most // self.multiple) * self.multiple
        return frames

    def __call__(self, x: Signal, count: int, addend: Signal | None = None, keep: bool = False) -> Signal:
        """Convolve a signal.

        Args:
            x: a signal that begins with the frame of the first tap.
            count: results, a multiple of 2^levels.
            addend: a signal of `count` frames to which the result is added, in place unless `keep`.
            keep: whether `addend` is left as it is.
        Returns:
            A signal of `count` frames.
        """
        assert not isinstance(x, Tensor)
        (even, odd), half, delay = x, count // 2, self.delay
        if self.share_even:
            shared = convolve(self.sum_of_taps, even, half + delay)
            first, second = take(shared, 0, half), take(shared, delay, half)
            for_even, for_odd = self.odd_taps, self.even_taps
            u = difference(odd, delay - 1, even, 0, frames_needed(for_even, half))
            v = difference(odd, 0, even, delay, frames_needed(for_odd, half))
        else:
            shared = convolve(self.sum_of_taps, odd, half + delay)
            first, second = take(shared, delay, half), take(shared, 0, half)
            for_even, for_odd = self.even_taps, self.odd_taps
            u = difference(even, 0, odd, delay, frames_needed(for_even, half))
            v = difference(even, delay + 1, odd, 0, frames_needed(for_odd, half))
        if addend is None:  # both results use frames of `shared`, and only the second may overwrite them
            return convolve(for_even, u, half, first, keep=True), convolve(for_odd, v, half, second)
        assert not isinstance(addend, Tensor)
        add = torch.add if keep else Tensor.add_
        first, second = map_signals(add, addend[0], first), map_signals(add, addend[1], second)
        return convolve(for_even, u, half, first), convolve(for_odd, v, half, second)


def frames_needed(kernel: Kernel, count: int) -> int:
    """Input frames, from the first tap on, for `count` results."""
    return kernel.frames_needed(count) if isinstance(kernel, FastConv) else count + (kernel.width - 1) * kernel.dilation


def convolve(kernel: Kernel, x: Signal, count: int, addend: Signal | None = None, keep: bool = False) -> Signal:
    """`count` results of either kind of convolution; the arguments are those of `FastConv.__call__`."""
    if isinstance(kernel, FastConv):
        return kernel(x, count, addend, keep)
    frames = take(x, 0, frames_needed(kernel, count))
    assert isinstance(frames, Tensor)
    if addend is None:
        return kernel(frames)
    assert isinstance(addend, Tensor)
    return kernel.sum_with(addend, frames) if keep else kernel.add_to(addend, frames)


def difference(x: Signal, x_start: int, y: Signal, y_start: int, count: int) -> Signal:
    """`count` frames of x from `x_start` on, minus those of y from `y_start` on."""
    return map_signals(torch.sub, take(x, x_start, count), take(y, y_start, count))
