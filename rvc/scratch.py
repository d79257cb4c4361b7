"""Arrays of long recordings in a temporary file, so that memory does not grow with their length."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

BUDGET = 4 << 20  # bytes of each store or signal that stay in memory: half a minute of content features
BLOCK = 1 << 18  # elements of a signal that are processed at a time: 2 MiB of float64

Number = TypeVar("Number", bound=np.generic)
Floats = npt.NDArray[np.float32]


class _Mapping(mmap.mmap):
    """A mapped temporary file; `release` leaves mappings of others alone, whose pages may hold private changes."""


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
        """Store nothing yet.

        Args:
            budget: bytes that stay in memory.
        """
        self.budget = budget
        self._file: _TemporaryFile | None = None
        self._end = 0
        self._lock = threading.Lock()

    def put(self, array: npt.NDArray[Any]) -> StoredArray:
        """Store an array of any shape and dtype; the result reads it again."""
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


def new_signal(count: int, dtype: npt.DTypeLike, budget: int = BUDGET) -> npt.NDArray[Any]:
    """A place for a one-dimensional array: in memory, or in a temporary file where it would exceed the budget.

    A file is mapped, so that the array is one as any other. `release` returns the memory of the pages that have been
    used to the system; `blocks` does so after each block. The file is deleted with the last view of the array.

    Args:
        count: the number of elements; their values are not defined.
        dtype: the type of the elements.
        budget: bytes.
    """
    size = count * np.dtype(dtype).itemsize
    if size > budget:
        try:
            with tempfile.TemporaryFile() as file:
                _reserve(file, size)
                return _mapped(file, dtype, count)
        except OSError:  # no space, or no folder for temporary files
            pass
    return np.empty(count, dtype)


def release(array: npt.NDArray[Any]) -> None:
    """Release the memory of a mapped array's pages; its values stay in the file. Other arrays stay as they are."""
    mapping = _mapping(array)
    if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def blocks(array: npt.NDArray[Number], size: int = BLOCK) -> Iterator[npt.NDArray[Number]]:
    """Consecutive views of at most `size` elements of a signal; the pages of a mapped one are released after each."""
    for first in range(0, len(array), size):
        yield array[first : first + size]
        release(array)


def in_memory(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """An array of any shape: itself where it is in memory, a copy where it is in a temporary file."""
    return array if _mapping(array) is None else array.copy()


def join(pieces: Iterable[Floats], budget: int = BUDGET) -> Floats:
    """Join pieces of float32, (n,) each, in one signal (N,).

    Args:
        pieces: each is copied before the next one is taken.
        budget: bytes that stay in memory; a longer signal is in a temporary file, as in `new_signal`.
    """
    held: list[Floats] = []
    held_bytes = count = 0
    with ExitStack() as opened:
        file: IO[bytes] | None = None
        has_file = True  # as long as writing to one has not failed
        for piece in pieces:
            held.append(np.array(piece, np.float32))
            held_bytes, count = held_bytes + held[-1].nbytes, count + len(piece)
            if held_bytes > budget and has_file:
                try:
                    file = file or opened.enter_context(tempfile.TemporaryFile())
                    _append(file, held)
                    held, held_bytes = [], 0
                except OSError:  # no space, or no folder for temporary files
                    has_file = False
                    held = [*_contents(file), *held]
                    file = None
        if file is not None:
            try:
                _append(file, held)
                return _mapped(file, np.float32, count)
            except OSError:
                held = [*_contents(file), *held]
    return np.concatenate(held) if held else np.empty(0, np.float32)


def _append(file: IO[bytes], pieces: list[Floats]) -> None:
    """Write pieces to the end of a file; on an error the file is as before.  Raises OSError."""
    end = file.tell()  # literal: Python's file position
    try:
        for piece in pieces:
            if len(piece):
                file.write(_bytes(piece))
        file.flush()
    except OSError:
        file.truncate(end)
        raise


def _contents(file: IO[bytes] | None) -> list[Floats]:
    """What has been written to a file, as one piece."""
    if file is None:
        return []
    file.seek(0)
    return [np.frombuffer(bytearray(file.read()), np.float32)]


def _mapped(file: IO[bytes], dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
    mapping = _Mapping(file.fileno(), count * np.dtype(dtype).itemsize)
    return np.frombuffer(mapping, dtype, count)


def _mapping(array: Any) -> mmap.mmap | None:
    """The mapping that an array is a view of, if any."""
    while isinstance(array, np.ndarray):
        array = array.base
    if isinstance(array, memoryview):
        array = array.obj
    return array if isinstance(array, _Mapping) else None


def _reserve(file: IO[bytes], size: int) -> None:
    """Give a file its size on the disk; a mapped page without space would end the process with a signal.

    Raises:
        OSError: there is no space.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    zeros = bytes(1 << 20)
    for first in range(0, size, len(zeros)):
        file.write(zeros[: size - first])
    file.flush()
