"""Child processes: complete programs with their cost, and servers that answer requests one at a time."""

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

from bench.measure import other_load

COST_SCRIPT = Path(__file__).with_name("child_cost.py")


class ChildFailed(RuntimeError):
    """A timed command failed, so its time is not used."""


@dataclass(frozen=True)
class FinishedProcess:
    """The cost of a finished process.

    Attributes:
        seconds: wall time from start to exit.
        cpu_seconds: user and system time.
        peak_mib: peak of resident memory.
        report: the JSON object that the process printed; empty if it printed none.
        other_load: the part of all processors that other programs used meanwhile, 0 to 1.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    report: Mapping[str, Any]
    other_load: float = 0.0


def run(command: Sequence[str], *, threads: int = 2, variables: Mapping[str, str] | None = None) -> FinishedProcess:
    """Run a command to its end. Its time includes import, loading and exit.

    Args:
        command: program and arguments.
        threads: threads of numerical libraries.
        variables: further environment variables.
    Raises:
        ChildFailed: the exit code is not 0; the message has the end of stderr.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.NamedTemporaryFile() as cost:
        measured = [sys.executable, "-I", "-S", str(COST_SCRIPT), cost.name, *command]
        env = environment(threads, variables)
        before = other_load.busy_seconds()
        done = subprocess.run(measured, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env, check=False)
        after = other_load.busy_seconds()
        out.seek(0)
        err.seek(0)
        if done.returncode:
            raise ChildFailed(failure_message(command, done.returncode, err.read()))
        text = out.read().decode(errors="replace").strip()
        seconds, cpu, peak = cost.read().split()
    other = other_load.share(before, after, float(cpu), float(seconds))
    return FinishedProcess(float(seconds), float(cpu), _mib(int(peak)), _final_object(text), other)


class Server:
    """A program that prints one JSON line when it is ready, and then one JSON line in answer to each line on stdin.

    Attributes:
        ready: the first line.
        peak_mib: peak of resident memory, known after the end of the `with` block.
        cpu_seconds: user and system time of the last request, in steps of the system's clock (10 ms on Linux).
    """

    def __init__(self, command: Sequence[str], *, threads: int = 2, variables: Mapping[str, str] | None = None) -> None:
        """Start the program and wait until it is ready.

        Raises:
            ChildFailed: it ended before it was ready.
        """
        self.command = command
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment(threads, variables),
        )
        self.peak_mib = self.cpu_seconds = 0.0
        try:
            self.ready = self._answer()
        except ChildFailed:
            self.__exit__(None, None, None)
            raise

    def request(self, line: object) -> dict[str, Any]:
        """Send one line and return the answer.

        Raises:
            ChildFailed: the program ended.
        """
        assert self.process.stdin is not None
        before = processor_seconds(self.process.pid)
        with suppress(BrokenPipeError):  # _answer raises ChildFailed with stderr
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()
        answer = self._answer()
        self.cpu_seconds = processor_seconds(self.process.pid) - before
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise ChildFailed(failure_message(self.command, self.process.wait(), self.errors.read()))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the program and read its peak memory, 0 where the system does not provide it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.peak_mib = peak_mib(self.process.pid) or 0.0
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def processor_seconds(process: int) -> float:
    """User and system time of a running process; 0 where the system does not report it."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def environment(threads: int, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables of a timed process.

    All numerical libraries get the same number of threads, and rvc computes with the fixed order of backends.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {"RVC_BACKEND": "fixed", **os.environ, **dict.fromkeys(names, str(threads)), **(more or {})}


def resident_mib(process: int | None = None) -> float | None:
    """Resident memory of a process in MiB, of this process by default; None on systems other than Linux."""
    try:
        pages = int(Path(f"/proc/{process or 'self'}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def failure_message(command: Sequence[str], code: int, errors: bytes) -> str:
    """The error message for a command with a nonzero exit code."""
    return f"`{' '.join(command)}` ended with exit code {code}: {errors.decode(errors='replace')[-800:]}"


def peak_mib(process: int) -> float | None:
    """Peak of the resident memory of a running process in MiB; None on systems other than Linux."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None


def _mib(maxrss: int) -> float:
    """MiB of `ru_maxrss`, which is in KiB on Linux and in bytes on macOS."""
    return maxrss / 1024 / (1024 if sys.platform == "darwin" else 1)


def _final_object(text: str) -> Mapping[str, Any]:
    """The JSON object that begins at the first brace and ends the output; empty where there is none."""
    start = text.find("{")
    if start < 0:
        return {}
    try:
        value = json.loads(text[start:])
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
