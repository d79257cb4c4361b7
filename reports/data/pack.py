"""Numbers and sounds as text that a page carries inside itself: deflated base64, and FLAC."""

import base64
import io
import json
import zlib
from typing import Any

import numpy as np

from parity.goldens.arrays import Array

KINDS = {"f4": np.float32, "i4": np.int32, "u1": np.uint8}


class Numbers:
    """Many arrays in one block; `add` gives the reference that the page's script turns into a typed array again."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, values: Array, kind: str = "f4") -> dict[str, Any]:
        """Append `values`, flattened, as float32, int32 or uint8; every array begins at a multiple of four bytes."""
        data = np.ascontiguousarray(values, KINDS[kind]).tobytes()
        reference = {"array": [kind, self._size, np.size(values)]}
        data += bytes(-len(data) % 4)
        self._parts.append(data)
        self._size += len(data)
        return reference

    def text(self) -> str:
        """The whole block, deflated, as base64."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 6)).decode("ascii")


def flac(samples: Array, rate: int) -> str:
    """16-bit FLAC as base64 of int16 samples (N,); at least one sample is written, since decoders refuse none."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples if len(samples) else np.zeros(1, np.int16), rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode("ascii")


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: no `</`, no bare NaN or infinity."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
