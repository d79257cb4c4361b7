"""The chunks of a WAV file, before a decoder reserves the memory that they state."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Literal

from rvc.errors import BadInput

# The first bytes of a file → the order of the bytes in its numbers.
FORMS: dict[bytes, Literal["<", ">"]] = {b"RIFF": "<", b"RF64": "<", b"BW64": "<", b"RIFX": ">"}
MOST = 4096  # chunks that are read; recorders write fewer than 20


def refuse_oversized(path: Path) -> None:
    """Check that the chunks of a WAV file before its samples end within the file.

    ffmpeg reserves the stated size of some of them, up to 2 GiB, before it reads them. A chunk that does not end within
    the file leaves no place for samples. Other files are not looked at.

    Raises:
        BadInput: a chunk is larger than the rest of the file.
    """
    with path.open("rb") as file:
        start = file.read(12)
        order = FORMS.get(start[:4])
        if order is None or start[8:12] != b"WAVE":
            return
        length, place = os.fstat(file.fileno()).st_size, len(start)
        for _ in range(MOST):
            file.seek(place)
            head = file.read(8)
            if len(head) < 8 or head[:4] == b"data":
                return
            (size,) = struct.unpack(f"{order}I", head[4:])
            place += 8
            if size > length - place:
                letters = head[:4].rstrip(b" ").decode("latin-1")  # "fmt " is filled up with a space
                name = "".join(letter if letter.isalnum() else "?" for letter in letters)
                raise BadInput(
                    f"{path} is damaged: its chunk {name} states {size} bytes, but {length - place} follow; "
                    "download or record it again"
                )
            place += size + size % 2
