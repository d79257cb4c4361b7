"""Convolutions with fewer products: neighbouring rows out share them (fast FIR filtering), exact but for rounding.

Two rows out of a filter with even taps a and odd taps b, from even rows E and odd rows O, are

    even = a∗E + b∗O = (a + b)∗O + a∗(E − O)
    odd  = a∗O + b∗E = (a + b)∗O + b∗(E − O)          (each at its own place in time)

so three filters of half the length, on half the rows, do the work of four. Done twice, nine do the work of sixteen:
26 products instead of 44 for four rows of 11 taps. A signal is therefore kept as pairs of its even and odd rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from rvc.nn.kernels.conv import Conv

Signal: TypeAlias = "Tensor | tuple[Signal, Signal]"  # rows, or the even and the odd rows
Kernel: TypeAlias = "Conv | FastConv"


def split(x: Tensor, levels: int) -> Signal:
    """Rows (T, C), T a multiple of 2^levels, as pairs of pairs."""
    if levels == 0:
        return x.contiguous()
    return split(x[0::2], levels - 1), split(x[1::2], levels - 1)


def add_joined(total: Tensor, signal: Signal) -> None:
    """Add a signal to the rows `total` in place."""
    if isinstance(signal, Tensor):
        total += signal
    else:
        add_joined(total[0::2], signal[0])
        add_joined(total[1::2], signal[1])


def take(signal: Signal, start: int, count: int) -> Signal:
    """Rows start … start + count − 1, the first of them even now; no copy."""
    if isinstance(signal, Tensor):
        return signal[start : start + count]
    even, odd = signal
    if start % 2:
        even, odd = odd, take(even, 1, length(even) - 1)
    return take(even, start // 2, count // 2), take(odd, start // 2, count // 2)


def length(signal: Signal) -> int:
    """Rows in a signal."""
    return len(signal) if isinstance(signal, Tensor) else 2 * length(signal[0])


def silence(signal: Signal, start: int, end: int) -> None:
    """Zeros, in place, where the rows of a signal that begins with row `start` lie beyond the true ends 0 and `end`."""
    count = length(signal)
    if start < 0:
        clear(signal, 0, min(-start, count))
    if start + count > end:
        clear(signal, max(end - start, 0), count)


def clear(signal: Signal, first: int, last: int) -> None:
    """Zeros in rows first … last − 1."""
    if isinstance(signal, Tensor):
        signal[first:last] = 0
    else:
        clear(signal[0], (first + 1) // 2, (last + 1) // 2)
        clear(signal[1], first // 2, last // 2)


def each(change: Callable[..., Tensor], *signals: Signal) -> Signal:
    """`change` applied to the rows of signals that are paired alike."""
    first = signals[0]
    if isinstance(first, Tensor):
        return change(*signals)
    return each(change, *(s[0] for s in signals)), each(change, *(s[1] for s in signals))


class FastConv:
    """What Conv computes, on signals paired `levels` deep: 1 or 2. The dilation is 1, 3 or 5."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dilation: int, levels: int) -> None:
        """weight : float32 (O, I, k);  bias : float32 (O,) or None."""
        a, b = weight[:, :, 0::2], weight[:, :, 1::2]
        both = a.clone()
        both[:, :, : b.shape[2]] += b

        def kernel(taps: Tensor, bias: Tensor | None) -> Kernel:
            return Conv(taps, bias, dilation) if levels == 1 else FastConv(taps, bias, dilation, levels - 1)

        self.both, self.a, self.b = kernel(both, bias), kernel(a, None), kernel(b, None)
        self.multiple = 2**levels
        # The two rows meet the shared product at different times: odd rows shared for 1 and 5, even ones for 3, so that
        # the difference is an even number, as the next level needs.
        self.share_even = dilation % 4 == 3
        self.late = (dilation + 1) // 2 if self.share_even else (dilation - 1) // 2

    def need(self, count: int) -> int:
        """Rows in, from the first tap on, for `count` rows out, a multiple of 2^levels."""
        half, late = count // 2, self.late
        both, a, b = need(self.both, half + late), need(self.a, half), need(self.b, half)
        longest = max(both, a + late, b + late) if self.share_even else max(both, a + late, b + late + 1)
        rows: int = -(-2 * longest // self.multiple) * self.multiple
        return rows

    def __call__(self, x: Signal, count: int, base: Signal | None = None, keep: bool = False) -> Signal:
        """`count` rows out of the rows x that start at the first tap.

        They are added to `base` when there is one: in place, unless it is to `keep` as it is.
        """
        assert not isinstance(x, Tensor)
        (even, odd), half, late = x, count // 2, self.late
        if self.share_even:
            shared = run(self.both, even, half + late)
            first, second = take(shared, 0, half), take(shared, late, half)
            of_even, of_odd = self.b, self.a
            u, v = minus(odd, late - 1, even, 0, need(of_even, half)), minus(odd, 0, even, late, need(of_odd, half))
        else:
            shared = run(self.both, odd, half + late)
            first, second = take(shared, late, half), take(shared, 0, half)
            of_even, of_odd = self.a, self.b
            u, v = minus(even, 0, odd, late, need(of_even, half)), minus(even, late + 1, odd, 0, need(of_odd, half))
        if base is None:  # the two share rows, and it is the second that may write into them
            return run(of_even, u, half, first, keep=True), run(of_odd, v, half, second)
        assert not isinstance(base, Tensor)
        add = torch.add if keep else Tensor.add_
        first, second = each(add, base[0], first), each(add, base[1], second)
        return run(of_even, u, half, first), run(of_odd, v, half, second)


def need(kernel: Kernel, count: int) -> int:
    """Rows in, from the first tap on, for `count` rows out."""
    return kernel.need(count) if isinstance(kernel, FastConv) else count + (kernel.width - 1) * kernel.dilation


def run(kernel: Kernel, x: Signal, count: int, base: Signal | None = None, keep: bool = False) -> Signal:
    """`count` rows out of either kind of convolution, added to `base`: in place, unless it is to `keep` as it is."""
    if isinstance(kernel, FastConv):
        return kernel(x, count, base, keep)
    rows = take(x, 0, need(kernel, count))
    assert isinstance(rows, Tensor)
    if base is None:
        return kernel(rows)
    assert isinstance(base, Tensor)
    return kernel.added(base, rows) if keep else kernel.add_to(base, rows)


def minus(x: Signal, x_start: int, y: Signal, y_start: int, count: int) -> Signal:
    """Rows of x less rows of y."""
    return each(torch.sub, take(x, x_start, count), take(y, y_start, count))
