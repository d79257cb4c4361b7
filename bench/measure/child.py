"""Programs in processes of their own: run whole and accounted for by the operating system, or asked turn by turn."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

WEIGH = Path(__file__).with_name("child_cost.py")


class ChildFailed(RuntimeError):
    """The timed command did not end well; what it timed means nothing."""


@dataclass(frozen=True)
class Run:
    """One finished process. `report` is the JSON object it printed, if it printed one."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    report: Mapping[str, Any]


def run(command: Sequence[str], *, threads: int = 2, environment: Mapping[str, str] | None = None) -> Run:
    """Run `command` to its end; import, loading and exit are part of what is timed.

    raises ChildFailed with the end of its stderr when it exits non-zero
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.NamedTemporaryFile() as cost:
        weighed = [sys.executable, "-I", "-S", str(WEIGH), cost.name, *command]
        env = surroundings(threads, environment)
        done = subprocess.run(weighed, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env, check=False)
        out.seek(0)
        err.seek(0)
        if done.returncode:
            raise ChildFailed(complaint(command, done.returncode, err.read()))
        text = out.read().decode(errors="replace").strip()
        seconds, cpu, peak = cost.read().split()
    return Run(float(seconds), float(cpu), _mib(int(peak)), _last_object(text))


class Server:
    """A program that says one JSON line when it is ready and answers each line with one: timed in turns with others."""

    def __init__(self, command: Sequence[str], *, threads: int = 2) -> None:
        """raises ChildFailed when it ends before it is ready."""
        self.command = command
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the program)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=surroundings(threads)
        )
        self.peak_mib = 0.0
        try:
            self.ready = self._answer()
        except ChildFailed:
            self.__exit__(None, None, None)
            raise

    def ask(self, words: object) -> dict[str, Any]:
        """Its answer to one line; raises ChildFailed when it has ended instead."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # what it says of its end is on its stderr
            self.process.stdin.write(f"{words}\n".encode())
            self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise ChildFailed(complaint(self.command, self.process.wait(), self.errors.read()))
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it; `peak_mib` is known afterwards, where the system tells it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.peak_mib = peak_mib(self.process.pid) or 0.0
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def surroundings(threads: int, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a timed process: so many threads, whatever library asks."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads)), **(more or {})}


def resident_mib(process: int | None = None) -> float | None:
    """MiB of this or another process in memory right now; None where the system does not tell it (other than Linux)."""
    try:
        pages = int(Path(f"/proc/{process or 'self'}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def complaint(command: Sequence[str], code: int, errors: bytes) -> str:
    """One sentence about a command that did not end well."""
    return f"`{' '.join(command)}` ended with exit code {code}: {errors.decode(errors='replace')[-800:]}"


def peak_mib(process: int) -> float | None:
    """The most MiB that a living process had in memory since its program began; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None


def _mib(maxrss: int) -> float:
    return maxrss / 1024 / (1024 if sys.platform == "darwin" else 1)


def _last_object(text: str) -> Mapping[str, Any]:
    start = text.find("{")
    if start < 0:
        return {}
    try:
        value = json.loads(text[start:])
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
