"""Changes of text that is read line by line: F0 files and TOML."""

from collections.abc import Sequence
from random import Random

from reliability.fuzz.mutation import raw

ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")


def mutate(data: bytes, random: Random, fields: Sequence[str], lines: Sequence[str] = ()) -> bytes:
    """Change lines, fields in them, or bytes.

    Args:
        data: text.
        random: the source of choices.
        fields: values that are written over a field of a line.
        lines: whole lines that are inserted.
    """
    if random.random() < 0.15:
        return raw.mutate(data, random)
    rows = data.decode("utf-8", "replace").splitlines()
    for _ in range(random.choice((1, 1, 2, 5))):
        place = random.randrange(len(rows) + 1)
        kind = random.randrange(6)
        if kind == 0 or not rows or place == len(rows):
            rows.insert(place, random.choice((*lines, random.choice(fields))))
        elif kind == 1:
            del rows[place]
        elif kind == 2:
            rows[place], rows[-1] = rows[-1], rows[place]
        elif kind == 3:
            rows[place : place + 1] = [rows[place]] * random.choice((2, 3, 40))
        else:
            separator = random.choice((",", "=", ";", "\t", " "))
            parts = rows[place].split(separator)
            parts[random.randrange(len(parts))] = random.choice(fields)
            rows[place] = separator.join(parts)
    ending = random.choice(("\n", "\n", "\r\n", "\r"))
    encoding = random.choice(ENCODINGS)
    return ending.join(rows).encode(encoding, "replace")[: raw.LARGEST]
