"""Outputs of a stream: a file that appears when it is complete, or raw samples written to a pipe block by block."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import numpy as np
import numpy.typing as npt
import soundfile

from rvc.audio.libsndfile import native_name
from rvc.audio.output import FORMATS, check_target
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.io.sources import DTYPES, PcmFormat
from rvc.weights.whole_files import temporary_beside, umask


class Sink(Protocol):
    """A context manager that takes one block after the other."""

    def write(self, block: Samples) -> None:
        """Write one block, float32 (B,)."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def to_pcm(block: Samples) -> npt.NDArray[np.int16]:
    """Float samples to int16: × 32768, rounded and clipped.

    `rvc convert` limits the peak of the complete recording instead, which a stream cannot know in advance.

    Args:
        block: float32 (N,).
    Returns:
        int16 (N,).
    """
    scaled: Samples = np.clip(np.rint(block * np.float32(32768)), -32768, 32767)
    return scaled.astype(np.int16)


class FileSink:
    """A WAV or FLAC file: 16 bits for s16le; for f32le floats, or 24 bits in FLAC.

    The file appears under its name when the context ends without an exception; otherwise nothing is left.
    """

    def __init__(self, path: Path, rate: int, form: PcmFormat) -> None:
        """Open a temporary file beside `path`.

        Args:
            path: a name that ends in .wav or .flac.
            rate: Hz.
            form: format of the samples.
        Raises:
            BadInput: the file cannot be written.
        """
        check_target(path)
        kind = FORMATS[path.suffix.lower()]
        self.form, self.path = form, path
        subtype = "PCM_16" if form == "s16le" else "FLOAT" if kind == "WAV" else "PCM_24"
        self.part = temporary_beside(path)
        self.file = soundfile.SoundFile(native_name(Path(self.part)), "w", rate, 1, subtype, format=kind)

    def write(self, block: Samples) -> None:
        """Append one block, float32 (B,)."""
        self.file.write(to_pcm(block) if self.form == "s16le" else block)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        if kind is None:
            os.chmod(self.part, 0o666 & ~umask())
            os.replace(self.part, self.path)
        else:
            os.unlink(self.part)


class PipeSink:
    """Raw little-endian samples, the same on every channel, flushed after each block."""

    def __init__(self, pipe: BinaryIO, form: PcmFormat, channels: int) -> None:
        """Write to `pipe`, which the caller opens and closes."""
        self.pipe, self.form, self.channels = pipe, form, channels

    def write(self, block: Samples) -> None:
        """Write one block, float32 (B,), to every channel.  Raises BrokenPipeError when the reader has closed it."""
        samples = (to_pcm(block) if self.form == "s16le" else block).astype(DTYPES[self.form], copy=False)
        self.pipe.write(np.repeat(samples, self.channels).tobytes())
        self.pipe.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the pipe open."""
