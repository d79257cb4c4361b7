"""Draw the weights that a run needs into the cache, so that no other part waits for them."""

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.measure.workload import ROOT
from parity.goldens import store
from parity.voices import cache

MOST_PROCESSES = 8  # each holds one file of weights, up to 1.5 GiB while it is drawn
OF_BENCH = ("v2-40k-f0", "hubert", "rmvpe", "index-v2")


def names(goldens: Path) -> list[str]:
    """The weights of all goldens below a folder, and those of the measurements, the largest first."""
    needed = set(OF_BENCH)
    for case in map(store.open_case, store.cases(goldens)):
        needed |= {str(case.voice["kind"])}
        if index := case.voice.get("index"):
            needed.add(f"index-{index}")
    return sorted(needed, key=lambda name: (name not in ("hubert", "rmvpe"), name))


def main() -> int:
    """Draw them in as many processes as there are processors, eight at most, and print what was drawn as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.voices", description=main.__doc__)
    parser.add_argument("--pack", type=Path, default=ROOT.parent)
    goldens = parser.parse_args().pack / "code" / "goldens" / "cases"
    wanted = names(goldens)
    with ProcessPoolExecutor(min(os.cpu_count() or 1, MOST_PROCESSES)) as pool:
        list(pool.map(cache.path_of, wanted))
    print(json.dumps({"voices": wanted}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
