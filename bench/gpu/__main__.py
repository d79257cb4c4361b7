"""Measure on a GPU machine without a network: pack a folder for it, try the folder here, and import its results.

python -m bench.gpu --pack DIR [--checkout WEBUI] [--python 3.12]
python -m bench.gpu --dry-run [--checkout WEBUI]
python -m bench.gpu --import RESULTS

--pack writes code, goldens, packages and the original in at most 50 MB; `run.sh` in it measures within 6 minutes.
--dry-run packs for the interpreter here into a temporary folder and runs the same script on the processor; its results
are written to out/gpu/.
--import writes the table of docs/performance.md, bench/results/ and the spread of the original on that card.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.gpu import bare, import_results, on_machine, pack
from bench.gpu.packages import PackError
from bench.measure.workload import ROOT
from parity.judge import limits

PYTHON = "3.12"  # version of Python in images with a CUDA build of torch
TRIAL_RESULTS = ROOT / "out" / "gpu"  # folder of the dry run's results
PINNED = "parity/data/manifest.json pins spread.json: run `rvc-parity manifest --write`, and commit both together"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done; 1: a part of the dry run failed; 2: refused."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--pack", type=Path, metavar="DIR", help="the folder to write")
    task.add_argument("--dry-run", action="store_true", help="pack and run here, on the processor")
    task.add_argument("--import", type=Path, metavar="RESULTS", dest="results", help="results.json of a run")
    parser.add_argument("--checkout", type=Path, metavar="WEBUI", help="the original; without it none is packed")
    parser.add_argument("--python", default=PYTHON, help=f"version of Python on that machine (default {PYTHON})")
    options = parser.parse_args(arguments)
    try:
        if options.results is not None:
            written = import_results.write(options.results)
            for path in written:
                print(path)
            if limits.SPREAD in written:
                print(PINNED)
            return 0
        if options.pack is not None:
            print(pack.write(options.pack.resolve(), options.checkout, options.python).sentence())
            return 0
        return dry_run(options.checkout)
    except PackError as error:
        print(error, file=sys.stderr)
        return 2


def dry_run(checkout: Path | None) -> int:
    """Pack into a temporary folder, and run its script with an interpreter that has torch and nothing else.

    Packages are compressed quickly, so that the whole takes less than 5 minutes on two processors.
    """
    here = ".".join(map(str, sys.version_info[:2]))
    with tempfile.TemporaryDirectory(prefix="rvc-gpu-") as name:
        folder = Path(name) / "pack"
        print(pack.write(folder, checkout, here, is_trial=True).sentence(), flush=True)
        python = bare.interpreter(Path(name) / "bare")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "RVC_"))}
        command = [str(folder / "run.sh"), "--device", "cpu", "--trial", "--out", str(TRIAL_RESULTS)]
        signal.signal(signal.SIGTERM, on_machine.leave)
        process = subprocess.Popen(command, env={**kept, "PYTHON": str(python)}, cwd=name)
        try:
            return process.wait()
        finally:  # also where this program is ended
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
