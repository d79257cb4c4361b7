"""Paths on the command line, as users paste them: in quotes, as a file address, with marks that a file manager adds."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

PIPE = "-"
LONGEST = 255  # bytes in one name, the limit of most file systems
QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "„": "“", "«": "»", "`": "`"}
# Marks of writing direction, of which Windows' file properties put U+202A before a copied path, and U+FEFF.
INVISIBLE = "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"


def path(text: str) -> Path:
    """The path of a file or folder.

    A path that exists is taken as it is. Otherwise quotes and spaces around it, marks of writing direction and a
    `file:` address are taken off, and `~` is expanded.

    Raises:
        argparse.ArgumentTypeError: `text` is empty, "-", a web address, or no path on this system.
    """
    if text == PIPE:
        raise argparse.ArgumentTypeError("- stands for a pipe, which only rvc stream reads and writes; give a file")
    return Path(path_text(text))


def path_or_pipe(text: str) -> str:
    """`path`, or "-" for stdin or stdout."""
    return PIPE if text.strip() == PIPE else path_text(text)


def path_text(text: str) -> str:
    """The text of `path`, for an argument that may also be a name."""
    if "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is no path, since it contains a NUL character")
    if text and _exists(text):
        return text
    if any(len(os.fsencode(part)) > LONGEST for part in re.split(r"[/\\]", text)):
        raise argparse.ArgumentTypeError(f"{text[:40]}… is too long for the name of a file")
    plain = text.strip().strip(INVISIBLE).strip()
    while len(plain) > 1 and QUOTES.get(plain[0]) == plain[-1]:
        plain = plain[1:-1].strip().strip(INVISIBLE)
    if not plain:
        raise argparse.ArgumentTypeError(f"the path is {text!r}; expected a file or a folder")
    if plain.lower().startswith("file:"):
        return _from_address(plain)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", plain):
        raise argparse.ArgumentTypeError(f"{plain} is a web address; download the file and give its path")
    return os.path.expanduser(plain) if plain.startswith("~") else plain


def _exists(text: str) -> bool:
    try:
        return os.path.lexists(text)
    except (OSError, ValueError):
        return False


def _from_address(address: str) -> str:
    """The path in a `file:` address (RFC 8089): file:///folder/name, file://localhost/folder/name, file:name."""
    rest = address[len("file:") :]
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            raise argparse.ArgumentTypeError(f"{address} is a file on the computer {host}; give a path on this one")
        rest = slash + rest
    name = os.fsdecode(unquote_to_bytes(rest.encode(errors="surrogateescape")))
    return name[1:] if re.match(r"/[A-Za-z]:[/\\]", name) else name  # Windows: file:///C:/folder/name
