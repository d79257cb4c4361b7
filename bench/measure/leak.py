"""Resident memory after each of many conversions in one process.

python -m bench.measure.leak IN RUNS --model voice.pth --hubert DIR

Further options: --rmvpe FILE, --index FILE and --index-rate R.
"""

import argparse
import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench.measure import child
from bench.measure.workload import Workload
from rvc.weights.memory import trim_heap

RUNS = 18  # conversions; `drift` leaves out the first three


def resident(workload: Workload, runs: int = RUNS) -> list[float]:
    """Resident MiB after each of `runs` conversions, in a new process."""
    command = [sys.executable, "-m", "bench.measure.leak", str(workload.audio), str(runs), *workload.voice_options()]
    return [float(value) for value in child.run(command, threads=workload.threads).report["rss_mib"]]


def after_each(call: Callable[[], object], runs: int) -> list[float]:
    """Resident MiB after each of `runs` calls.

    Free memory is returned to the system before each measurement; otherwise leaked objects could fill free parts of the
    heap for many runs without increasing the resident memory.

    Raises:
        OSError: the system does not provide the resident memory.
    """
    resident_mib = []
    for _ in range(runs):
        call()
        gc.collect()
        trim_heap()
        now = child.resident_mib()
        if now is None:
            raise OSError("this system does not provide the resident memory of a process; measure leaks on Linux")
        resident_mib.append(now)
    return resident_mib


def main() -> int:
    """Print the measurements as JSON."""
    from rvc.api import load_voice

    parser = argparse.ArgumentParser(prog="python -m bench.measure.leak", description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("runs", type=int)
    for name in ("--model", "--hubert", "--rmvpe", "--index"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--index-rate", type=float, default=0.0)
    options = parser.parse_args()
    voice = load_voice(options.model, hubert=options.hubert, rmvpe=options.rmvpe, index=options.index)
    resident_mib = after_each(lambda: voice.convert(options.input, index_rate=options.index_rate), options.runs)
    print(json.dumps({"rss_mib": resident_mib}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
