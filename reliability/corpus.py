"""A folder of short recordings with and without an executor, with and without a killed worker: bytes and times.

python -m reliability.corpus --files 1000 --figures out/corpus.json

Exit code 0: all runs have written the same bytes. 1: one has not, or has failed.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile

from reliability.fuzz.targets.judge_files import ROOT
from reliability.soak import write_networks

RATE, SECONDS = 16000, 0.5  # Hz and seconds of a recording
RUNS = ("serial", "dask=1", "dask=2", "dask=4", "dask=1 killed", "dask=2 killed", "dask=4 killed")
KILLED = " killed"  # how a run ends of which one worker is killed when half of the files are there
WORKER = "spawn_main"  # in the command line of a process that Python's multiprocessing has started
POLL = 0.05  # seconds between two looks at the output folder
LONGEST = 3600.0  # seconds that a run may take


@dataclass(frozen=True)
class Row:
    """What one run needed.

    Attributes:
        run: a member of RUNS.
        files: the number of recordings.
        seconds, first: wall time, and that until the first output.
        cpu: processor seconds of all processes.
        load: processes of other programs that wanted a core, on average.
        killed: the files that were there when a worker was killed; None where none was.
        is_equal: whether the outputs are those of the first run.
    """

    run: str
    files: int
    seconds: float
    first: float
    cpu: float
    load: float
    killed: int | None
    is_equal: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the corpus, convert it in each way, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m reliability.corpus", description="A corpus on executors.")
    parser.add_argument("--files", type=int, default=1000, help=f"recordings of {SECONDS} s (default 1000)")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=RUNS, help="the runs, the first is the reference")
    parser.add_argument("--figures", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="rvc-corpus-") as name:
        folder = Path(name)
        write_networks(folder)
        write_recordings(folder / "in", options.files)
        expected: dict[str, str] = {}
        for run in options.runs:
            row, digests = convert(folder, run, options.files, expected)
            expected = expected or digests
            rows.append(row)
            print(line(row), flush=True)
    if options.figures:
        document = [asdict(row) for row in rows]
        options.figures.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(not all(row.is_equal for row in rows))


def write_recordings(folder: Path, count: int) -> None:
    """Tones of different pitches."""
    folder.mkdir()
    time_s = np.arange(int(RATE * SECONDS)) / RATE
    for number in range(count):
        tone = 0.3 * np.sin(2 * np.pi * (100 + number % 300) * time_s)
        soundfile.write(folder / f"{number:05}.wav", tone, RATE)


def convert(folder: Path, run: str, count: int, expected: dict[str, str]) -> tuple[Row, dict[str, str]]:
    """Convert the corpus once, into an empty folder and with an empty cache.

    Args:
        folder: holds the recordings, the voice and HuBERT.
        run: a member of RUNS.
        count: the number of recordings.
        expected: the digests of the first run; empty for it.
    Returns:
        the figures, and the digest of each output by its name.
    """
    out = folder / run.replace(" ", "-")
    executor = run.removesuffix(KILLED)
    given = ["--model", "voice.pth", "--hubert", "hubert", "--f0-method", "pm", "--threads", "1", "--json"]
    given += [] if executor == "serial" else ["--executor", executor]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RVC_CACHE": f"{out}.cache", "RVC_BACKEND": "fixed"}
    before, idle = os.times(), psutil.cpu_times()
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "rvc", "convert", "in", str(out), *given],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    first, killed = 0.0, None
    while process.poll() is None:
        time.sleep(POLL)
        there = len(list(out.glob("*.wav"))) if out.is_dir() else 0
        if there and not first:
            first = time.monotonic() - begin
        if run.endswith(KILLED) and killed is None and there >= count // 2:
            kill_a_worker(process.pid)
            killed = there
        if time.monotonic() - begin > LONGEST:
            process.kill()
    seconds, after = time.monotonic() - begin, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.glob("*.wav"))}
    is_equal = process.returncode == 0 and len(digests) == count and digests == (expected or digests)
    others = busy(psutil.cpu_times()) - busy(idle) - cpu
    return Row(run, count, seconds, first, cpu, others / seconds, killed, is_equal), digests


def busy(times: Any) -> float:
    """Seconds in which this machine computed, of all cores; `times` are psutil's."""
    return float(times.user + times.system + times.nice)


def kill_a_worker(command: int) -> None:
    """Kill the youngest of the worker processes of a command.

    Raises:
        RuntimeError: it has none.
    """
    children = psutil.Process(command).children(recursive=True)
    workers = [child for child in children if WORKER in " ".join(child.cmdline())]
    if not workers:
        raise RuntimeError(f"process {command} has no worker process")
    os.kill(max(workers, key=lambda child: child.create_time()).pid, signal.SIGKILL)


def line(row: Row) -> str:
    """The figures of a run as a line of text."""
    killed = "" if row.killed is None else f", a worker killed after {row.killed} files"
    return (
        f"{row.run:<14} {row.seconds:6.1f} s, first output after {row.first:.1f} s, {row.cpu:.1f} processor seconds, "
        f"others {row.load:.1f} cores{killed}; {'equal' if row.is_equal else 'NOT EQUAL'}"
    )


if __name__ == "__main__":
    sys.exit(main())
