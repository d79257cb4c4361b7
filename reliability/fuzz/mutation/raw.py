"""Changes of bytes without knowledge of a format: flips, numbers of interest, cuts, copies and inserted words."""

import struct
from collections.abc import Callable, Sequence
from random import Random

# Numbers at which sizes, counts and offsets overflow or become negative.
NUMBERS = (0, 1, 2, 7, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63)
NUMBERS_64 = (*NUMBERS, 2**64 - 1)
LARGEST = 1 << 21  # bytes of an input; larger ones are cut
Mutator = Callable[[bytes, Random], bytes]


def mutate(data: bytes, random: Random, words: Sequence[bytes] = ()) -> bytes:
    """Apply one to four changes.

    Args:
        data: any bytes.
        random: the source of choices.
        words: byte strings of the format, such as chunk names, which are inserted or written over others.
    """
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        _change(changed, random, words)
    return bytes(changed[:LARGEST])


def _change(data: bytearray, random: Random, words: Sequence[bytes]) -> None:
    kind = random.randrange(9 if words else 8)
    if not data or kind == 0:
        place = random.randint(0, len(data))
        data[place:place] = random.randbytes(random.choice((1, 2, 4, 16)))
        return
    place = random.randrange(len(data)) if random.random() < 0.6 else random.randrange(min(len(data), 96))
    length = min(random.choice((1, 4, 16, 256)), len(data) - place)
    if kind == 1:
        data[place] ^= 1 << random.randrange(8)
    elif kind == 2:
        data[place] = random.randrange(256)
    elif kind == 3:
        width = random.choice((1, 2, 4, 4, 8))
        order = random.choice(("little", "little", "big"))
        aligned = place // width * width if random.random() < 0.7 else place
        number = random.choice(NUMBERS_64) & (256**width - 1)
        data[aligned : aligned + width] = number.to_bytes(width, "little" if order == "little" else "big")
    elif kind == 4:
        del data[place : place + length]
    elif kind == 5:
        other = random.randrange(len(data))
        data[other:other] = data[place : place + length]
    elif kind == 6:
        del data[random.choice((place, len(data) - length)) :]
    elif kind == 7:
        value = random.choice((float("nan"), float("inf"), -float("inf"), 1e38, -1.0, 1e-42))
        packed = struct.pack(random.choice(("<f", ">f", "<d")), value)
        data[place : place + len(packed)] = packed
    else:
        word = random.choice(words)
        replaced = len(word) if random.random() < 0.5 else 0
        data[place : place + replaced] = word


def with_words(*words: bytes) -> Mutator:
    """A mutator that also writes these words."""
    return lambda data, random: mutate(data, random, words)
