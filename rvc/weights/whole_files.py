"""Files that are whole or absent: written beside their place under a temporary name, then renamed.

The temporary name holds the machine and the process. What a killed process has left behind is removed by the next
process on the same machine that writes the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from rvc.errors import BadInput
from rvc.weights.native_paths import part_prefix, utf8_name

SUFFIX = ".part"
# Errors of libraries whose file cannot be written: libsndfile's, torch's and faiss's are RuntimeErrors.
WRITE_ERRORS = (OSError, RuntimeError, SafetensorError)
_MACHINE = hashlib.sha256(platform.node().encode(errors="replace")).hexdigest()[:6]


def atomically(path: Path, write: Callable[[str], object]) -> None:
    """Write a file next to `path`, then rename it to `path`; on an error no file is left behind.

    Args:
        path: the file to create or replace.
        write: called with the name of the temporary file.
    Raises:
        BadInput: the system or a library reports an error.
    """
    part = temporary_beside(path)
    try:
        with utf8_name(part) as name:
            write(name)
        os.chmod(part, 0o666 & ~umask())
        os.replace(part, path)
    except WRITE_ERRORS as error:
        raise BadInput(f"{path} cannot be written: {reason(error)}") from None
    finally:
        if os.path.exists(part):
            os.unlink(part)


def temporary_beside(path: Path) -> str:
    """The name of a new empty file beside `path`; what killed processes have left there for it is removed.

    Raises:
        BadInput: no file can be made there.
    """
    try:
        _remove_leftovers(path)
        prefix = f"{part_prefix(path)}{_MACHINE}-{os.getpid()}-"
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=SUFFIX)
        os.close(handle)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {reason(error)}") from None
    return part


def reason(error: Exception) -> str:
    """Why a file cannot be written, in one line."""
    text = str(getattr(error, "strerror", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def umask() -> int:
    """The file mode creation mask of this process, which the system returns only when it is set."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _remove_leftovers(path: Path) -> None:
    pattern = re.compile(re.escape(f"{part_prefix(path)}{_MACHINE}-") + r"(\d+)-.*" + re.escape(SUFFIX))
    for name in os.listdir(path.parent):
        match = pattern.fullmatch(name)
        if match and not _runs(int(match[1])):
            with contextlib.suppress(OSError):
                os.unlink(path.parent / name)


def _runs(process: int) -> bool:
    """Whether a process of this machine exists; True where the system does not state it."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
