"""The form of a dump's tensor brought to that of a golden, where this changes no value.

Axes of length 1 are added and removed, a byte order becomes the machine's, a dtype is widened, whole numbers of any
dtype become integers, and float64 is rounded to float32, which is what the original computed in.
"""

import numpy as np

from parity import stages
from parity.goldens.arrays import Array

NEARLY = 0.1  # relative RMS of a tensor that is the golden's but for an error of its own
_SINGLE = ("batch", "one")  # axes of the stage table that have one element


def formed(value: Array, golden: Array) -> Array:
    """A tensor with the shape and dtype of a golden's, as far as no value is lost; row-major."""
    value = native(value)
    if value.shape != golden.shape and long_axes(value) == long_axes(golden):
        value = value.reshape(golden.shape)
    if value.dtype != golden.dtype and _casts(value, golden.dtype):
        value = value.astype(golden.dtype)
    return row_major(value)


def of_table(name: str, value: Array) -> Array:
    """A tensor with the axes and the dtype of the stage table, where no golden shows its form."""
    row = stages.tensor(name)
    value = native(value)
    sizes, longs = list(long_axes(value)), [axis not in _SINGLE for axis in row.axes]
    if value.ndim != len(row.axes) and len(sizes) == sum(longs):
        value = value.reshape([sizes.pop(0) if is_long else 1 for is_long in longs])
    dtype = np.dtype(row.dtypes[0])
    if value.dtype.name not in row.dtypes and _casts(value, dtype):
        value = value.astype(dtype)
    return row_major(value)


def change(value: Array, changed: Array) -> str:
    """What `formed` did in words, such as "float64 (192, 64) as float32 (1, 192, 64)"; "" where nothing changed."""
    before, after = (f"{each.dtype.newbyteorder('=')} {each.shape}" for each in (value, changed))
    return "" if before == after else f"{before} as {after}"


def has_other_byte_order(value: Array, golden: Array) -> bool:
    """Whether a tensor of any shape and dtype is near the golden only after the bytes of each value are swapped."""
    if value.shape != golden.shape or value.dtype != golden.dtype or not np.any(golden):
        return False
    with np.errstate(all="ignore"):
        scale = NEARLY * np.sqrt(np.mean(golden.astype(np.float64) ** 2))
        apart, swapped = (
            np.sqrt(np.mean((each.astype(np.float64) - golden) ** 2)) for each in (value, value.byteswap())
        )
    return bool(swapped <= scale and not apart <= scale)


def native(value: Array) -> Array:
    """The array with the same values in the machine's byte order: itself where it has that order."""
    return value if value.dtype.isnative else value.astype(value.dtype.newbyteorder("="))


def row_major(value: Array) -> Array:
    """The same values, row-major; `numpy.ascontiguousarray` gives a scalar an axis."""
    return np.ascontiguousarray(value).reshape(value.shape)


def long_axes(value: Array) -> tuple[int, ...]:
    """The lengths of an array's axes that are not 1, in order."""
    return tuple(size for size in value.shape if size != 1)


def _casts(value: Array, dtype: np.dtype[np.generic]) -> bool:
    if np.can_cast(value.dtype, dtype, "safe") and value.dtype.kind in "iuf":
        return True
    if value.dtype.kind == "f" and dtype.kind == "f":
        with np.errstate(over="ignore"):
            return bool(np.array_equal(np.isfinite(value), np.isfinite(value.astype(dtype))))
    if value.dtype.kind in "iuf" and dtype.kind == "i":
        with np.errstate(all="ignore"):
            return bool(np.array_equal(value.astype(dtype).astype(value.dtype), value))
    return False
