"""A long stream through `python -m rvc stream`: does its memory stay flat, and is every sample there?"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import soundfile
from tqdm import tqdm

from bench.judge.verdict import Interval, drift
from bench.measure import child
from bench.measure.workload import Workload, speech
from bench.sections.live import MIX, RATE
from rvc.realtime.block_sizes import BlockSizes

LOOK = 1.0  # seconds between two looks at the process's memory
LOADING = 0.15  # of the looks: while networks load and kernels are compiled, memory rises


def measure(seconds: float, precision: str, threads: int, scratch: Path) -> dict[str, Any]:
    """MiB in memory along the stream, its rise per minute of sound, and samples out beside samples promised."""
    sound, out = speech(seconds, scratch, RATE), scratch / "stream.wav"
    work = Workload(sound, seconds, index_rate=0.0, threads=threads)
    words = [*work.files(), "--precision", precision, "--threads", str(threads), *MIX]
    command = [sys.executable, "-m", "rvc", "stream", str(sound), str(out), *words, "--json"]
    resident, wall = watched(command, threads, f"a stream of {seconds:g} s, {precision}")
    sizes = BlockSizes.of(RATE)
    promised = sizes.blocks(round(seconds * RATE)) * sizes.block
    per_minute = rise(resident, seconds)
    return {
        "seconds": seconds,
        "precision": precision,
        "wall_seconds": wall,
        "rss_mib": resident,
        "mib_per_minute": vars(per_minute),
        "samples": soundfile.info(out).frames,
        "promised_samples": promised,
    }


def rise(resident: list[float], seconds: float) -> Interval:
    """MiB per minute of sound, from looks spread evenly over `seconds` of it; the first of them are left out."""
    found = drift(resident, warm=round(len(resident) * LOADING))
    scale = len(resident) / (seconds / 60)
    return Interval(found.low * scale, found.middle * scale, found.high * scale, found.confidence)


def watched(command: list[str], threads: int, what: str) -> tuple[list[float], float]:
    """(MiB in memory at every look, seconds) of a command run to its end; raises ChildFailed for a bad one."""
    resident: list[float] = []
    start = time.perf_counter()
    with tempfile.TemporaryFile() as err, tqdm(desc=what, unit="look", disable=None) as bar:
        env = child.surroundings(threads)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err, env=env)
        while process.poll() is None:
            now = child.resident_mib(process.pid)
            if now:
                resident.append(now)
            bar.update()
            time.sleep(LOOK)
        if process.returncode:
            err.seek(0)
            raise child.ChildFailed(child.complaint(command, process.returncode, err.read()))
    return resident, time.perf_counter() - start
