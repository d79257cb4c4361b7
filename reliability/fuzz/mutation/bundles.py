"""Several files as one input: a header with their names and lengths, then their bytes."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from random import Random

from reliability.fuzz.mutation import raw
from reliability.fuzz.mutation.raw import Mutator


def pack(files: Mapping[str, bytes]) -> bytes:
    """One input of files by their relative names."""
    header = json.dumps({name: len(content) for name, content in files.items()}).encode()
    return struct.pack("<I", len(header)) + header + b"".join(files.values())


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of an input; empty where the input is no bundle."""
    try:
        (length,) = struct.unpack("<I", data[:4])
        sizes = json.loads(data[4 : 4 + length])
        place, files = 4 + length, {}
        for name, size in sizes.items():
            files[str(name)] = data[place : place + int(size)]
            place += int(size)
    except (ValueError, TypeError, AttributeError, struct.error, RecursionError):
        return {}
    return files


def write(data: bytes, folder: Path) -> None:
    """Write the files of an input below a folder; names that would leave it are left out."""
    for name, content in unpack(data).items():
        parts = PurePosixPath(name).parts
        if parts and ".." not in parts and not name.startswith("/"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def mutator(by_suffix: Mapping[str, Mutator]) -> Mutator:
    """A mutator that changes one file of a bundle, by the mutator of its suffix, or leaves one out."""

    def mutate(data: bytes, random: Random) -> bytes:
        files = unpack(data)
        if not files:
            return data
        name = random.choice(sorted(files))
        if random.random() < 0.03:
            del files[name]
        else:
            change = by_suffix.get(PurePosixPath(name).suffix, raw.mutate)
            files[name] = change(files[name], random)
        return pack(files)

    return mutate
