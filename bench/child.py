"""A command run as a whole process, accounted for by the operating system: seconds, processor seconds, peak memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), **(environment or {})}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            tail = err.read().decode(errors="replace")[-800:]
            raise ChildFailed(f"`{' '.join(command)}` ended with exit code {process.returncode}: {tail}")
        text = out.read().decode(errors="replace").strip()
    kib = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Run(seconds, usage.ru_utime + usage.ru_stime, kib / 1024, _last_object(text))


def _last_object(text: str) -> Mapping[str, Any]:
    start = text.find("{")
    if start < 0:
        return {}
    try:
        value = json.loads(text[start:])
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
