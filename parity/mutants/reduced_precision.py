"""Numbers in fewer bits, as ports store them: half precision, 24-bit floats, fixed point, PCM.

Each function takes and returns a numpy array, a torch tensor or a tuple of them; dtype and shape stay.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from parity.goldens.arrays import Array

Change = Callable[[Array], Array]
Rounding = Callable[[Any], Any]  # rounds an array, a tensor or a tuple of them, and returns the kind that it gets


def of_any_kind(change: Change) -> Rounding:
    """Make a function of float arrays one of tensors and tuples, too."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(changed, value))
        if isinstance(value, torch.Tensor):
            return torch.from_numpy(np.ascontiguousarray(changed(value.detach().numpy())))
        return np.asarray(change(value)).astype(value.dtype)

    return changed


@of_any_kind
def half(value: Array) -> Array:
    """Round to float16."""
    return value.astype(np.float16)


@of_any_kind
def fp24(value: Array) -> Array:
    """Round to a float of 24 bits with 16 bits of mantissa, as older graphics and signal processors have."""
    return _mantissa(value, 16, np.rint)


@of_any_kind
def fp24_cut(value: Array) -> Array:
    """Truncate to the same float of 24 bits."""
    return _mantissa(value, 16, np.trunc)


@of_any_kind
def bfloat16(value: Array) -> Array:
    """Round to bfloat16, which has 7 bits of mantissa."""
    return _mantissa(value, 7, np.rint)


@of_any_kind
def tf32(value: Array) -> Array:
    """Round to the 10 bits of mantissa that a TF32 matrix product uses of its inputs."""
    return _mantissa(value, 10, np.rint)


@of_any_kind
def single(value: Array) -> Array:
    """Round float64 to float32."""
    return value.astype(np.float32)


@of_any_kind
def pcm16(value: Array) -> Array:
    """Round samples of any shape, full scale at ±1, to multiples of 1/32768."""
    return np.asarray(np.rint(value * 32768) / 32768)


@of_any_kind
def pcm20_cut(value: Array) -> Array:
    """Truncate samples of any shape, full scale at ±1, to multiples of 2^-19."""
    return np.asarray(np.trunc(value * 2**19) / 2**19)


@of_any_kind
def over_32767(value: Array) -> Array:
    """Samples of any shape as they are where 16-bit integers are divided by 32767 instead of 32768."""
    return value * (32768 / 32767)


def fixed(bits: int) -> Rounding:
    """Round to fixed point with so many bits after the binary point."""
    return of_any_kind(lambda value: np.rint(value.astype(np.float64) * 2.0**bits) / 2.0**bits)


def in_integers(bits: int) -> Rounding:
    """Round to signed integers of so many bits, of which the largest stands for the largest magnitude."""

    def change(value: Array) -> Array:
        step = np.abs(value).max() / (2 ** (bits - 1) - 1)
        return np.asarray(np.rint(value / step) * step)

    return of_any_kind(change)


in_12_bits = fixed(12)  # coarser than the weights of the synthetic voices, which are float16 numbers already


def text(digits: int) -> Rounding:
    """Round to so many decimals, as numbers written as text are."""
    return of_any_kind(lambda value: np.round(value.astype(np.float64), digits))


def slider(bits: int) -> Callable[[float], float]:
    """Round a value from 0 to 1 to so many bits."""
    return lambda value: float(np.rint(value * (2**bits - 1)) / (2**bits - 1))


def _mantissa(value: Array, bits: int, to_integer: Callable[[Array], Array]) -> Array:
    """Keep `bits` bits of mantissa after the leading one."""
    fraction, exponent = np.frexp(value.astype(np.float64))
    return np.asarray(np.ldexp(to_integer(fraction * 2.0 ** (bits + 1)), exponent - bits - 1))
