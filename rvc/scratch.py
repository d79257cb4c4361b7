"""Arrays of long recordings in a temporary file, so that memory does not grow with their length."""

from __future__ import annotations

import tempfile
import threading
import weakref
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

BUDGET = 16 << 20  # bytes of each store that stay in memory: about a minute and a half of content features


def _bytes(array: npt.NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array with one element or more."""
    return array.data.cast("B")


class _TemporaryFile:
    """Bytes at offsets of a file without a name, which the system deletes when it is closed."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when this object is released
        weakref.finalize(self, self.file.close)
        self.lock = threading.Lock()

    def write(self, offset: int, data: memoryview) -> None:
        with self.lock:
            self.file.seek(offset)
            self.file.write(data)

    def read(self, offset: int, into: memoryview) -> None:
        with self.lock:
            self.file.seek(offset)
            if self.file.readinto(into) != len(into):  # type: ignore[attr-defined]
                raise OSError("a temporary file has been cut short")


class StoredArray:
    """An array that a `ScratchArrays` holds."""

    def __init__(self, array: npt.NDArray[Any] | None, file: _TemporaryFile | None, offset: int, like: Any) -> None:
        self._array, self._file, self._offset, self._like = array, file, offset, like

    def load(self) -> npt.NDArray[Any]:
        """The array, with the same bits."""
        if self._array is not None or self._file is None:
            assert self._array is not None
            return self._array
        dtype, shape = self._like
        # Memory of torch, whose alignment the products of the networks expect.
        buffer = torch.empty(max(int(np.prod(shape)) * dtype.itemsize, 1), dtype=torch.uint8).numpy()
        array = buffer[: int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)
        if array.size:
            self._file.read(self._offset, _bytes(array))
        result: npt.NDArray[Any] = array
        return result


class ScratchArrays:
    """Arrays, of which the first ones stay in memory and the rest are written to a temporary file.

    Threads may share one. Where the file cannot be written, arrays stay in memory.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        """Nothing is stored yet; budget: bytes that stay in memory."""
        self.budget = budget
        self._file: _TemporaryFile | None = None
        self._end = 0
        self._lock = threading.Lock()

    def put(self, array: npt.NDArray[Any]) -> StoredArray:
        """Store an array."""
        like = array.dtype, array.shape
        with self._lock:
            self.budget -= array.nbytes
            if self.budget >= 0 or not array.size:
                return StoredArray(array, None, 0, like)
            try:
                self._file = self._file or _TemporaryFile()
                self._file.write(self._end, _bytes(np.ascontiguousarray(array)))
            except OSError:  # no space, or no folder for temporary files
                return StoredArray(array, None, 0, like)
            self._end += array.nbytes
            return StoredArray(None, self._file, self._end - array.nbytes, like)


class ScratchFrames:
    """A float32 tensor (frames, width) in a temporary file; ranges of frames are written and read as of a tensor."""

    device = torch.device("cpu")

    def __init__(self, frames: int, width: int) -> None:
        """Raises OSError where there is no folder for temporary files."""
        self.frames, self.width = frames, width
        self._file = _TemporaryFile()

    def __len__(self) -> int:
        return self.frames

    def __setitem__(self, frames: slice, values: Tensor) -> None:
        """Write float32 (n, width) at a range of n frames."""
        data = values.contiguous().numpy()
        self._file.write(frames.start * self.width * 4, _bytes(data))

    def __getitem__(self, frames: slice) -> Tensor:
        """A copy of a range of frames, float32 (n, width)."""
        first, last, _ = frames.indices(self.frames)
        values = torch.empty(max(last - first, 0), self.width)
        if len(values):
            self._file.read(first * self.width * 4, _bytes(values.numpy()))
        return values


Frames = Tensor | ScratchFrames


def frame_store(frames: int, width: int, device: torch.device | str = "cpu", budget: int = BUDGET) -> Frames:
    """A place for float32 (frames, width): a tensor, or a `ScratchFrames` where it would exceed the budget in bytes."""
    if torch.device(device).type == "cpu" and frames * width * 4 > budget:
        try:
            return ScratchFrames(frames, width)
        except OSError:
            pass
    return torch.empty(frames, width, device=device)
