"""Arrays and audio as text inside a page: deflated base64, and FLAC."""

import base64
import io
import json
import zlib
from typing import TypedDict

import numpy as np

from parity.goldens.arrays import Array

DTYPES = {"f4": np.float32, "i4": np.int32, "u1": np.uint8}


class ArrayReference(TypedDict):
    """What stands in a page's JSON for an array: {"array": [dtype, byte offset, count]}; state.js resolves it."""

    array: tuple[str, int, int]


class ArrayBlock:
    """Many arrays in one deflated block; `add` returns the reference that the page's script resolves."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._arrays: dict[int, Array] = {}

    def add(self, values: Array, dtype: str = "f4") -> ArrayReference:
        """Append an array.

        Args:
            values: an array of any shape, which is flattened.
            dtype: a key of DTYPES, to which the values are converted.
        Returns:
            The reference. Every array begins at a multiple of four bytes.
        """
        data = np.ascontiguousarray(values, DTYPES[dtype]).tobytes()
        reference = ArrayReference(array=(dtype, self._size, int(np.size(values))))
        self._arrays[self._size] = values
        data += bytes(-len(data) % 4)
        self._chunks.append(data)
        self._size += len(data)
        return reference

    def array(self, reference: ArrayReference) -> Array:
        """The array that `add` returned this reference for."""
        return self._arrays[reference["array"][1]]

    def text(self) -> str:
        """All arrays, deflated, as base64."""
        return base64.b64encode(zlib.compress(b"".join(self._chunks), 6)).decode("ascii")


def flac(samples: Array, rate: int) -> str:
    """Encode audio as 16-bit FLAC in base64.

    Args:
        samples: int16 (N,). An empty array is written as one zero sample, since decoders refuse a file without samples.
        rate: Hz.
    """
    import soundfile  # loads libsndfile, which pages without audio do not need

    file = io.BytesIO()
    soundfile.write(file, samples if len(samples) else np.zeros(1, np.int16), rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode("ascii")


def script_json(value: object) -> str:
    """JSON that can stand inside a script element: no `</`.

    Raises:
        ValueError: the value holds NaN or infinity.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
