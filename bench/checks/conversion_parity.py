"""The section parity: whether the timed conversion computes what the original computes.

The original's trace of the same voice, input and options is judged against rvc by the judge of `nox -s parity`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.measure import child
from bench.measure.workload import Workload


def measure(workload: Workload, original: str, checkout: Path | None, scratch: Path) -> dict[str, Any]:
    """Record the original and judge rvc.

    Returns:
        `seconds_of_audio`, and `state`, `sentence` and `counts` of the verdict.
    Raises:
        ChildFailed: the original failed, or the judge gave no verdict.
    """
    trace = scratch / "original.safetensors"
    where = ["--original", original, *(["--checkout", str(checkout)] if checkout else [])]
    python = [sys.executable, "-m"]
    record = [*python, "reference.run_live", str(workload.audio), str(trace), *where, *workload.common_options()]
    child.run(record, threads=workload.threads)
    command = [*python, "parity", "live", "--json", "--trace", str(trace), *workload.weight_options()]
    done = subprocess.run(command, capture_output=True, env=child.environment(workload.threads), check=False)
    if done.returncode not in (0, 1):
        raise child.ChildFailed(child.failure_message(command, done.returncode, done.stderr))
    verdict = json.loads(done.stdout)
    return {"seconds_of_audio": workload.seconds, **{name: verdict[name] for name in ("state", "sentence", "counts")}}
