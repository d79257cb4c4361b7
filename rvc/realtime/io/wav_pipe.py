"""The header of a WAV file that arrives through a pipe, so that it is not converted as sound."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from rvc.audio.ffmpeg import HIGHEST_RATE, LOWEST_RATE
from rvc.errors import BadInput

MARK = 12  # bytes that show the kind of a file
LONGEST_CHUNK = 1 << 24  # bytes of a chunk before the samples; longer ones are no tags
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE  # format tags of a WAV file
ENDLESS = 1 << 31  # bytes; programs that write to a pipe declare a length from here to 2**32 - 1, or 0
OTHER_KINDS = {  # the first bytes of other files with sound
    b"fLaC": "a FLAC file",
    b"OggS": "an Ogg file",
    b"ID3\x02": "an MP3 file",
    b"ID3\x03": "an MP3 file",
    b"ID3\x04": "an MP3 file",
    b"FORM": "an AIFF file",
    b"caff": "a CAF file",
    b"\x1a\x45\xdf\xa3": "a Matroska or WebM file",
}
EMPTY = "stdin holds no samples; expected raw samples or a WAV file"
NAMES = {(PCM, 8): "u1", (PCM, 16): "<i2", (PCM, 24): "i3", (PCM, 32): "<i4", (FLOAT, 32): "<f4", (FLOAT, 64): "<f8"}


@dataclass(frozen=True)
class WavFormat:
    """The samples that follow a WAV header.

    Attributes:
        rate: Hz.
        channels: interleaved.
        name: NumPy's name of the samples' type, or "i3" for 24 bits.
        size: bytes of samples; None where they go on to the end of the pipe.
    """

    rate: int
    channels: int
    name: str
    size: int | None

    @property
    def frame(self) -> int:
        """Bytes of one sample of every channel."""
        return int(self.name[-1]) * self.channels

    def decode(self, data: bytes) -> npt.NDArray[np.float32]:
        """Whole frames as float32 (n, channels), full scale ±1."""
        if self.name == "i3":
            low, middle, high = np.frombuffer(data, np.uint8).astype(np.uint32).reshape(-1, 3).T
            samples = ((low << 8) | (middle << 16) | (high << 24)).view(np.int32).astype(np.float32) / np.float32(2**31)
        else:
            raw = np.frombuffer(data, self.name)
            samples = raw.astype(np.float32)
            if raw.dtype.kind == "u":
                samples = (samples - 128) / np.float32(128)
            elif raw.dtype.kind == "i":
                samples = samples / np.float32(1 << 8 * raw.dtype.itemsize - 1)
        return samples.reshape(-1, self.channels)

    def __str__(self) -> str:
        kind = "floats" if "f" in self.name else "bits"
        return f"{self.rate} Hz, channels: {self.channels}, {8 * int(self.name[-1])} {kind}"


def read_start(pipe: BinaryIO) -> tuple[WavFormat | None, bytes]:
    """Read the first bytes of a pipe, and the whole header where they are those of a WAV file.

    Returns:
        The format of a WAV file, or None for raw samples; and the bytes of samples that were read.
    Raises:
        BadInput: the pipe is empty or carries another kind of file, or a WAV file with compressed samples.
    """
    start = pipe.read(MARK)
    if not start:
        raise BadInput(EMPTY)
    if start[:4] in (b"RIFF", b"RF64", b"BW64") and start[8:12] == b"WAVE":
        form = _read_chunks(pipe)
        if not (first := pipe.read(form.frame)):
            raise BadInput(EMPTY)
        return form, first
    kind = "an MP4 or M4A file" if start[4:8] == b"ftyp" else OTHER_KINDS.get(start[:4])
    if kind is not None:
        raise BadInput(
            f"stdin carries {kind}, expected raw samples or a WAV file; decode it first: ffmpeg -i FILE -f wav - | "
            "rvc stream - …"
        )
    return None, start


def _read_chunks(pipe: BinaryIO) -> WavFormat:
    form: tuple[int, int, int, int] | None = None  # tag, channels, rate, bits
    while True:
        head = pipe.read(8)
        if len(head) < 8:
            raise BadInput("stdin carries a WAV file that ends before its samples; record it again")
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"data":
            break
        if size > LONGEST_CHUNK:
            raise BadInput(f"stdin carries a WAV file whose chunk {name!r} claims {size} bytes; it is damaged")
        body = pipe.read(size + size % 2)
        if name == b"fmt " and len(body) >= 16:
            tag, channels, rate, bits = struct.unpack("<HHI6xH", body[:16])
            form = (
                (struct.unpack("<H", body[24:26])[0] if tag == EXTENSIBLE and size >= 26 else tag),
                channels,
                rate,
                bits,
            )
    if form is None or not form[1] or not LOWEST_RATE <= form[2] <= HIGHEST_RATE:
        raise BadInput("stdin carries a WAV file without a usable format; it is damaged")
    tag, channels, rate, bits = form
    if (tag, bits) not in NAMES:
        raise BadInput(
            f"stdin carries a WAV file with samples of format {tag} and {bits} bits, expected PCM or floats; decode it "
            "first: ffmpeg -i FILE -f wav - | rvc stream - …"
        )
    return WavFormat(rate, channels, NAMES[tag, bits], size if 0 < size < ENDLESS else None)
