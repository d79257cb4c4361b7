"""Time and peak memory of whole conversions against the length of the audio."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.measure import child
from bench.measure.workload import Workload, speech

ORIGINAL_UP_TO = 120.0  # seconds; beyond it the original takes minutes and many gigabytes


def measure(
    who: str, lengths: Sequence[float], command: Callable[[Workload], list[str]], kind: str, threads: int, scratch: Path
) -> dict[str, Any]:
    """{"who", "points": [[seconds of audio, [MiB, …], [seconds, …]], …]}; the shortest length runs twice."""
    points = []
    turns = [min(lengths), *lengths]
    for length in tqdm(turns, desc=f"memory of {who}", unit="run", disable=None):
        work = Workload(speech(length, scratch), length, kind, threads=threads)
        done = child.run(command(work), threads=threads)
        points.append((length, done.peak_mib, done.seconds))
    return {
        "who": who,
        "points": [
            [length, [m for at, m, _ in points if at == length], [round(s, 3) for at, _, s in points if at == length]]
            for length in sorted(set(lengths))
        ],
    }
