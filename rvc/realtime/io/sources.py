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
from rvc.realtime.io.wav_pipe import WavFormat

PcmFormat = Literal["s16le", "f32le"]
DTYPES: dict[PcmFormat, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
PipeStart = tuple[WavFormat | None, bytes]  # what `wav_pipe.read_start` returns
NO_START: PipeStart = (None, b"")  # nothing has been read, and the samples are raw
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
    """Raw little-endian samples or a WAV file from a pipe; samples that are not finite become 0."""

    def __init__(
        self, pipe: BinaryIO, rate: int, form: PcmFormat, channels: int, block: int, start: PipeStart = NO_START
    ) -> None:
        """Read from `pipe`, which the caller opens and closes.

        Args:
            pipe: raw samples.
            rate: device rate in Hz; a WAV file of another rate is resampled.
            form: format of raw samples.
            channels: number of interleaved channels of raw samples.
            block: samples per channel to read at a time; iteration reads no further ahead.
            start: what `read_start` has read from the pipe.
        """
        wav, self.data = start
        raw = WavFormat(rate, channels, DTYPES[form].str, None)
        self.pipe, self.rate, self.block, self.form = pipe, rate, block, wav or raw

    def __iter__(self) -> Iterator[Samples]:
        """Pieces of mono sound, float32 (n,)."""
        if self.form.rate == self.rate:
            yield from self._pieces()
            return
        resampler = soxr.ResampleStream(self.form.rate, self.rate, 1, dtype="float32", quality="HQ")
        for piece in self._pieces():
            yield resampler.resample_chunk(piece)
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)

    def _pieces(self) -> Iterator[Samples]:
        """Pieces of at most `block` samples at the rate of the pipe, float32 (n,)."""
        frame, left = self.form.frame, self.form.size
        block = max(self.block * self.form.rate // self.rate, 1) * frame
        while True:
            count = block if left is None else min(block, left)
            data = self.data + self.pipe.read(max(count - len(self.data), 0))
            data, self.data = data[:count], data[count:]
            if not data:
                return
            left = None if left is None else left - len(data)
            samples = mono(self.form.decode(data[: len(data) // frame * frame]))
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
