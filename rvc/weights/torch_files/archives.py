"""The two formats of torch.save: the unpickled content, and where each storage lies in the file."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from rvc.errors import BadCheckpoint
from rvc.weights.torch_files.safe_unpickler import SafeUnpickler, unpickle

DAMAGE = (  # exceptions that reading a damaged archive can raise
    OSError,
    ValueError,
    RuntimeError,
    EOFError,
    OverflowError,
    MemoryError,
    LookupError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)
PICKLE_LIMIT = 64 << 20  # bytes; the pickle in hubert_base.pt has less than 1 MB
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER, the first pickle of the legacy format


def read_zip(path: Path, kind: type[SafeUnpickler] = SafeUnpickler) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Read torch.save's zip format: the pickle `*/data.pkl` and the storages `*/data/KEY`.

    Returns:
        The unpickled object, and storage key → (offset in the file, bytes).
    Raises:
        BadCheckpoint: the file is another kind of zip file, compressed or big-endian, or has a pickle of more than
            64 MB.
    """
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        names = [name for name in archive.namelist() if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(names) != 1:
            raise BadCheckpoint(f"{path.name} is a zip file, but not one that torch.save writes")
        prefix = names[0].removesuffix("data.pkl")
        if f"{prefix}byteorder" in archive.namelist() and _first(archive, f"{prefix}byteorder") != b"little":
            raise BadCheckpoint(
                f"{path.name} was written on a big-endian machine; save it again on a little-endian one"
            )
        if archive.getinfo(names[0]).file_size > PICKLE_LIMIT:
            raise BadCheckpoint(f"{path.name} has a pickle of more than {PICKLE_LIMIT >> 20} MB; it is no model")
        content, _ = unpickle(io.BytesIO(archive.read(names[0])), kind)
        storages = {}
        for info in archive.infolist():
            if info.filename.startswith(f"{prefix}data/"):
                if info.compress_type != zipfile.ZIP_STORED:
                    raise BadCheckpoint(
                        f"{path.name} was packed again as a compressed zip file, expected one without compression as "
                        "torch.save writes it; download the original file, or unpack it and pack it with zip -0"
                    )
                file.seek(info.header_offset)
                header = struct.unpack("<4s5H3I2H", file.read(30))
                start = info.header_offset + 30 + header[9] + header[10]
                storages[info.filename.removeprefix(f"{prefix}data/")] = (start, info.file_size)
    return content, storages


def _first(archive: zipfile.ZipFile, name: str) -> bytes:
    """The first 8 bytes of an entry; the rest is not unpacked, since a hostile entry may be huge."""
    with archive.open(name) as entry:
        return entry.read(8)


def read_legacy(path: Path, kind: type[SafeUnpickler] = SafeUnpickler) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Read torch.save's format before 1.6: several pickles, then each storage after its count.

    Returns:
        The unpickled object, and storage key → (offset in the file, bytes).
    Raises:
        BadCheckpoint: the file is another kind of pickle or is damaged.
    """
    with path.open("rb") as file:
        if unpickle(file, kind)[0] != LEGACY_MAGIC:
            raise BadCheckpoint(f"{path.name} is a pickle, but not one that torch.save writes")
        unpickle(file, kind)  # the protocol version
        unpickle(file, kind)  # byte order and sizes of the writing machine
        content, widths = unpickle(file, kind)
        keys, _ = unpickle(file, kind)
        storages: dict[str, tuple[int, int]] = {}
        for key in keys if isinstance(keys, list) else ():
            (count,) = struct.unpack("<q", file.read(8))
            if str(key) not in widths or count < 0:
                raise BadCheckpoint(
                    f"{path.name} holds a storage that its pickle does not describe; it is damaged, download it again"
                )
            storages[str(key)] = (file.tell(), count * widths[str(key)])  # literal: Python's file position
            file.seek(count * widths[str(key)], io.SEEK_CUR)
    return content, storages
