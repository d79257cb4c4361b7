"""Speed and memory of `rvc` and the original on a device: conversions and live blocks in turn, each in its process.

python -m bench.gpu.measurements offline --seconds 30 --device cuda --checkout DIR --out FILE
python -m bench.gpu.measurements live --block 0.1 --context 1 --device cuda --checkout DIR --out FILE

The result is written again after each program, so that a part that is ended keeps what it measured.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    """Conversions of one length: the first one after the start of a process, then as many as `repeats` in turn."""
    workload = Workload(speech(options.seconds, scratch), options.seconds, threads=THREADS)
    result: dict[str, Any] = {"seconds_of_audio": options.seconds, "rows": {}, "not_measured": {}}
    commands = {name: _conversion_command(name, workload, options) for name in programs(options)}
    with ExitStack() as stack:
        servers = started(commands, stack, result["not_measured"])
        for name, (server, ready) in list(servers.items()):
            if (answer := _answer(servers, name, server, 1, result["not_measured"])) is not None:
                first = answer["each"][0]
                row = {"each": [], "first": first, "first_conversion_seconds": ready + first["total"]}
                result["rows"][name] = row
                save(summarized(result, 0))
        for turn in range(options.repeats):
            for name, (server, _) in list(servers.items()) if turn % 2 == 0 else list(reversed(servers.items())):
                if (answer := _answer(servers, name, server, 1, result["not_measured"])) is not None:
                    result["rows"][name]["each"] += answer["each"]
                    result["rows"][name]["device_mib"] = answer["device_mib"]
                    save(summarized(result, turn + 1))


Servers = dict[str, tuple[child.Server, float]]


def _answer(
    servers: Servers, name: str, server: child.Server, count: int, not_measured: dict[str, str]
) -> dict[str, Any] | None:
    """The answer of a program; None where it ended, which is then left out."""
    try:
        return server.request(count)
    except child.ChildFailed as failed:
        not_measured[name] = str(failed)
        del servers[name]
        return None


def programs(options: argparse.Namespace) -> list[str]:
    """The programs that are measured, such as "rvc float16" and "original float16"."""
    precisions = ("float32", REDUCED[options.device])
    of_rvc = [f"rvc {precision}" for precision in precisions]
    if options.checkout is None:
        return of_rvc
    return [*of_rvc, *(f"original {name}" for name in precisions if name != "bfloat16")]


def started(commands: Mapping[str, Sequence[str]], stack: ExitStack, not_measured: dict[str, str]) -> Servers:
    """Start programs side by side, since imports and loading take longer than what is measured.

    Args:
        commands: program → its command.
        stack: ends them.
        not_measured: receives why a program did not start.
    Returns:
        Program → its server, and the seconds from its start until it was ready.
    """

    def start(command: Sequence[str]) -> tuple[child.Server, float] | str:
        begin = time.perf_counter()
        try:
            return child.Server(command, threads=THREADS), time.perf_counter() - begin
        except child.ChildFailed as failed:
            return str(failed)

    servers: Servers = {}
    with ThreadPoolExecutor(len(commands)) as pool:
        for name, answer in zip(commands, pool.map(start, commands.values()), strict=True):
            if isinstance(answer, str):
                not_measured[name] = answer
            else:
                servers[name] = (stack.enter_context(answer[0]), answer[1])
                stack.callback(answer[0].process.kill)  # releasing a card takes seconds, and nothing is measured then
    return servers


def summarized(result: dict[str, Any], turns: int) -> dict[str, Any]:
    """The result with medians and real-time factors after some turns; after none, those of the first conversions."""
    rows = {name: dict(row) for name, row in result["rows"].items()}
    for row in rows.values():
        row["seconds"] = median(each["total"] for each in row["each"] or [row["first"]])
        row["real_time_factor"] = row["seconds"] / result["seconds_of_audio"]
    return {**result, "rows": rows, "turns": turns}


def _conversion_command(name: str, workload: Workload, options: argparse.Namespace) -> list[str]:
    """The server that converts the workload with a program; its first conversion loads the networks."""
    program, _, precision = name.partition(" ")
    if program == "rvc":
        command = [sys.executable, "-m", "bench.gpu.conversions_server", str(workload.audio), *workload.voice_options()]
        return [*command, "--device", options.device, "--precision", precision, "--threads", str(THREADS)]
    command = [*workload.original_command(ORIGINAL, options.checkout), "--serve", "--plain-sound"]
    command += ["--device", options.device, *(["--half"] if precision == "float16" else [])]
    return [*command, *(["--graphs"] if options.device == "cuda" else [])]


def live(options: argparse.Namespace, scratch: Path, save: Save) -> None:
    """Live blocks of all programs in turn, each in a process of its own."""
    sound = speech(20.0, scratch, RATE)
    workload = Workload(sound, 0.0, index_rate=0.0, threads=THREADS)
    common = [str(sound), *workload.voice_options(), "--device", options.device, "--threads", str(THREADS)]
    common += ["--block-time", f"{options.block:g}", "--extra-time", f"{options.context:g}", *STREAM_OPTIONS]
    result: dict[str, Any] = {"block_seconds": options.block, "context_seconds": options.context}
    result |= {"rows": {}, "not_measured": {}}
    times: dict[str, list[float]] = {}
    commands = {name: _stream_command(name, common, options) for name in programs(options)}
    with ExitStack() as stack:
        servers = started(commands, stack, result["not_measured"])
        for name, (server, _) in list(servers.items()):
            _answer(servers, name, server, options.blocks_per_turn, result["not_measured"])
        for turn in range(options.turns):
            for name, (server, _) in list(servers.items()) if turn % 2 == 0 else list(reversed(servers.items())):
                answer = _answer(servers, name, server, options.blocks_per_turn, result["not_measured"])
                if answer is None:
                    continue
                times.setdefault(name, []).extend(answer["ms"])
                result["rows"][name] = block_row(times[name], options.block) | {"device_mib": answer.get("device_mib")}
            save({**result, "turns": turn + 1})


def _stream_command(name: str, common: Sequence[str], options: argparse.Namespace) -> list[str]:
    """The server that converts blocks with a program."""
    program, _, precision = name.partition(" ")
    if program == "rvc":
        return [sys.executable, "-m", "bench.sections.realtime_server", *common, "--precision", precision]
    command = [sys.executable, "-m", "reference.run_blocks", *common, "--original", ORIGINAL]
    command += ["--checkout", str(options.checkout), "--plain-sound", *(["--half"] if precision == "float16" else [])]
    return [*command, *(["--graphs"] if options.device == "cuda" else [])]


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
