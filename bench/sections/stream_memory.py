"""The section stream: growth of memory and number of samples in a long run of `rvc stream`."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import soundfile
from tqdm import tqdm

from bench.judge.intervals import Interval, drift
from bench.measure import child
from bench.measure.workload import Workload, speech
from bench.sections.realtime_blocks import RATE, STREAM_OPTIONS
from rvc.realtime.block_sizes import BlockSizes

SAMPLING_SECONDS = 1.0  # seconds between two measurements of the resident memory
# Share of the measurements that is left out at the beginning, because memory rises while networks are loaded.
LOADING_SHARE = 0.15


def measure(seconds: float, precision: str, threads: int, scratch: Path) -> dict[str, Any]:
    """Run a stream of `seconds` and return the section: resident MiB, its rise per minute of audio, and samples."""
    sound, out = speech(seconds, scratch, RATE), scratch / "stream.wav"
    workload = Workload(sound, seconds, index_rate=0.0, threads=threads)
    options = [*workload.voice_options(), "--precision", precision, "--threads", str(threads), *STREAM_OPTIONS]
    command = [sys.executable, "-m", "rvc", "stream", str(sound), str(out), *options, "--json"]
    resident, wall = monitor(command, threads, f"a stream of {seconds:g} s, {precision}")
    sizes = BlockSizes.of(RATE)
    expected = sizes.blocks(round(seconds * RATE)) * sizes.block
    per_minute = rise(resident, seconds)
    return {
        "seconds": seconds,
        "precision": precision,
        "wall_seconds": wall,
        "rss_mib": resident,
        "mib_per_minute": vars(per_minute),
        "samples": soundfile.info(out).frames,
        "promised_samples": expected,
    }


def rise(resident: list[float], seconds: float) -> Interval:
    """The rise of the resident memory in MiB per minute of audio.

    Args:
        resident: MiB, measured at equal intervals; the first LOADING_SHARE are left out.
        seconds: length of the audio.
    """
    per_measurement = drift(resident, warm=round(len(resident) * LOADING_SHARE))
    return per_measurement.scaled(len(resident) / (seconds / 60))


def monitor(command: list[str], threads: int, what: str) -> tuple[list[float], float]:
    """Run a command to its end.

    Returns:
        Resident MiB every SAMPLING_SECONDS, and the wall time in seconds.
    Raises:
        ChildFailed: the exit code is not 0.
    """
    resident: list[float] = []
    start = time.perf_counter()
    with tempfile.TemporaryFile() as err, tqdm(desc=what, unit="s", disable=None) as bar:
        env = child.environment(threads)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err, env=env)
        while process.poll() is None:
            now = child.resident_mib(process.pid)
            if now:
                resident.append(now)
            bar.update()
            time.sleep(SAMPLING_SECONDS)
        if process.returncode:
            err.seek(0)
            raise child.ChildFailed(child.failure_message(command, process.returncode, err.read()))
    return resident, time.perf_counter() - start
