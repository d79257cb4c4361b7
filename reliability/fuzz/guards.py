"""Detect what no reader of a file may do: start a program, open a connection, write outside its folder.

Python calls an audit hook (PEP 578) at each of these operations. A hook cannot be removed from a process, so that it is
added once and acts only while a reader runs.
"""

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

FORBIDDEN = (  # events of docs.python.org/3/library/audit_events.html, by their beginning
    "socket.",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "pty.spawn",
    "ctypes.dlopen",
    "urllib.Request",
    "ftplib.",
    "smtplib.",
    "webbrowser.",
    "pickle.find_class",
)
WRITING = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "shutil.",
)
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
HARMLESS = ("/dev/null", "/proc/self/")
# Folders of installed libraries, which may be loaded when they are first needed.
INSTALLED = (sys.prefix, sys.base_prefix, "/lib", "/usr/lib", str(Path(__file__).resolve().parents[2]))


class Forbidden(BaseException):
    """A reader did what it must not do; no `except Exception` of a reader catches it."""


class Guard:
    """The hook of one process.

    Attributes:
        folder: the only folder in which files may be written.
        violation: the first forbidden event since `watch` began; empty without one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self.violation = ""
        self._active = False
        sys.addaudithook(self._event)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Raise `Forbidden` at forbidden events inside the block."""
        self.violation, self._active = "", True
        try:
            yield
        finally:
            self._active = False

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Permit everything inside the block, for what the campaign itself does while a reader runs."""
        before, self._active = self._active, False
        try:
            yield
        finally:
            self._active = before

    def _event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._active:
            return
        if event == "ctypes.dlopen" and (arguments[0] is None or str(arguments[0]).startswith(INSTALLED)):
            return  # None: the process itself
        if event == "pickle.find_class" and _is_compiler_cache(sys._getframe(1)):
            return
        if event.startswith(FORBIDDEN) and event != "socket.__new__":
            self._refuse(f"{event} {arguments[:1]!r}")
        elif event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & WRITE_FLAGS)
            if writes and not isinstance(path, int):
                self._refuse_outside(event, path)
        elif event.startswith(WRITING):
            for path in arguments[:2]:
                if isinstance(path, str | bytes | os.PathLike):
                    self._refuse_outside(event, path)

    def _refuse_outside(self, event: str, path: Any) -> None:
        text = os.path.realpath(os.fsdecode(path))
        is_cache = "__pycache__" in text and text.startswith(
            INSTALLED
        )  # of a library that compiles when it is imported
        if not is_cache and not text.startswith((self.folder, *HARMLESS)):
            self._refuse(f"{event} of {text}")

    def _refuse(self, what: str) -> None:
        self.violation = self.violation or what
        raise Forbidden(what)


def _is_compiler_cache(caller: FrameType | None) -> bool:
    """Whether numba reads its own cache of compiled functions, which it fills beside its users' modules."""
    frame = caller
    while frame is not None and not frame.f_code.co_filename.endswith("numba/core/caching.py"):
        frame = frame.f_back
    return frame is not None


def limit_memory(more: int) -> None:
    """Limit the address space of this process to what it has now and `more` bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + more, resource.getrlimit(resource.RLIMIT_AS)[1]))


@contextmanager
def more_memory(more: int) -> Iterator[None]:
    """Raise the limit of `limit_memory` by `more` bytes inside the block; without a limit nothing changes."""
    limit, highest = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (limit + more, highest))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (limit, highest))
