"""Make an input that causes a defect small, by delta debugging: cut pieces while the signature stays."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from reliability.fuzz import attempt, guards, worker
from reliability.fuzz.mutation import bundles
from reliability.fuzz.reader import Kind, Reader

ATTEMPTS = 150  # readings of candidates for one defect
LONGEST = 20.0  # seconds of work on one defect


def signature(reader: Reader, data: bytes) -> str:
    """What an input causes, read in a forked process: a defect's signature, how the process ended, or ""."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            folder = Path(tempfile.mkdtemp())
            tempfile.tempdir = str(folder)
            attempts = attempt.Attempts(reader, folder, guards.Guard(folder))
            attempts.warm_up()
            guards.limit_memory(worker.MEMORY)
            outcome = attempts.run(data)
            os.write(writing, (outcome.signature if outcome.kind is Kind.DEFECT else "").encode()[:4000])
            os.chdir("/")
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as result:
        text = result.read().decode()
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    return text if code == 0 else f"exit code {code} in {reader.name}"


def minimize(reader: Reader, data: bytes) -> bytes:
    """The smallest input that is reached by cutting pieces and has the same signature."""
    wanted = signature(reader, data)
    if not wanted:
        return data
    budget, end = iter(range(ATTEMPTS)), time.monotonic() + LONGEST

    def fails(candidate: bytes) -> bool:
        is_left = next(budget, None) is not None and time.monotonic() < end
        return is_left and signature(reader, candidate) == wanted

    if not reader.is_bundle:
        return cut(data, fails)
    files = bundles.unpack(data)
    for name in sorted(files):
        rest = {other: content for other, content in files.items() if other != name}
        if rest and fails(bundles.pack(rest)):
            files = rest
    for name in sorted(files):
        files[name] = cut(files[name], lambda content, name=name: fails(bundles.pack(files | {name: content})))  # type: ignore[misc]
    return bundles.pack(files)


def cut(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """Remove pieces of half the length, then a quarter and so on, while `fails` holds."""
    length = len(data) // 2
    while length:
        place = 0
        while place < len(data):
            candidate = data[:place] + data[place + length :]
            if fails(candidate):
                data = candidate
            else:
                place += length
        length //= 2
    return data
