"""What the process of an adapter may use: memory, the size of a file, and no core files.

The memory is that of the process and its children, looked up while an answer is awaited; address space is no measure,
because a GPU's driver reserves hundreds of GiB of it. Where the system has no /proc (macOS, Windows) no limit is kept,
and the doctor reports that.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None  # type: ignore[assignment]

GIB = 1 << 30
LARGEST_FILE = 8 * GIB  # bytes; a choice
SHARE = 0.8  # of the machine's memory that an adapter may use unless the user chooses another limit; a choice
_PROC = Path("/proc")
_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container, cgroup v2: bytes, or "max"


@dataclass(frozen=True)
class Resources:
    """Limits of an adapter's process and its children.

    Attributes:
        memory: bytes in use by all of them together; None for no limit.
        file: bytes of the largest file that one of them may write; None for no limit.
        of: what the memory is a share of, for people; "" for a number that was chosen.
    """

    memory: int | None
    file: int | None = LARGEST_FILE
    of: str = ""

    @property
    def are_kept(self) -> bool:
        """Whether this system can keep the limits."""
        return (_PROC / "self" / "status").is_file() and hasattr(resource, "prlimit")

    def sentence(self) -> str:
        """The limits for the doctor."""
        if not self.are_kept:
            return "this system cannot limit an adapter's memory and files; run a stranger's in a container"
        amount = "any" if self.memory is None else self.of or f"{self.memory / GIB:g} GiB of"
        file = "files of any size" if self.file is None else f"files of at most {self.file / GIB:g} GiB"
        return f"{amount} memory, children included; {file}; no core files"

    def impose(self, process: int) -> None:
        """Limit the files of a process that has just started, and of its later children."""
        if not self.are_kept:
            return
        with contextlib.suppress(OSError):  # it has ended already
            resource.prlimit(process, resource.RLIMIT_CORE, (0, 0))
            if self.file is not None:
                _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
                most = self.file if hard == resource.RLIM_INFINITY else min(self.file, hard)
                resource.prlimit(process, resource.RLIMIT_FSIZE, (most, hard))

    def excess(self, process: int) -> int | None:
        """The bytes in use by a process and its children where they exceed the limit; None where they do not."""
        if self.memory is None or not self.are_kept:
            return None
        used = sum(map(_private_bytes, members(process)))
        return used if used > self.memory else None


def default() -> Resources:
    """The limits unless the user chooses others: SHARE of the machine's memory, or of the container's."""
    memory = machine_memory()
    return Resources(int(SHARE * memory) if memory else None, of=f"{100 * SHARE:g} % of this machine's")


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container that this process runs in; 0 where that is unknown."""
    try:
        most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0
    with contextlib.suppress(OSError, ValueError):
        most = min(most, int(_GROUP_LIMIT.read_text(encoding="ascii")))
    return most


def members(leader: int) -> Iterator[int]:
    """The processes of the session that a process leads; an adapter is started as the leader of one."""
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if int(fields[3]) == leader:  # state, parent, group, session
                    yield int(folder.name)


def _private_bytes(process: int) -> int:
    """Bytes that a process holds and that are no mapped file; 0 where it has ended."""
    with contextlib.suppress(OSError):
        lines = (_PROC / str(process) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return sum(int(fields.get(name, "0").split()[0]) << 10 for name in ("RssAnon", "RssShmem"))
    return 0


def end(process: subprocess.Popen[str]) -> None:
    """Kill an adapter with its children, and wait for it."""
    if hasattr(os, "killpg"):  # not on Windows
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
