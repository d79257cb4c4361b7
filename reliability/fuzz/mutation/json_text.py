"""Changes of JSON: of its values, of its text, and of its bytes."""

import json
from random import Random

from reliability.fuzz.mutation import raw, trees

WORDS = (
    b"NaN",
    b"Infinity",
    b"1e999",
    b"9" * 5000,
    b"null",
    b"true",
    b"[" * 2000,
    b'{"a":',
    b'"\\ud800"',
    b"\xff",
    b",",
)


def mutate(data: bytes, random: Random) -> bytes:
    """Change a JSON document; most results are JSON too."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return raw.mutate(data, random, WORDS)
    if random.random() < 0.12:
        return raw.mutate(data, random, WORDS)
    return json.dumps(trees.mutate(tree, random)).encode()
