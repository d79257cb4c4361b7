"""The lines of a reader's modules that a set of inputs reaches."""

import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from reliability.fuzz import attempt, guards
from reliability.fuzz.reader import Reader

INPUTS = 600  # kept inputs that are read once more; more reach hardly any further line
LONGEST = 180.0  # processor seconds after which no further input is read, because tracing makes a reader slow


def measure(reader: Reader, inputs: Iterable[bytes]) -> tuple[int, int]:
    """Read inputs in a forked process and count lines.

    Returns:
        The lines inside functions of `reader.modules` that were reached, and all of them.
    """
    total = {place for module in reader.modules for place in _lines(module)}
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        try:
            os.close(reading)
            reached = _reached(reader, list(inputs)[:INPUTS])
            os.write(writing, len(total & reached).to_bytes(8, "little"))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as result:
        covered = int.from_bytes(result.read(8), "little")
    os.waitpid(process, 0)
    return covered, len(total)


def _reached(reader: Reader, inputs: list[bytes]) -> set[tuple[str, int]]:
    """(file, line) that reading the inputs reaches, in this process."""
    files = {str(importlib.import_module(module).__file__) for module in reader.modules}
    places: set[tuple[str, int]] = set()

    def in_function(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            places.add((frame.f_code.co_filename, frame.f_lineno))
        return in_function

    def at_call(frame: FrameType, _event: str, _: Any) -> Any:
        return in_function if frame.f_code.co_filename in files else None

    folder = Path(tempfile.mkdtemp())
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    try:
        tries = attempt.Attempts(reader, folder, guards.Guard(Path(tempfile.gettempdir())))
        tries.warm_up()
        sys.settrace(at_call)
        for data in inputs:
            tries.run(data)
            if time.process_time() > LONGEST:
                break
    finally:
        sys.settrace(None)
        shutil.rmtree(folder, ignore_errors=True)
    return places


def _lines(module: str) -> Iterator[tuple[str, int]]:
    """(file, line) of every statement inside a function of a module."""
    path = str(importlib.import_module(module).__file__)
    code = compile(Path(path).read_text(encoding="utf-8"), path, "exec")
    yield from _inside(code, path, is_function=False)


def _inside(code: CodeType, path: str, is_function: bool) -> Iterator[tuple[str, int]]:
    if is_function:
        first = code.co_firstlineno
        yield from ((path, line) for _, _, line in code.co_lines() if line is not None and line != first)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _inside(constant, path, bool(constant.co_flags & 2))  # CO_NEWLOCALS: a function, no class body
