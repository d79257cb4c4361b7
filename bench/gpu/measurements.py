"""Speed and memory of `rvc` and the original on a device: conversions in one process each, and live blocks in turn.

python -m bench.gpu.measurements offline --seconds 30 --device cuda --checkout DIR --out FILE
python -m bench.gpu.measurements live --block 0.1 --context 1 --device cuda --checkout DIR --out FILE

The result is written again after each program, so that a part that is ended keeps what it measured.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.gpu.pack import ORIGINAL
from bench.gpu.parts import REDUCED
from bench.measure import child
from bench.measure.workload import Workload, speech
from bench.sections.realtime_blocks import BLOCKS_PER_TURN, RATE, STREAM_OPTIONS

THREADS = 2
Save = Callable[[dict[str, Any]], None]


def offline(options: argparse.Namespace, scratch: Path, save: Save) -> None:
    """Conversions of one length: the first one after the start of a process, then as many as `repeats`.

    The original runs before and after the programs of rvc.
    """
    workload = Workload(speech(options.seconds, scratch), options.seconds, threads=THREADS)
    result: dict[str, Any] = {"seconds_of_audio": options.seconds, "rows": {}, "not_measured": {}}
    for turn, name in enumerate(in_order(options)):
        row = result["rows"].setdefault(name, {"each": []})
        try:
            if name.startswith("rvc"):
                _convert_with_rvc(workload, options, name.partition(" ")[2], row)
            else:
                _convert_with_original(workload, options, name.partition(" ")[2] == "float16", row)
        except child.ChildFailed as failed:
            result["not_measured"][name] = str(failed)
            del result["rows"][name]
        save(summarized(result, turn + 1))


def in_order(options: argparse.Namespace) -> list[str]:
    """The programs in the order of their runs, such as "rvc float16" and "original float16"."""
    precisions = ("float32", REDUCED[options.device])
    of_rvc = [f"rvc {precision}" for precision in precisions]
    if options.checkout is None:
        return of_rvc
    of_original = [f"original {name}" for name in precisions if name != "bfloat16"]
    return [*of_original, *of_rvc, *(of_original if options.repeats > 1 else [])]


def summarized(result: dict[str, Any], turns: int) -> dict[str, Any]:
    """The result with medians and real-time factors, after some turns."""
    for row in result["rows"].values():
        totals = [each["total"] for each in row["each"]]
        row["seconds"] = median(totals)
        row["real_time_factor"] = row["seconds"] / result["seconds_of_audio"]
    return {**result, "turns": turns}


def _convert_with_rvc(workload: Workload, options: argparse.Namespace, precision: str, row: dict[str, Any]) -> None:
    command = [sys.executable, "-m", "bench.gpu.conversions_server", str(workload.audio), *workload.voice_options()]
    command += ["--device", options.device, "--precision", precision, "--threads", str(THREADS)]
    start = time.perf_counter()
    with child.Server(command, threads=THREADS) as server:
        first = server.request(1)
        row["first_conversion_seconds"] = time.perf_counter() - start
        answer = server.request(options.repeats)
    row["each"] += answer["each"]
    row["device_mib"] = answer["device_mib"]
    row["first"] = first["each"][0]


def _convert_with_original(workload: Workload, options: argparse.Namespace, half: bool, row: dict[str, Any]) -> None:
    command = workload.original_command(ORIGINAL, options.checkout)
    command += ["--device", options.device, "--plain-sound", "--repeat", str(options.repeats + 1)]
    command += [*(["--half"] if half else []), *(["--graphs"] if options.device == "cuda" else [])]
    report = child.run(command, threads=THREADS).report
    row["each"] += report["each"][1:]  # the first one loads and warms up
    row["device_mib"], row["first"] = report["device_mib"], report["each"][0]


def live(options: argparse.Namespace, scratch: Path, save: Save) -> None:
    """Live blocks of all programs in turn, each in a process of its own."""
    sound = speech(20.0, scratch, RATE)
    workload = Workload(sound, 0.0, index_rate=0.0, threads=THREADS)
    common = [str(sound), *workload.voice_options(), "--device", options.device, "--threads", str(THREADS)]
    common += ["--block-time", f"{options.block:g}", "--extra-time", f"{options.context:g}", *STREAM_OPTIONS]
    result: dict[str, Any] = {"block_seconds": options.block, "context_seconds": options.context}
    result |= {"rows": {}, "not_measured": {}}
    times: dict[str, list[float]] = {}
    with ExitStack() as stack:
        servers = {}
        for name in dict.fromkeys(in_order(options)):
            program, _, precision = name.partition(" ")
            if program == "rvc":
                command = [sys.executable, "-m", "bench.sections.realtime_server", *common, "--precision", precision]
            else:
                command = [sys.executable, "-m", "reference.run_blocks", *common, "--original", ORIGINAL]
                command += ["--checkout", str(options.checkout), "--plain-sound"]
                command += [*(["--half"] if precision == "float16" else [])]
                command += ["--graphs"] if options.device == "cuda" else []
            try:
                servers[name] = stack.enter_context(child.Server(command, threads=THREADS))
                servers[name].request(options.blocks_per_turn)
            except child.ChildFailed as failed:
                servers.pop(name, None)
                result["not_measured"][name] = str(failed)
        for turn in range(options.turns):
            for name in servers if turn % 2 == 0 else reversed(servers):
                answer = servers[name].request(options.blocks_per_turn)
                times.setdefault(name, []).extend(answer["ms"])
                result["rows"][name] = block_row(times[name], options.block) | {"device_mib": answer.get("device_mib")}
            save({**result, "turns": turn + 1})


def block_row(milliseconds: list[float], block: float) -> dict[str, Any]:
    """Percentiles in ms of the times of blocks, and how many took longer than a block lasts."""
    p50, p95, p99 = (float(value) for value in np.percentile(milliseconds, (50, 95, 99)))
    missed = sum(value > block * 1000 for value in milliseconds)
    return {"blocks": len(milliseconds), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "missed_deadlines": missed}


TASKS = {"offline": offline, "live": live}


def main() -> int:
    """Exit code 0: measured what could be; 1: nothing could."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.measurements", description=__doc__)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--device", choices=REDUCED, required=True)
    parser.add_argument("--checkout", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--block", type=float, default=0.25)
    parser.add_argument("--context", type=float, default=2.5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--blocks-per-turn", type=int, default=BLOCKS_PER_TURN)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    saved: dict[str, Any] = {"rows": {}}

    def save(result: dict[str, Any]) -> None:
        saved.update(result)
        fresh = options.out.with_suffix(".new")
        fresh.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        fresh.replace(options.out)

    with tempfile.TemporaryDirectory(prefix="rvc-gpu-") as scratch:
        TASKS[options.task](options, Path(scratch), save)
    for name, why in saved.get("not_measured", {}).items():
        print(f"{name}: {why}", file=sys.stderr)
    return 0 if saved["rows"] else 1


if __name__ == "__main__":
    sys.exit(main())
