"""Objects in place of the classes and functions that a pickle names: none of the named code runs.

An unknown class becomes a `Placeholder`, whose methods do nothing. Numbers, small arrays and texts that NumPy or
protocol 2 wrote become Python values.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

NUMBERS_IN_ARRAY = 4096  # elements of a NumPy array beside the weights, such as a histogram; larger ones are skipped


class Placeholder:
    """Replaces an unknown class of the file: its objects accept every call of the unpickler and do nothing.

    Attributes:
        origin: the name of the class in the file.
    """

    origin = "an unknown class"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Placeholder:
        return Placeholder()

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Ignore an element of a list."""

    def extend(self, values: Any) -> None:
        """Ignore the elements of a list."""

    def add(self, value: Any) -> None:
        """Ignore an element of a set."""


class NumpyType(Placeholder):
    """Stands in for numpy.dtype: a type code such as f8, and the byte order that the pickle sets afterwards."""

    def __init__(self, code: Any = "", *rest: Any) -> None:
        self.code, self.order = (code if isinstance(code, str) else ""), "<"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = state[1]

    def read(self, data: Any, count: int) -> Any:
        """The numbers or texts in `data` as a list of Python values; None for another type of content."""
        if not isinstance(data, bytes) or re.fullmatch(r"[biufc]\d{1,2}|U\d{1,4}", self.code) is None:
            return None
        try:
            return np.frombuffer(data, np.dtype(self.order + self.code), count).tolist()
        except (TypeError, ValueError):
            return None


class NumpyArray(Placeholder):
    """Stands in for an array of NumPy; a small array of numbers becomes a list.

    Attributes:
        value: the nested list; None for an array that is large or holds something else.
    """

    value: Any = None

    def __setstate__(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], NumpyType)):
            return
        _, shape, kind, is_fortran, data = state
        if not (isinstance(shape, tuple) and all(type(n) is int and 0 <= n <= NUMBERS_IN_ARRAY for n in shape)):
            return
        count = int(np.prod(shape, dtype=np.float64))
        numbers = kind.read(data, count) if count <= NUMBERS_IN_ARRAY and not is_fortran else None
        if numbers is not None and len(numbers) == count:
            self.value = np.array(numbers).reshape(shape).tolist()


def numpy_scalar(kind: Any = None, data: Any = b"", *rest: Any) -> Any:
    """Stand in for numpy's `scalar`: the number as a Python value, a Placeholder for anything else."""
    numbers = kind.read(data, 1) if isinstance(kind, NumpyType) else None
    return numbers[0] if numbers else Placeholder()


def encode(text: Any = "", coding: Any = "", *rest: Any) -> Any:
    """Stand in for _codecs.encode, with which protocol 2 writes bytes."""
    return text.encode("latin1", "replace") if isinstance(text, str) else Placeholder()


NUMPY = {
    "numpy.dtype": NumpyType,
    **{
        f"numpy.{core}.multiarray.{name}": stand_in
        for core in ("core", "_core")
        for name, stand_in in (("scalar", numpy_scalar), ("_reconstruct", lambda *shape: NumpyArray()))
    },
}
