"""Names of files for libraries that take text in UTF-8 only, such as faiss and safetensors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def is_utf8(path: str | Path) -> bool:
    """Whether a path can be encoded in UTF-8; on POSIX, paths are bytes of any kind."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def part_prefix(target: Path) -> str:
    """How the temporary name of a file begins that is written beside `target` and then renamed; always UTF-8."""
    return f".{target.name}." if is_utf8(target.name) else ".rvc."


@contextmanager
def utf8_name(path: str | Path) -> Iterator[str]:
    """A name of a file that can be encoded in UTF-8, within the context.

    Args:
        path: the file. Where its path is no UTF-8, the name leads through a temporary symbolic link: to its folder, so
            that a library may write the file under another name and rename it, or to the file itself where its own name
            is no UTF-8.
    """
    if is_utf8(path):
        yield str(path)
        return
    folder, name = os.path.split(os.path.abspath(path))
    with tempfile.TemporaryDirectory(prefix="rvc-") as temporary:
        link = os.path.join(temporary, "link")
        os.symlink(folder if is_utf8(name) else os.path.join(folder, name), link)
        yield os.path.join(link, name) if is_utf8(name) else link
