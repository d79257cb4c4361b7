"""Changes of safetensors files: of their header, of single fields of an entry, and of their data."""

import json
import struct
from random import Random
from typing import Any

from reliability.fuzz.mutation import raw, trees

DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "U64", "C64", "F8_E4M3", "F4", "Q4", "")
SIZES = (0, 1, 2, 3, 256, 768, 2**20, 2**31, 2**62, 2**63, -1, 1.5, "1", None)


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a file.  Raises ValueError where it has none."""
    if len(data) < 8:
        raise ValueError("no header")
    (length,) = struct.unpack("<Q", data[:8])
    if length > len(data):
        raise ValueError("a header beyond the file")
    header = json.loads(data[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("no dictionary")
    return header, data[8 + length :]


def join(header: Any, content: bytes, padding: int = 0) -> bytes:
    """A file of a header and its data."""
    text = json.dumps(header).encode() + b" " * padding
    return struct.pack("<Q", len(text)) + text + content


def mutate(data: bytes, random: Random) -> bytes:
    """Change a safetensors file; most results have a readable header."""
    try:
        header, content = split(data)
    except (ValueError, RecursionError):
        return raw.mutate(data, random)
    kind = random.randrange(10)
    if kind == 0:
        return raw.mutate(data, random)
    if kind == 1:
        return join(trees.mutate(header, random), content)
    if kind in (2, 3):
        return join(header, raw.mutate(content, random)[: len(content)].ljust(len(content), b"\0"))
    if kind == 4:
        metadata = header.get("__metadata__")
        header["__metadata__"] = trees.mutate(metadata if isinstance(metadata, dict) else {"a": "b"}, random)
        return join(header, content, random.choice((0, 0, 1, 7)))
    names = [name for name, entry in header.items() if name != "__metadata__" and isinstance(entry, dict)]
    for name in random.sample(names, min(len(names), random.choice((1, 1, 2, 8)))):
        content = _change_entry(header, name, content, random)
    return join(header, content)


def _change_entry(header: dict[str, Any], name: str, content: bytes, random: Random) -> bytes:
    """Change one entry in place; returns the data, which may have grown."""
    entry = header[name]
    shape = entry.get("shape") if isinstance(entry.get("shape"), list) else []
    kind = random.randrange(8)
    if kind == 0:
        del header[name]
    elif kind == 1:
        header[random.choice((name + "x", "", "a.b", name.upper(), "noise.x", "weight", "module." + name))] = (
            header.pop(name)
        )
    elif kind == 2:
        entry["dtype"] = random.choice(DTYPES)
    elif kind == 3 and shape:
        shape[random.randrange(len(shape))] = random.choice(SIZES)
    elif kind == 4:
        entry["shape"] = random.choice(([], shape[::-1], [*shape, 1], shape * 20, [0, *shape], None))
    elif kind == 5:
        entry["data_offsets"] = [
            random.choice((0, 4, len(content), 2**63, -4)) for _ in range(random.choice((2, 2, 1, 3)))
        ]
    elif kind == 6:  # a shape with data of its own, so that the file is valid
        sizes = random.choice(([], [0], [1], [3, 2], [1, 1, 4], [2, 256], [1, 5, 768]))
        count = 4
        for size in sizes:
            count *= size
        header[name] = {"dtype": "F32", "shape": sizes, "data_offsets": [len(content), len(content) + count]}
        return content + random.choice((b"\0\0\0\0", b"\0\0\xc0\x7f", b"\0\0\x80\x3f")) * (count // 4)
    else:
        entry[random.choice(("dtype", "shape", "data_offsets", "more"))] = random.choice(trees.ODD_VALUES)
    return content
