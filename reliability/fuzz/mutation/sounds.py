"""Changes of sound files: of the chunks of RIFF, RF64 and W64, of Ogg pages with their checksum, of MP4 boxes."""

import struct
from collections.abc import Iterator
from random import Random

from reliability.fuzz.mutation import raw

RIFF_WORDS = (
    b"RIFF",
    b"RF64",
    b"WAVE",
    b"fmt ",
    b"data",
    b"ds64",
    b"LIST",
    b"fact",
    b"bext",
    b"cue ",
    b"smpl",
    b"JUNK",
)
FORMAT_TAGS = (0, 1, 2, 3, 6, 7, 17, 80, 85, 0xFFFE, 0xFFFF)  # WAVE formats: PCM, ADPCM, float, A-law, µ-law, MPEG, …
RATES = (0, 1, 999, 1000, 7999, 8000, 16000, 44100, 48000, 384000, 2**31, 2**32 - 1)
MP4_WORDS = (b"moov", b"mdat", b"stsz", b"stco", b"stsc", b"stts", b"mp4a", b"esds", b"dref", b"url ", b"elst", b"ftyp")
MPEG_WORDS = (b"ID3\x04\x00\x00", b"\xff\xfb\x90\x00", b"Xing", b"LAME", b"APIC", b"TAG", b"\xff\xf3")
FLAC_WORDS = (b"fLaC", b"\xff\xf8", b"\x84\x00\x00\x22", b"\x03\x00\x00\x12", b"\x81", b"\x06\x00\xff\xff")


def riff(data: bytes, random: Random) -> bytes:
    """Change a WAV or RF64 file: fields of its format, sizes of chunks, their order, or bytes."""
    place = data.find(b"fmt ")
    kind = random.randrange(6)
    changed = bytearray(data)
    if kind == 0 and 0 < place < len(data) - 24:
        field = random.randrange(5)
        at = place + 8
        if field == 0:
            changed[at : at + 2] = struct.pack("<H", random.choice(FORMAT_TAGS))
        elif field == 1:
            changed[at + 2 : at + 4] = struct.pack("<H", random.choice((0, 1, 2, 3, 8, 255, 65535)))
        elif field == 2:
            changed[at + 4 : at + 8] = struct.pack("<I", random.choice(RATES))
        elif field == 3:
            changed[at + 12 : at + 14] = struct.pack("<H", random.choice((0, 1, 2, 3, 4, 8, 1024, 65535)))
        else:
            changed[at + 14 : at + 16] = struct.pack("<H", random.choice((0, 1, 4, 8, 12, 16, 24, 32, 64, 255)))
        return bytes(changed)
    starts = [at for word in RIFF_WORDS if (at := data.find(word)) >= 0]
    if kind == 1 and starts:
        at = random.choice(starts) + 4
        changed[at : at + 4] = struct.pack("<I", random.choice(raw.NUMBERS) & 0xFFFFFFFF)
        return bytes(changed)
    if kind == 2:
        body = random.randbytes(random.choice((0, 1, 7, 40)))
        chunk = random.choice(RIFF_WORDS) + struct.pack("<I", random.choice((len(body), 2**31, 0))) + body
        at = random.choice((12, 36, len(data)))
        return data[:at] + chunk + data[at:]
    return raw.mutate(data, random, RIFF_WORDS)


def ogg(data: bytes, random: Random) -> bytes:
    """Change an Ogg file within its pages and make their checksums right again, so that decoders read on."""
    if random.random() < 0.2:
        return raw.mutate(
            data, random, (b"OggS", b"\x01vorbis", b"\x03vorbis", b"\x05vorbis", b"OpusHead", b"OpusTags")
        )
    pages = list(_pages(data))
    if not pages:
        return raw.mutate(data, random)
    place = random.randrange(len(pages))
    page = bytearray(pages[place])
    kind = random.randrange(5)
    if kind == 0:
        del pages[place]
    elif kind == 1:
        pages.insert(place, bytes(page))
    else:
        first = 5 if kind == 2 else min(27 + page[26], len(page) - 1)  # flags and positions, or the packets
        for _ in range(random.choice((1, 2, 8))):
            page[random.randrange(first, len(page))] = random.choice((0, 1, 127, 255, random.randrange(256)))
        pages[place] = bytes(page)
    return b"".join(_with_checksum(page) for page in pages)


def _pages(data: bytes) -> Iterator[bytes]:
    place = 0
    while data[place : place + 4] == b"OggS" and place + 27 < len(data):
        segments = data[place + 26]
        length = 27 + segments + sum(data[place + 27 : place + 27 + segments])
        yield data[place : place + length]
        place += length


def _table() -> tuple[int, ...]:
    """The table of Ogg's checksum, polynomial 0x04c11db7 (RFC 3533)."""
    table = []
    for index in range(256):
        value = index << 24
        for _ in range(8):
            value = (value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1
        table.append(value & 0xFFFFFFFF)
    return tuple(table)


TABLE = _table()


def _with_checksum(page: bytes) -> bytes:
    if len(page) < 27:
        return page
    zeroed = page[:22] + bytes(4) + page[26:]
    value = 0
    for byte in zeroed:
        value = ((value << 8) & 0xFFFFFFFF) ^ TABLE[(value >> 24) ^ byte]
    return page[:22] + struct.pack("<I", value) + page[26:]


def mp4(data: bytes, random: Random) -> bytes:
    """Change an MP4 file: numbers in its boxes, their names, or bytes."""
    starts = [at for word in MP4_WORDS if (at := data.find(word)) >= 4]
    if starts and random.random() < 0.6:
        changed = bytearray(data)
        at = random.choice(starts)
        offset = random.choice((-4, 4, 8, 12, 16, 20, 24, 28))
        changed[at + offset : at + offset + 4] = struct.pack(">I", random.choice(raw.NUMBERS) & 0xFFFFFFFF)
        return bytes(changed)
    return raw.mutate(data, random, MP4_WORDS)
