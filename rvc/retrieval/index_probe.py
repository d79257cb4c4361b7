"""Open a faiss index of any kind in a child process, search it and read its vectors back, as a conversion would.

For some kinds and some damaged files, faiss ends the process that opens them. The index is therefore opened in a child
process, and the end of the child becomes an error message.
The child runs `python -m rvc.retrieval.index_probe FILE` and prints one line of JSON for each step.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rvc.errors import BadInput, printable
from rvc.retrieval import index_file, index_reading
from rvc.retrieval.index_file import UnusableIndex

LONGEST = 120  # seconds that a child may run; a choice
QUERIES = 64  # stored vectors that the child searches for
NEIGHBORS = 8  # neighbors of each query, as in `rvc.retrieval.search`
MEMORY = 8 << 30  # bytes of address space that a child may use beside eight times the file's size
STEPS = {"open": "opens it", "read": "reads its vectors", "search": "searches it"}


@dataclass(frozen=True)
class Ending:
    """How a child process ended.

    Attributes:
        code: its exit code, or the negative number of the signal that ended it.
        output: what it printed on stdout.
    """

    code: int
    output: bytes


def probe(path: Path, description: str) -> dict[str, Any]:
    """Open an index in a child process.

    Args:
        path: the file.
        description: the kind of index in words, for messages.
    Returns:
        `kind` (the names of faiss's classes), `width`, `total`, `metric`, `lists`, `probes`, `is_trained`, `absent`
        (vectors in no list), `irregular` (those that are absent or hold NaN or infinity) and `problems`.
    Raises:
        BadInput: faiss cannot read or search the file, or ends the process.
    """
    about = path.stat()
    return _probe(path.resolve(), path.name, description, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=64)
def _probe(path: Path, name: str, description: str, changed: int, size: int) -> dict[str, Any]:
    try:
        ended = run_child(path)
    except subprocess.TimeoutExpired:
        raise BadInput(
            f"{name} is {description}, and faiss does not finish with it in {LONGEST} s; {index_file.BUILD_AGAIN}"
        ) from None
    except OSError as error:
        raise BadInput(f"{name} is {description}, which is checked in a child process: {error.strerror}") from error
    lines = [json.loads(line) for line in ended.output.splitlines() if line.startswith(b"{")]
    last: dict[str, Any] = lines[-1] if lines else {"step": "open"}
    if ended.code == 0 and "width" in last:
        return last
    if "refusal" in last:
        raise UnusableIndex(f"{name} {last['refusal']}")
    reason = last.get("error") or _ending(ended.code)
    raise UnusableIndex(
        f"{name} is {description}, and faiss fails when it {STEPS[last['step']]} ({printable(reason)}); "
        f"{index_file.BUILD_AGAIN}"
    )


def run_child(path: Path) -> Ending:
    """Open an index in a new Python process.

    Raises:
        subprocess.TimeoutExpired: it runs for more than `LONGEST` seconds.
        OSError: it cannot be started.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "rvc.retrieval.index_probe", str(path)]
    done = subprocess.run(command, capture_output=True, timeout=LONGEST, env=environment, check=False)
    return Ending(done.returncode, done.stdout)


def forget() -> None:
    """Forget the results so far, so that the next `probe` opens each index again."""
    _probe.cache_clear()


def _ending(code: int) -> str:
    """How a child ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"it crashes with {signal.Signals(-code).name}"
    except ValueError:
        return f"it crashes with signal {-code}"


def main(path: Path) -> int:
    """Run the child: print each step before it is done, and the facts at the end."""
    _limit_memory(8 * path.stat().st_size + MEMORY)
    step = "open"
    print(json.dumps({"step": step}), flush=True)
    try:
        index, _owner = index_reading.open_index(path)
        facts = index_reading.facts(index)
        step = "read"
        print(json.dumps({"step": step}), flush=True)
        vectors = index_reading.all_vectors(index)
        facts["irregular"] = facts["absent"] + index_file.irregular(vectors)
        step = "search"
        print(json.dumps({"step": step}), flush=True)
        if len(vectors) and not facts["problems"]:  # refused otherwise
            index_reading.nearest(index, vectors[:: max(len(vectors) // QUERIES, 1)].copy(), NEIGHBORS)
    except BadInput as refusal:
        print(json.dumps({"step": step, "refusal": str(refusal)}), flush=True)
        return 1
    except index_reading.FAISS_ERRORS as error:
        print(json.dumps({"step": step, "error": index_reading.short_reason(error)}), flush=True)
        return 1
    print(json.dumps(facts), flush=True)
    return 0


def _limit_memory(count: int) -> None:
    """Limit the address space of this process where the system can, so that a false size is an error at once."""
    try:
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (count, count))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main(Path(sys.argv[1])))
