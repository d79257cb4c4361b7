"""Memory that was freed goes back to the system, so that the stages' peaks do not add up."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any

MADV_DONTNEED = 4


def give_back() -> None:
    """Let the allocator return what it keeps; call after a network was laid out or dropped, not in a loop.

    glibc keeps freed tensors below 32 MB for later, hundreds of megabytes of them after a network was loaded.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


def forget_code() -> None:
    """Have the libraries' code count as ours only where it is run from now on; call between two stages.

    Once touched, up to 200 MB of it count, torch's most of all, and most by imports alone. It is never written to, so
    nothing is lost: what is run again comes back from the system's own copy of the file.
    """
    forget = _forget()
    if forget is not None:
        for start, size in code():
            forget(start, size, MADV_DONTNEED)


def code() -> list[tuple[int, int]]:
    """Address and length of where libraries' code lies; nothing where the system does not tell."""
    try:
        lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        place, rights, rest = line.split(maxsplit=2)
        if rights == "r-xp" and ".so" in rest.rpartition("/")[2]:  # constants may hold what the linker wrote
            start, end = (int(address, 16) for address in place.split("-"))
            found.append((start, end - start))
    return found


@cache
def _trim() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library
        return None


@cache
def _forget() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        forget = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return None
    forget.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return forget
