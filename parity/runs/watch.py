"""Waiting for a change of files, for `--watch`."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from parity.errors import UsageError

PAUSE = 0.25  # seconds between two looks; a change counts when the files have been the same for one pause
_SKIPPED = ("__pycache__", "node_modules")  # folders that are not looked into, beside hidden ones

Stamps = Mapping[Path, tuple[int, int]]  # file → time of its last change in ns, size in bytes


def stamps(path: Path) -> Stamps:
    """The file, or every file below the folder that is neither hidden nor a cache.

    Raises:
        UsageError: there is no such path.
    """
    if not path.exists():
        raise UsageError(f"there is no {path} to watch; give a file or a folder, such as the program that is built")
    files = [path] if path.is_file() else [file for file in path.rglob("*") if _counts(file.relative_to(path))]
    return {file: stamp for file in files if (stamp := _stamp(file)) is not None}


def _counts(relative: Path) -> bool:
    return not any(part.startswith(".") or part in _SKIPPED for part in relative.parts)


def _stamp(file: Path) -> tuple[int, int] | None:
    """None for a folder and for a file that was removed meanwhile."""
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if file.is_file() else None


def wait_for_change(path: Path, before: Stamps, pause: Callable[[float], None] = time.sleep) -> Stamps:
    """Return the stamps as soon as they differ from `before` and have stayed the same for PAUSE.

    Args:
        path: a file or a folder; a file that is being replaced may be missing for a while.
        before: the stamps to compare with.
        pause: waits for some seconds.
    """
    last = before
    while True:
        pause(PAUSE)
        try:
            now = stamps(path)
        except UsageError:  # a build removes the program before it writes the new one
            continue
        if now != before and now == last:
            return now
        last = now
