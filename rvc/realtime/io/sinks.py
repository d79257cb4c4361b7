"""Where a stream's sound goes: a file that appears when it is whole, or raw samples into a pipe, block by block."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from rvc.audio.output import FORMATS, check_target
from rvc.errors import BadInput
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.io.sources import DTYPES, PcmFormat


class Sink(Protocol):
    """Takes one block after the other."""

    def write(self, block: Samples) -> None:
        """float32 (B,)."""


def to_pcm(block: Samples) -> npt.NDArray[np.int16]:
    """float32 (N,) to int16: × 32768, rounded and clipped; a limiter as in `convert` would have to know the future."""
    scaled: Samples = np.clip(np.rint(block * np.float32(32768)), -32768, 32767)
    return scaled.astype(np.int16)


class FileSink:
    """A WAV or FLAC file, 16 bits, or floats for f32le (24 bits in FLAC). Interrupted, it holds what came so far."""

    def __init__(self, path: Path, rate: int, form: PcmFormat) -> None:
        """Raises BadInput when the file cannot be written."""
        check_target(path)
        kind = FORMATS[path.suffix.lower()]
        self.form, self.path = form, path
        subtype = "PCM_16" if form == "s16le" else "FLOAT" if kind == "WAV" else "PCM_24"
        try:
            handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
            os.close(handle)
        except OSError as error:
            raise BadInput(f"{path} cannot be written: {error.strerror}") from None
        self.part = part
        self.file = soundfile.SoundFile(part, "w", rate, 1, subtype, format=kind)

    def write(self, block: Samples) -> None:
        self.file.write(to_pcm(block) if self.form == "s16le" else block)

    def __enter__(self) -> FileSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        if kind is None:
            mask = os.umask(0o077)
            os.umask(mask)
            os.chmod(self.part, 0o666 & ~mask)
            os.replace(self.part, self.path)
        else:
            os.unlink(self.part)


class PipeSink:
    """Raw little-endian samples, the same on every channel, flushed after each block."""

    def __init__(self, pipe: BinaryIO, form: PcmFormat, channels: int) -> None:
        self.pipe, self.form, self.channels = pipe, form, channels

    def write(self, block: Samples) -> None:
        samples = (to_pcm(block) if self.form == "s16le" else block).astype(DTYPES[self.form], copy=False)
        self.pipe.write(np.repeat(samples, self.channels).tobytes())
        self.pipe.flush()

    def __enter__(self) -> PipeSink:
        return self

    def __exit__(self, *_: object) -> None:
        """The pipe belongs to the caller."""
