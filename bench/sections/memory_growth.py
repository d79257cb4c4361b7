"""The sections growth-ours and growth-original: time and peak memory of complete conversions against length."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.measure import child
from bench.measure.workload import Workload, speech

LONGEST_FOR_ORIGINAL = 120.0  # seconds of audio; beyond it the original takes minutes and many gigabytes


def measure(
    who: str, lengths: Sequence[float], command: Callable[[Workload], list[str]], kind: str, threads: int, scratch: Path
) -> dict[str, Any]:
    """Convert audio of each length.

    Args:
        who: name of the program.
        lengths: seconds of audio; the shortest runs twice, which gives the spread.
        command: the command for a workload.
        kind: kind of synthetic voice.
        threads: threads of each process.
        scratch: folder of inputs and outputs.
    Returns:
        `who`, and `points`: [seconds of audio, [peak MiB, …], [seconds, …]] for each length.
    """
    points = []
    runs = [min(lengths), *lengths]
    for length in tqdm(runs, desc=f"memory of {who}", unit="run", disable=None):
        workload = Workload(speech(length, scratch), length, kind, threads=threads)
        done = child.run(command(workload), threads=threads)
        points.append((length, done.peak_mib, done.seconds))
    return {
        "who": who,
        "points": [
            [length, [m for at, m, _ in points if at == length], [round(s, 3) for at, _, s in points if at == length]]
            for length in sorted(set(lengths))
        ],
    }
