"""Does what is timed compute what the original computes? The original's trace of the same voice, files and options,
and ours judged beside it stage by stage, by the judge of `nox -s parity`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.measure import child
from bench.measure.workload import Workload


def measure(work: Workload, original: str, checkout: Path | None, scratch: Path) -> dict[str, Any]:
    """{"state", "sentence", "counts"} of the verdict; raises ChildFailed when there is none."""
    trace = scratch / "original.safetensors"
    where = ["--original", original, *(["--checkout", str(checkout)] if checkout else [])]
    python = [sys.executable, "-m"]
    heard = [*python, "reference.run_live", str(work.audio), str(trace), *where, *work.common()]
    child.run(heard, threads=work.threads)
    command = [*python, "parity", "live", "--json", "--trace", str(trace), *work.weights()]
    done = subprocess.run(command, capture_output=True, env=child.surroundings(work.threads), check=False)
    if done.returncode not in (0, 1):
        raise child.ChildFailed(child.complaint(command, done.returncode, done.stderr))
    verdict = json.loads(done.stdout)
    return {"seconds_of_audio": work.seconds, **{name: verdict[name] for name in ("state", "sentence", "counts")}}
