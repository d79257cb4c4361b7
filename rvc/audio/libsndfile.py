"""Reading of sound files with libsndfile, piece by piece."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from rvc.errors import BadInput

Samples = npt.NDArray[np.float32]
PIECE = 1 << 16  # samples per channel that are read at a time
ERRORS = (soundfile.SoundFileError, OSError, ValueError)  # soundfile raises ValueError for an impossible header

# The first bytes of MPEG and Ogg files, whose decoders in libsndfile print their own lines on stderr.
PRINTING = (b"ID3", b"OggS", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa", b"\xff\xf1", b"\xff\xf9")

# The first bytes of formats that libsndfile reads without printing. It takes any other file for MPEG after the rest.
QUIET = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"FORM", b"caff", b".snd")

log = logging.getLogger(__name__)
_capture = threading.Lock()


@dataclass(frozen=True)
class Header:
    """libsndfile's description of a file.

    Attributes:
        rate: Hz.
        channels: their number.
        frames: samples per channel that the header declares.
        is_lossless: whether the samples are stored as numbers, which every decoder reads alike; the decoders of MPEG
            and Vorbis differ.
    """

    rate: int
    channels: int
    frames: int
    is_lossless: bool


def native_name(path: Path) -> str | bytes:
    """A path as soundfile takes it: bytes where the system's paths are bytes, which need not be UTF-8."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def prints_on_stderr(path: Path) -> bool:
    """Whether libsndfile may print lines on stderr while it reads a file."""
    with path.open("rb") as file:
        return file.read(4).startswith(PRINTING)


def _is_quiet(path: Path) -> bool:
    """Whether libsndfile prints nothing while it reads a file."""
    with path.open("rb") as file:
        return file.read(4) in QUIET


def read_header(path: Path) -> Header | None:
    """Read libsndfile's description of a file; None for a file that libsndfile cannot open."""
    try:
        with _captured_stderr(path):
            info = soundfile.info(native_name(path))
    except ERRORS:
        return None
    is_lossless = str(info.subtype).startswith(("PCM", "FLOAT", "DOUBLE"))
    return Header(int(info.samplerate), int(info.channels), int(info.frames), is_lossless)


def pieces(path: Path) -> Iterator[Samples]:
    """Read a file: float32 (n, channels), n ≤ 65536.

    Raises:
        BadInput: libsndfile cannot read the file, or not to its end.
    """
    try:
        with _captured_stderr(path):
            file = soundfile.SoundFile(native_name(path))
        with file:
            while True:
                with _captured_stderr(path):
                    piece = file.read(PIECE, dtype="float32", always_2d=True)
                if not len(piece):
                    return
                yield piece
    except ERRORS as error:
        raise BadInput(f"{path} cannot be read as sound: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    message = getattr(error, "strerror", None) or getattr(error, "error_string", None) or str(error)
    first_line = message.strip().splitlines()[0] if message.strip() else type(error).__name__
    return first_line.removeprefix("Error : ").rstrip(".")


@contextmanager
def _captured_stderr(path: Path) -> Iterator[None]:
    """Log what libsndfile's decoders print on file descriptor 2 at level DEBUG; for files whose decoders may print."""
    if _is_quiet(path):
        yield
        return
    with _capture, tempfile.TemporaryFile() as lines:
        sys.stderr.flush()
        try:
            saved = os.dup(2)
        except OSError:  # the process has no stderr
            yield
            return
        os.dup2(lines.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            lines.seek(0)
            text = lines.read().decode(errors="replace").strip()
            if text:
                log.debug("%s: libsndfile: %s", path, text)
