"""Changes of the zip archives that torch.save writes: of the pickle, of members and their names, of raw bytes."""

import io
import struct
import zipfile
import zlib
from collections.abc import Container
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
COMPRESSED = 3  # members of a compressed archive that are compressed, beside its pickle
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


_END = struct.Struct("<4s4H2IH")  # the records of a zip archive (PKWARE's APPNOTE, 4.3)
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")


def members(data: bytes) -> list[tuple[str, bytes]]:
    """Name and content of each member.  Raises zipfile.BadZipFile and others for a damaged archive."""
    parts = _stored_members(data)
    return parts if parts is not None else _any_members(data)


def _stored_members(data: bytes) -> list[tuple[str, bytes]] | None:
    """The members of a plain archive without compression, a tenth of the time of zipfile; None for any other."""
    if len(data) < _END.size:
        return None
    mark, _, _, _, count, _, place, _ = _END.unpack_from(data, len(data) - _END.size)
    if mark != b"PK\x05\x06":
        return None
    parts = []
    try:
        for _ in range(count):
            entry = _CENTRAL.unpack_from(data, place)
            compression, size, name_size, more, comment, offset = entry[4], entry[9], *entry[10:13], entry[16]
            if entry[0] != b"PK\x01\x02" or compression or entry[8] != size:
                return None
            name = data[place + _CENTRAL.size : place + _CENTRAL.size + name_size].decode("utf-8")
            place += _CENTRAL.size + name_size + more + comment
            local = _LOCAL.unpack_from(data, offset)
            begin = offset + _LOCAL.size + local[9] + local[10]
            if begin + size > len(data):
                return None
            parts.append((name, data[begin : begin + size]))
    except (struct.error, UnicodeError):
        return None
    return parts


def _any_members(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist() if info.file_size < raw.LARGEST]


def pack(
    parts: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED, compressed: Container[int] | None = None
) -> bytes:
    """An archive of members.

    Args:
        parts: the name and the content of each member.
        compression: the method for the members in `compressed`. An LZMA encoder takes milliseconds to start, whatever
            it compresses.
        compressed: the indices in `parts` of the members that are compressed; None: all. The others are stored.
    """
    if compression == zipfile.ZIP_STORED:
        return _pack_stored(parts)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for place, (name, content) in enumerate(parts):
            info = zipfile.ZipInfo(name or "x", FIXED_TIME)
            info.compress_type = compression if compressed is None or place in compressed else zipfile.ZIP_STORED
            archive.writestr(info, content)
    return target.getvalue()


def _pack_stored(parts: list[tuple[str, bytes]]) -> bytes:
    """What zipfile writes without compression, in a tenth of its time.  Raises ValueError for what it cannot hold."""
    local, central, place = [], [], 0
    for name, content in parts:
        text, size, check = (name or "x").encode("utf-8"), len(content), zlib.crc32(content)
        if len(text) > 0xFFFF or len(parts) > 0xFFFF:
            raise ValueError("a name or a list of members is too long for an archive")
        flags = 0 if text.isascii() else 0x800  # UTF-8
        sizes = (check, size, size, len(text))
        local += [_LOCAL.pack(b"PK\x03\x04", 20, flags, 0, 0, 33, *sizes, 0), text, content]  # 33: 1980-01-01
        central += [_CENTRAL.pack(b"PK\x01\x02", 20, 20, flags, 0, 0, 33, *sizes, 0, 0, 0, 0, 0, place), text]
        place += _LOCAL.size + len(text) + size
    directory = b"".join(central)
    end = _END.pack(b"PK\x05\x06", 0, 0, len(parts), len(parts), len(directory), place, 0)
    return b"".join([*local, directory, end])


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
    chosen = {place, *(random.randrange(max(len(parts), 1)) for _ in range(COMPRESSED))}
    try:
        return pack(parts, compression, chosen)
    except (ValueError, OSError, UnicodeError, OverflowError):
        return raw.mutate(data, random)
