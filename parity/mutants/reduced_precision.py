"""Numbers kept in fewer bits, as ports do: half precision, 24-bit floats, fixed point, PCM; numpy and torch."""

from typing import Any

import numpy as np
import torch

from parity.goldens.arrays import Array


def like(change: Any) -> Any:
    """A function of float arrays made one of tensors too; dtype and shape stay."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(changed, value))
        if isinstance(value, torch.Tensor):
            return torch.from_numpy(np.ascontiguousarray(changed(value.detach().numpy())))
        return np.asarray(change(value)).astype(value.dtype)

    return changed


@like
def half(value: Array) -> Array:
    """float16 and back."""
    return value.astype(np.float16)


@like
def fp24(value: Array) -> Array:
    """A float of 24 bits, 16 of them mantissa, as older graphics and signal processors have: rounded."""
    return _mantissa(value, 16, np.rint)


@like
def fp24_cut(value: Array) -> Array:
    """The same, cut off."""
    return _mantissa(value, 16, np.trunc)


@like
def bfloat16(value: Array) -> Array:
    """A float of 16 bits, 7 of them mantissa."""
    return _mantissa(value, 7, np.rint)


@like
def tf32(value: Array) -> Array:
    """What a matrix product in TF32 hears: 10 bits of mantissa."""
    return _mantissa(value, 10, np.rint)


@like
def single(value: Array) -> Array:
    """float32 and back, of float64."""
    return value.astype(np.float32)


@like
def pcm16(value: Array) -> Array:
    """Samples as 16-bit integers and back."""
    return np.asarray(np.rint(value * 32768) / 32768)


@like
def pcm20_cut(value: Array) -> Array:
    """Samples as 20-bit integers, cut off, and back."""
    return np.asarray(np.trunc(value * 2**19) / 2**19)


@like
def over_32767(value: Array) -> Array:
    """16-bit samples over 32767 instead of 32768."""
    return value * (32768 / 32767)


def fixed(bits: int) -> Any:
    """Fixed point with so many bits behind the point."""
    return like(lambda value: np.rint(value.astype(np.float64) * 2.0**bits) / 2.0**bits)


in_12_bits = fixed(12)  # coarser than the weights of the synthetic voices, which are float16 numbers already


def text(digits: int) -> Any:
    """Written as decimal text with so many places, and read again."""
    return like(lambda value: np.round(value.astype(np.float64), digits))


def slider(count: int) -> Any:
    """A value from 0 to 1 in so many bits."""
    return lambda value: float(np.rint(value * (2**count - 1)) / (2**count - 1))


def _mantissa(value: Array, bits: int, to_whole: Any) -> Array:
    part, power = np.frexp(value.astype(np.float64))
    return np.asarray(np.ldexp(to_whole(part * 2.0 ** (bits + 1)), power - bits - 1))
