"""Conversions one after another in one process, and what is in memory after each.

python -m bench.measure.leak IN RUNS --model voice.pth --hubert DIR [--rmvpe FILE] [--index FILE]
"""

import argparse
import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench.measure import child
from bench.measure.workload import Workload
from rvc.weights.memory import give_back

RUNS = 18


def resident(work: Workload, runs: int = RUNS) -> list[float]:
    """MiB in memory after each of `runs` conversions of `work` in a process of their own."""
    command = [sys.executable, "-m", "bench.measure.leak", str(work.audio), str(runs), *work.files()]
    return [float(value) for value in child.run(command, threads=work.threads).report["rss_mib"]]


def after_each(call: Callable[[], object], runs: int) -> list[float]:
    """MiB in memory after each of `runs` calls; raises OSError on a system that does not tell.

    What is free goes back to the system first: in a heap full of holes, what is kept would fill holes for many runs.
    """
    found = []
    for _ in range(runs):
        call()
        gc.collect()
        give_back()
        now = child.resident_mib()
        if now is None:
            raise OSError("this system does not say how much memory a process holds; measure leaks on Linux")
        found.append(now)
    return found


def main() -> int:
    """0 measured."""
    from rvc.api import load_voice

    parser = argparse.ArgumentParser(prog="python -m bench.measure.leak", description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("runs", type=int)
    for name in ("--model", "--hubert", "--rmvpe", "--index"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--index-rate", type=float, default=0.0)
    given = parser.parse_args()
    voice = load_voice(given.model, hubert=given.hubert, rmvpe=given.rmvpe, index=given.index)
    found = after_each(lambda: voice.convert(given.input, index_rate=given.index_rate), given.runs)
    print(json.dumps({"rss_mib": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
