"""Run the parts of a packed folder on this machine, each with a time limit, and save the results after each part.

python -m bench.gpu.on_machine --pack DIR --started SECONDS [--device cuda] [--out DIR] [--trial]

`run.sh` of a packed folder starts it. results.json holds machine, and for each part its state, seconds and result.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch

from bench.gpu.pack import ABOUT
from bench.gpu.parts import FULL, REDUCED, TOTAL, Part, parts, trial
from bench.measure import unit

FORMAT = "rvc-gpu/1"
RESULTS = "results.json"
MESSAGE = 1500  # characters of stderr that are kept
RESERVED = 5.0  # seconds for the end of the last part and the last results
TERMINATED = 128 + signal.SIGTERM  # exit code, as a shell states it


class State(StrEnum):
    """How a part ended."""

    DONE = "done"
    FAILED = "failed"
    OUT_OF_TIME = "out of time"
    NOT_MEASURED = "not measured"


def machine(device: str) -> dict[str, Any]:
    """Card, driver, libraries and processor."""
    facts: dict[str, Any] = {"device": device, "card": unit.facts().get("model name", platform.machine())}
    facts |= {"python": platform.python_version(), "torch": torch.__version__, "processors": os.cpu_count()}
    command = [sys.executable, "-m", "reference.recording.environment", device]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    facts |= json.loads(answer)
    return facts


def run_part(part: Part, left: float, log: Path) -> dict[str, Any]:
    """Run one part to its end or its limit.

    Args:
        part: the part.
        left: seconds until the whole run has to end.
        log: receives what the part prints.
    Returns:
        `state`, `seconds`, and `result`, `message` where there is one.
    """
    if part.absent is not None:
        return {"state": State.NOT_MEASURED, "seconds": 0.0, "message": part.absent}
    limit, start = min(part.limit, left), time.monotonic()
    if limit < 1:
        return {"state": State.OUT_OF_TIME, "seconds": 0.0, "message": "the run has no time left for it"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            part.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code: int | None = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:  # also where this run itself is ended
            end(process)
    answer: dict[str, Any] = {"seconds": time.monotonic() - start}
    if code is None:
        answer |= {"state": State.OUT_OF_TIME, "message": f"ended after its {limit:.0f} s"}
    elif code in part.accepted:
        answer |= {"state": State.DONE}
    else:
        text = log.read_text(encoding="utf-8", errors="replace")[-MESSAGE:]
        answer |= {"state": State.FAILED, "message": f"exit code {code}: {text}"}
    return answer | read_result(part)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a part with every process that it started, if some still run."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def leave(*_: object) -> None:
    """Leave the program; `run_part` ends the part that runs."""
    sys.exit(TERMINATED)


def read_result(part: Part) -> dict[str, Any]:
    """The part's result; of a verdict, what the table of the performance page states."""
    if part.result is None or not part.result.is_file():
        return {}
    try:
        document = json.loads(part.result.read_text(encoding="utf-8"))
    except ValueError:
        return {"message": f"{part.result.name} is no JSON"}
    return {"result": of_verdict(document) if part.result.name == "verdict.json" else document}


def of_verdict(document: Mapping[str, Any]) -> dict[str, Any]:
    """State, sentence, counts and failures of a verdict, without its cells."""
    return {name: document[name] for name in ("state", "sentence", "counts", "failures", "seconds")}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: every part is done or has nothing to measure; 1: some are not; 2: there is no such device."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.on_machine", description=__doc__.split("\n")[0])
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--started", type=float, default=time.time())
    parser.add_argument("--device", choices=REDUCED, default="cuda")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--trial", action="store_true", help="short sounds: tries the script only")
    parser.add_argument("--limit", type=float, default=TOTAL, help="seconds after which everything is ended (360)")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        lack = f"torch {torch.__version__} finds no CUDA device here"
        print(f"{lack}; run.sh --device cpu --trial tries the script", file=sys.stderr)
        return 2
    out = (options.out or options.pack / "results").resolve()
    out.mkdir(parents=True, exist_ok=True)
    about = json.loads((options.pack / ABOUT).read_text(encoding="utf-8"))
    results: dict[str, Any] = {
        "format": FORMAT,
        "measured": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": about["commit"],
        "trial": options.trial,
        "machine": machine(options.device),
        "parts": {},
    }
    lengths = trial(about) if options.trial else FULL
    total = options.limit * lengths.limit_factor
    signal.signal(signal.SIGTERM, leave)
    *first, last = parts(options.pack.resolve(), about, options.device, out, lengths)
    for part in (*first, replace(last, limit=total)):  # the last part gets all the time left
        left = options.started + total - RESERVED - time.time()
        answer = run_part(part, left, out / f"{part.name.replace(' ', '-')}.log")
        results["parts"][part.name] = answer
        results["seconds"] = time.time() - options.started
        save(results, out / RESULTS)
        print(f"{part.name}: {answer['state']} in {answer['seconds']:.0f} s {answer.get('message', '')}", flush=True)
    print(f"{out / RESULTS}: {results['seconds']:.0f} s in all")
    return 0 if all(one["state"] in (State.DONE, State.NOT_MEASURED) for one in results["parts"].values()) else 1


def save(results: Mapping[str, Any], path: Path) -> None:
    """Write the results so far by one rename."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


if __name__ == "__main__":
    sys.exit(main())
