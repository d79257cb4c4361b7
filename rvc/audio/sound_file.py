"""A sound file, read piece by piece at its own rate: by libsndfile, and by ffmpeg for what libsndfile cannot read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rvc.audio import ffmpeg, libsndfile
from rvc.errors import BadCheckpoint, BadInput
from rvc.weights.recognizers import Role, refuse_other_content

Samples = npt.NDArray[np.float32]
TEXT_START = 512  # bytes of a file that are examined for text
WEIGHT_FILES = (b"PK\x03\x04", b"\x80")  # the first bytes of torch's two formats

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SoundFile:
    """A file that one of the two libraries can open.

    Attributes:
        path: the file.
        rate: Hz.
        channels: their number.
        header: libsndfile's description; None for a file that only ffmpeg reads.
        with_av: whether ffmpeg continues where libsndfile fails.
    """

    path: Path
    rate: int
    channels: int
    header: libsndfile.Header | None
    with_av: bool

    def pieces(self) -> Iterator[Samples]:
        """The samples of the file, float32 (n, channels) at a time.

        A file that is cut, or whose header is wrong, is read as far as ffmpeg reads it, with a warning.

        Raises:
            BadInput: neither library can read the file.
        """
        count = 0
        if self.header is not None:
            try:
                for piece in libsndfile.pieces(self.path):
                    count += len(piece)
                    yield piece
                if 0 < count >= self.header.frames:
                    return
            except BadInput as error:
                if not (self.with_av or count):
                    raise
                log.debug("%s", error)
            if not self.with_av:
                ffmpeg.warn_if_short(self.path, count / self.rate, self.header.frames / self.rate)
                return
        for piece in ffmpeg.native_pieces(self.path):
            if piece.shape[1] != self.channels:
                raise BadInput(f"{self.path} has {self.channels} channels or {piece.shape[1]}; convert it to WAV first")
            skipped = min(count, len(piece))
            count -= skipped
            if skipped < len(piece):
                yield piece[skipped:]


def open_sound(path: str | Path, *, with_av: bool | None = None) -> SoundFile:
    """Open a file of sound.

    Args:
        path: the file.
        with_av: whether to use PyAV; None uses it if it is installed.
    Raises:
        BadInput: the file is missing, empty, something else than sound, of a rate that no recording has
            (`ffmpeg.refuse_rate`), or cannot be read.
    """
    path = Path(path)
    refuse_no_sound(path)
    has_av = ffmpeg.is_installed() if with_av is None else with_av
    header = None if has_av and libsndfile.prints_on_stderr(path) else libsndfile.read_header(path)
    if header is not None:
        ffmpeg.refuse_rate(path, header.rate)
        return SoundFile(path, header.rate, header.channels, header, has_av)
    if not has_av:
        reason = other_content(path) or "libsndfile does not read it; more formats come with the extra 'decoding'"
        raise BadInput(f"{path} cannot be decoded as sound: {reason}")
    try:
        return SoundFile(path, *ffmpeg.native_rate(path), None, has_av)
    except ffmpeg.Undecodable:
        if reason := other_content(path):
            raise BadInput(f"{path} cannot be decoded as sound: {reason}") from None
        raise


def refuse_no_sound(path: Path) -> None:
    """Check that a path is a file that may be sound.

    Raises:
        BadInput: the file is missing, empty, a folder, or of another kind, which the message names.
    """
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name a file of sound in it, or give convert a folder as OUT too")
    if path.exists() and not path.is_file():
        raise BadInput(f"{path} is a pipe or a device, expected a file of sound; save it as a file first")
    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise BadInput(f"{path} is empty; expected a file of sound")
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    try:
        refuse_other_content(path, Role.SOUND)
        if start.startswith(WEIGHT_FILES) or start[8:] == b"{":
            from rvc.weights.other_files import refuse_other_file  # imports torch

            refuse_other_file(path, Role.SOUND)
    except BadCheckpoint as error:
        raise BadInput(str(error)) from None


def other_content(path: Path) -> str:
    """What a file is that no decoder reads, as the reason in a message; empty for an unknown kind."""
    with path.open("rb") as file:
        start = file.read(TEXT_START)
    text = start.decode("utf-8", "ignore")
    is_text = len(start) - len(text.encode()) < 4 and all(char.isprintable() or char in "\t\r\n\f" for char in text)
    if is_text:
        return "it is a text file; give a recording"
    if b"WAVE" in start[:12] or start.startswith((b"fLaC", b"OggS", b"ID3", b"FORM", b"caff")) or start[4:8] == b"ftyp":
        return "it is damaged or cut off before its first sample; download or record it again"
    return ""
