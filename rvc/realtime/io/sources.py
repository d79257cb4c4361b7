"""Inputs of a stream: a file or raw samples from a pipe, always as mono float32 at the device rate."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt
import soxr

from rvc.audio.sound_file import open_sound
from rvc.errors import BadInput
from rvc.realtime.dsp.loudness import Samples

PcmFormat = Literal["s16le", "f32le"]
DTYPES: dict[PcmFormat, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
FRAMES_PER_SECOND = 100  # frames of 10 ms
LOWEST_RATE = 8000  # Hz; BlockSizes accepts no lower device rate


def device_rate(rate: int) -> int:
    """The default device rate for a file or a device of `rate` Hz.

    `rate` is doubled until it is at least 8000 Hz and 10 ms are a whole number of samples. A rate that no doubling
    makes so (for example 22254 Hz, which 25 does not divide) is replaced by the next whole hundred.
    """
    if rate % (FRAMES_PER_SECOND // 4):
        rate += -rate % FRAMES_PER_SECOND
    while rate % FRAMES_PER_SECOND or rate < LOWEST_RATE:
        rate *= 2
    return rate


def mono(samples: npt.NDArray[np.float32]) -> Samples:
    """The mean over channels, as the realtime original takes it: float32 (N, channels) to float32 (N,)."""
    mean: Samples = samples.mean(axis=1, dtype=np.float32)
    return mean


class FileSource:
    """A sound file, read and resampled piece by piece, so that memory does not grow with its length."""

    def __init__(self, path: Path, rate: int | None = None) -> None:
        """Open a file.

        Args:
            path: a file in any format that `rvc.audio.sound_file` reads.
            rate: device rate in Hz; None takes `device_rate` of the file's own rate.
        Raises:
            BadInput: there is no such file, it cannot be read as sound, or it holds no samples.
        """
        self.sound = open_sound(path)
        self.path = path
        self.own_rate = self.sound.rate
        self.rate = rate or device_rate(self.own_rate)
        self._pieces = self.sound.pieces()
        first = next(self._pieces, None)
        if first is None:
            raise BadInput(f"{path} holds no samples; expected a file of sound")
        self._first = first

    def __iter__(self) -> Iterator[Samples]:
        """Pieces of any length, float32 (n,).  Raises BadInput for samples that are not finite."""
        resampler = None
        if self.own_rate != self.rate:
            resampler = soxr.ResampleStream(self.own_rate, self.rate, 1, dtype="float32", quality="HQ")
        for piece in chain([self._first], self._pieces):
            samples = mono(piece)
            if not np.isfinite(samples).all():
                raise BadInput(f"{self.path} has samples that are not finite; repair it first")
            yield samples if resampler is None else resampler.resample_chunk(samples)
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


class PipeSource:
    """Raw little-endian samples from a pipe, channels interleaved; samples that are not finite become 0."""

    def __init__(self, pipe: BinaryIO, rate: int, form: PcmFormat, channels: int, block: int) -> None:
        """Read from `pipe`, which the caller opens and closes.

        Args:
            pipe: raw samples.
            rate: Hz.
            form: format of the samples.
            channels: number of interleaved channels.
            block: samples per channel to read at a time; iteration reads no further ahead.
        """
        self.pipe, self.rate, self.dtype, self.channels, self.block = pipe, rate, DTYPES[form], channels, block

    def __iter__(self) -> Iterator[Samples]:
        """Pieces of at most `block` samples, float32 (n,)."""
        frame = self.dtype.itemsize * self.channels
        while data := self.pipe.read(self.block * frame):
            interleaved = np.frombuffer(data[: len(data) // frame * frame], self.dtype).reshape(-1, self.channels)
            # Integers are scaled to ±1; floats have full scale ±1 already.
            scale = np.float32(1 / 32768) if self.dtype.kind == "i" else np.float32(1)
            samples = mono(interleaved.astype(np.float32) * scale)
            samples[~np.isfinite(samples)] = 0
            yield samples


def blocks(pieces: Iterator[Samples], size: int) -> Iterator[tuple[Samples, int]]:
    """Cut pieces of any length into blocks, the last one filled up with zeros.

    Args:
        pieces: float32 (n,) each.
        size: samples in a block.
    Yields:
        A block, float32 (size,), and how many of its samples come from `pieces`. Each step overwrites the block before.
    """
    block, filled = np.empty(size, np.float32), 0
    for piece in pieces:
        while len(piece):
            part, piece = piece[: size - filled], piece[size - filled :]
            block[filled : filled + len(part)] = part
            filled += len(part)
            if filled == size:
                yield block, size
                filled = 0
    if filled:
        block[filled:] = 0
        yield block, filled
