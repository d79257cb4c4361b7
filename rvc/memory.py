"""Memory that was freed goes back to the system, so that the stages' peaks do not add up."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any


def give_back() -> None:
    """Let the allocator return what it keeps; call after a network was laid out or dropped, not in a loop.

    glibc keeps freed tensors below 32 MB for later, hundreds of megabytes of them after a network was loaded.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


def keep_no_kernels() -> None:
    """Have oneDNN make the code of a layer at each use instead of keeping it; call before its first layer is run.

    The code of a generator's layers in int8 is 45 MB, and making it anew takes a tenth of their time.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")


@cache
def _trim() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library
        return None
