"""Changes of the zip archives that torch.save writes: of the pickle, of members and their names, of raw bytes."""

import io
import zipfile
from random import Random

from reliability.fuzz.mutation import pickles, raw

MEMBERS = (
    "data.pkl",
    "version",
    "byteorder",
    "data/0",
    "../outside",
    "/outside",
    "data/../../outside",
    "code/x.py",
    "",
)
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def members(data: bytes) -> list[tuple[str, bytes]]:
    """Name and content of each member.  Raises zipfile.BadZipFile and others for a damaged archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist() if info.file_size < raw.LARGEST]


def pack(parts: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of members, without compression unless requested."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in parts:
            info = zipfile.ZipInfo(name or "x", FIXED_TIME)
            info.compress_type = compression
            archive.writestr(info, content)
    return target.getvalue()


def mutate(data: bytes, random: Random) -> bytes:
    """Change an archive; most results are archives with a pickle."""
    kind = random.randrange(10)
    if kind == 0:
        return raw.mutate(data, random, (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"\x80\x02"))
    try:
        parts = members(data)
    except Exception:
        return raw.mutate(data, random)
    if not parts:
        return pack([("archive/data.pkl", pickles.mutate(b"", random))])
    place = next((i for i, (name, _) in enumerate(parts) if name.endswith("data.pkl")), 0)
    if kind > 3:
        parts[place] = parts[place][0], pickles.mutate(parts[place][1], random)
    elif kind == 1:
        other = random.randrange(len(parts))
        parts[other] = parts[other][0], raw.mutate(parts[other][1], random)
    elif kind == 2:
        other = random.randrange(len(parts))
        root = parts[place][0].partition("/")[0]
        name = random.choice(MEMBERS)
        parts[other] = (f"{root}/{name}" if random.random() < 0.7 else name), parts[other][1]
    else:
        other = random.randrange(len(parts))
        if random.random() < 0.5:
            del parts[other]
        else:
            parts.append(parts[other])
    compression = random.choice(
        (zipfile.ZIP_STORED,) * 12 + (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    )
    try:
        return pack(parts, compression)
    except (ValueError, OSError, UnicodeError, OverflowError):
        return raw.mutate(data, random)
