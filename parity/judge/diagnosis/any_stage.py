"""Mistakes that any stage can make: shifted in time, scaled, inverted, an axis reversed, fewer bits."""

from collections.abc import Iterator

import numpy as np

from parity import stages
from parity.goldens.arrays import Array
from parity.judge.diagnosis.acceptance import finite
from parity.judge.diagnosis.registry import Guess
from parity.stages import TensorKind

LARGEST_SHIFT = 3  # samples or frames; larger shifts have causes of their own (a cut, a padding)
# A gain is tried only where less than this share of the candidate's energy is left once the gain is removed.
LEFT_BY_A_GAIN = 0.1


def guesses(name: str, ours: Array, golden: Array) -> Iterator[Guess]:
    """The guesses for a tensor.

    Args:
        name: Its full name.
        ours: The candidate's value.
        golden: The golden's value, of the same shape.
    """
    row = stages.tensor(name)
    exact = golden.astype(np.float64)
    yield Guess("polarity", "the sign is reversed", -exact, general=True)
    axis = row.time_axis
    if axis is not None and axis < golden.ndim and golden.shape[axis] > 2 * LARGEST_SHIFT:
        unit = "sample" if row.axes[axis].startswith("sample") else "frame"
        for by in (*range(-LARGEST_SHIFT, 0), *range(1, LARGEST_SHIFT + 1)):
            word = "late" if by > 0 else "early"
            yield Guess(
                f"shift by {abs(by)} {unit}{'s' if abs(by) > 1 else ''}",
                f"everything comes {abs(by)} {unit}{'s' if abs(by) > 1 else ''} {word}",
                _shifted(exact, by, axis, ours),
                general=True,
            )
        yield Guess("reversed time", "the time axis is reversed", np.flip(exact, axis), general=True)
    for place, label in enumerate(row.axes):
        if label == "channel" and place < golden.ndim:
            yield Guess("reversed channels", "the channels are in reverse order", np.flip(exact, place), general=True)
            half = golden.shape[place] // 2
            yield Guess(
                "swapped halves",
                "the two halves of the channels are exchanged",
                np.roll(exact, half, place),
                general=True,
            )
    if row.kind not in (TensorKind.DECISION, TensorKind.NOISE):
        yield from _scaled(exact, finite(ours))
        yield from _rounded(golden, ours)


def _shifted(exact: Array, by: int, axis: int, ours: Array) -> Array:
    moved = np.roll(exact, by, axis)
    edge = (slice(None),) * axis + (slice(0, by) if by > 0 else slice(by, None),)
    moved[edge] = finite(ours)[edge]  # the shifted-in values are not known
    return moved


def _scaled(exact: Array, ours: Array) -> Iterator[Guess]:
    power = float(np.sum(exact * exact))
    if power:
        gain = float(np.sum(exact * ours)) / power
        if float(np.sum((ours - gain * exact) ** 2)) < LEFT_BY_A_GAIN * float(np.sum(ours * ours)):
            yield Guess("gain", f"everything is {gain:.7g} times the golden", exact * gain, general=True, fitted=True)
    offset = float(ours.mean() - exact.mean())
    yield Guess("offset", f"{offset:.3g} is added everywhere", exact + offset, general=True, fitted=True)


def _rounded(golden: Array, ours: Array) -> Iterator[Guess]:
    """Fewer bits or decimal digits, where the candidate's values need fewer of them than the golden's."""
    if golden.dtype.kind != "f" or not np.isfinite(ours).all():
        return
    gap, scale = np.abs(ours - golden), np.abs(golden.astype(np.float64))
    if not gap.any() or not (gap <= 0.01 * scale + 1e-3 * scale.max()).all():
        return
    slack = 1e-6 * float(scale.max())
    changed = gap > 0
    bits, places = _bits(ours), _places(ours)
    count, behind = int(bits[changed].max()), int(places[changed].max())
    # A value that another processor computes a little differently may be rounded the other way: twice the step.
    if 0 < count <= 24 and _bits(golden).max() > count + 2 and (gap <= 2.0 ** (2 - count) * scale + slack).all():
        name = "half precision" if count <= 11 else "fewer bits" if count < 24 else "single precision"
        step = 2.0 ** (np.frexp(golden.astype(np.float64))[1] - count)
        value = _rounded_to(step, bits <= count, ours, golden)
        yield Guess(name, f"every value has only {count} bits", value)
    if behind <= 30 and _places(golden).max() > behind + 2 and (gap <= 2.0 ** (1 - behind) + slack).all():
        value = _rounded_to(2.0**-behind, places <= behind, ours, golden)
        yield Guess("fixed point", f"every value has {behind} bits behind the point", value)
    for digits in range(1, 7):
        decimal = _is_decimal(ours, digits)
        if decimal[changed].all():
            if not _is_decimal(golden, digits).all() and (gap <= 10.0**-digits + slack).all():
                value = _rounded_to(10.0**-digits, decimal, ours, golden)
                yield Guess("rounded decimals", f"every value has {digits} decimals", value)
            break


def _rounded_to(step: float | Array, is_multiple: Array, ours: Array, golden: Array) -> Array:
    """The golden rounded to multiples of a step, up or down as the candidate's values show.

    So neither a tensor of which only a part is rounded is explained, nor one that is rounded more coarsely: 16 bits
    behind the point are no more than 19 bits in all, yet they change small values by more than 19 bits do.

    Args:
        step: For each value, or for all.
        is_multiple: Where the candidate's value is a multiple of the step.
        ours: The candidate's values.
        golden: The golden's.
    """
    exact = golden.astype(np.float64)
    return np.where(is_multiple & (np.abs(ours - exact) <= step), ours, np.rint(exact / step) * step)


def _lowest(value: Array) -> Array:
    """The power of two that each value other than 0 is an odd multiple of."""
    part, power = np.frexp(value.astype(np.float64))
    integer = np.maximum(np.abs(part * 2.0**53).astype(np.int64), 1)
    return np.asarray(np.log2((integer & -integer).astype(np.float64)) + power - 53)


def _bits(value: Array) -> Array:
    """The bits that the mantissa of each value needs; 0 for 0."""
    _, power = np.frexp(value.astype(np.float64))
    return np.where(value == 0, 0, power - _lowest(value)).astype(np.int64)


def _places(value: Array) -> Array:
    """The bits that each value needs behind the point; 0 for 0."""
    return np.where(value == 0, 0, -_lowest(value)).astype(np.int64)


def _is_decimal(value: Array, digits: int) -> Array:
    """Whether each value has so few decimals."""
    scaled = value.astype(np.float64) * 10.0**digits
    return np.asarray(np.abs(scaled - np.rint(scaled)) <= 0.1)
