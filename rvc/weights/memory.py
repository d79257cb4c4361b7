"""Returning freed memory to the system, so that the peaks of the stages do not add up."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any

MADV_DONTNEED = 4


def trim_heap() -> None:
    """Return freed memory of the C heap to the system; call after a network was packed or released, not in a loop.

    glibc holds freed tensors below 32 MB for reuse: hundreds of megabytes after a network was loaded.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


def release_library_code() -> None:
    """Release the pages of libraries' code from this process's resident memory; call between two stages.

    Up to 200 MB of code become resident, mostly torch's and mostly by imports alone. Code is never written to, so
    nothing is lost: pages that run again are mapped from the system's copy of the file.
    """
    forget = _forget()
    if forget is not None:
        for start, size in library_code():
            forget(start, size, MADV_DONTNEED)


def library_code() -> list[tuple[int, int]]:
    """Address and length of each range of libraries' code; empty where the system has no /proc/self/maps."""
    try:
        lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
    except OSError:
        return []
    ranges = []
    for line in lines:
        place, rights, rest = line.split(maxsplit=2)
        if rights == "r-xp" and ".so" in rest.rpartition("/")[2]:  # other ranges may hold relocations
            start, end = (int(address, 16) for address in place.split("-"))
            ranges.append((start, end - start))
    return ranges


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
