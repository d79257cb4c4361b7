"""Changes of pickles operation by operation, and pickles that call functions: payloads that must never run."""

import itertools
import pickletools
import struct
from random import Random

from reliability.fuzz.mutation import raw

# Each names a function that would leave a mark (`reliability.fuzz.guards` notices any call) and an argument.
CALLS = (
    (b"os", b"system", b"true"),
    (b"posix", b"system", b"true"),
    (b"subprocess", b"Popen", b"true"),
    (b"builtins", b"exec", b"open('canary','w')"),
    (b"builtins", b"eval", b"open('canary','w')"),
    (b"builtins", b"open", b"canary"),
    (b"builtins", b"getattr", b"x"),
    (b"builtins", b"__import__", b"antigravity"),
    (b"socket", b"create_connection", b"x"),
    (b"torch", b"load", b"x"),
    (b"torch.serialization", b"load", b"x"),
    (b"numpy", b"load", b"x"),
    (b"numpy", b"fromfile", b"x"),
    (b"pickle", b"loads", b"x"),
    (b"runpy", b"run_path", b"x"),
    (b"shutil", b"rmtree", b"canary"),
    (b"torch._utils", b"_rebuild_tensor_v2", b"x"),
    (b"torch", b"FloatStorage", b"x"),
    (b"collections", b"OrderedDict", b"x"),
    (b"numpy.core.multiarray", b"scalar", b"x"),
    (b"numpy._core.multiarray", b"_reconstruct", b"x"),
    (b"copyreg", b"_reconstructor", b"x"),
    (b"nobody", b"knows", b"x"),
)
INTEGERS = tuple(
    [b"K" + bytes([value]) for value in (0, 1, 2, 3, 255)]
    + [b"M" + struct.pack("<H", value) for value in (256, 768, 65535)]
    + [b"J" + struct.pack("<i", value) for value in (-1, -(2**31), 2**31 - 1)]
    + [b"\x8a\x08" + struct.pack("<q", value) for value in (2**62, -(2**63))]
)
VALUES = (
    *INTEGERS,
    b"N",
    b"\x88",
    b"]",
    b"}",
    b")",
    b"X\x00\x00\x00\x00",
    b"G" + struct.pack(">d", float("nan")),
    b"\x8f",
)
STREAM_ENDS = b"."


def call(random: Random) -> bytes:
    """Operations that call one of `CALLS`; the result stays on the stack."""
    module, name, argument = random.choice(CALLS)
    text = b"X" + struct.pack("<I", len(argument)) + argument
    kind = random.randrange(4)
    if kind == 0:
        return b"c" + module + b"\n" + name + b"\n" + text + b"\x85R"
    if kind == 1:
        parts = b"".join(b"\x8c" + bytes([len(part)]) + part for part in (module, name))
        return parts + b"\x93" + text + b"\x85R"
    if kind == 2:
        return b"c" + module + b"\n" + name + b"\n)\x81}" + text + b"K\x01sb"
    return b"(i" + module + b"\n" + name + b"\n"


def operations(data: bytes) -> tuple[list[bytes], bytes]:
    """The operations of the first pickle in `data`, and the rest after it."""
    starts = []
    end = len(data)
    try:
        for code, _, place in pickletools.genops(data):
            starts.append(place or 0)
            if code.name == "STOP":
                end = (place or 0) + 1
    except (ValueError, IndexError, OverflowError, MemoryError, UnicodeDecodeError):
        pass
    bounds = [*starts, end]
    return [data[first:last] for first, last in itertools.pairwise(bounds)], data[end:]


def mutate(data: bytes, random: Random) -> bytes:
    """Change the first pickle in `data`; what follows it stays."""
    if random.random() < 0.08:
        return raw.mutate(data, random)
    pieces, rest = operations(data)
    if not pieces:
        return call(random) + STREAM_ENDS + rest
    for _ in range(random.choice((1, 1, 2, 3))):
        place = random.randrange(max(len(pieces) - 1, 1))
        kind = random.randrange(8)
        if kind == 0:
            del pieces[place]
        elif kind == 1:
            pieces.insert(place, pieces[random.randrange(len(pieces))])
        elif kind == 2:
            pieces[place : place + 1] = [call(random)]
        elif kind == 3:
            pieces.insert(place, random.choice(VALUES))
        elif kind == 4:
            other = random.randrange(len(pieces))
            pieces[place], pieces[other] = pieces[other], pieces[place]
        elif kind == 5 and pieces[place][:1] in (b"K", b"M", b"J", b"\x8a", b"I"):
            pieces[place] = random.choice(INTEGERS)
        elif kind == 6 and pieces[place][:1] == b"X":
            text = random.choice(
                (b"", b"v1", b"40k", b"\x1b[31m", b"\xff", b"x" * 3000, b"../outside", pieces[place][5:-1])
            )
            pieces[place] = b"X" + struct.pack("<I", len(text)) + text
        else:
            pieces[place] = random.choice(VALUES)
        if not pieces:
            break
    return b"".join(pieces) + rest
