"""Time ours and an original in turn, whole processes, and print seconds, peak memory and ratios.

python -m bench [--seconds 30] [--pairs 2] [--original rvc-python] [--checkout DIR] [--precision float32 …]
                [--lengths 10 30 120] [--kind v2-40k-f0 …] [--out out/bench]

Runs are interleaved A B B A, so that a machine that slows down slows both. The timed output is checked: in float32 it
must be the bytes of a second run with a trace.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from bench import child, unit
from bench.judge import Interval, interval, slope
from bench.workload import Workload, speech

STAGES = ("f0", "features", "synthesizer")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 measured; 1 the timed output is not the exact one; 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the speech (default 30)")
    parser.add_argument("--pairs", type=int, default=2, help="rounds of A B B A (default 2)")
    parser.add_argument("--original", default="rvc-python", choices=("rvc-python", "webui-2026", "webui-classic"))
    parser.add_argument("--checkout", type=Path, help="the checkout of a WebUI original")
    parser.add_argument("--precision", nargs="+", default=["float32"], choices=("float32", "bfloat16", "int8"))
    parser.add_argument("--kind", nargs="+", default=["v2-40k-f0"], help="voice kinds (default v2-40k-f0)")
    parser.add_argument("--lengths", type=float, nargs="*", default=[10, 30, 120], help="seconds, for memory's slope")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(given, Path(scratch))
    (given.out / "result.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found))
    return 0 if all(row["exact"] for row in found["ours"]) else 1


def measure(given: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Every figure of one run of the bench, as plain values."""
    audio = speech(given.seconds, scratch)
    found: dict[str, Any] = {"machine": machine(given.threads), "seconds_of_audio": given.seconds, "ours": []}
    found["original"] = {"name": given.original}
    for kind in given.kind:
        work = Workload(audio, given.seconds, kind, threads=given.threads)
        for precision in given.precision:
            found["ours"].append(compared(work, precision, given, scratch))
    found["growth"] = growth(given, scratch)
    return found


def machine(threads: int) -> dict[str, Any]:
    """What the figures were measured on."""
    second = unit.measure(threads)
    capability = torch.backends.cpu.get_cpu_capability()
    facts = {"processor": platform.machine(), "capability": capability, "threads": threads, "torch": torch.__version__}
    return {**facts, "unit_ms": second * 1e3, "unit_gflops": unit.GFLOP / second}


def compared(work: Workload, precision: str, given: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Ours in one precision against the original: ABBA, then the exactness of what was timed."""
    out = scratch / f"{work.kind}-{precision}.wav"
    ours = work.ours(out, "--precision", precision, profile=given.original)
    rival = work.original(given.original, given.checkout)
    runs: dict[str, list[child.Run]] = {"ours": [], "original": []}
    turn = ("ours", "original", "original", "ours")
    order = [turn[i % 4] for i in range(2 * given.pairs)]
    commands: Mapping[str, list[str]] = {"ours": ours, "original": rival}
    for name in tqdm(order, desc=f"{work.kind} {precision}", unit="run", disable=None):
        runs[name].append(child.run(commands[name], threads=work.threads))
    ratios = [b.seconds / a.seconds for a, b in zip(runs["ours"], runs["original"], strict=True)]
    row: dict[str, Any] = {"kind": work.kind, "precision": precision, "faster": asdict(interval(ratios))}
    for name, done in runs.items():
        row[name] = {
            "seconds": asdict(interval([run.seconds for run in done])),
            "peak_mib": asdict(interval([run.peak_mib for run in done])),
            "stages": {stage: asdict(interval(_stage(done, stage))) for stage in STAGES},
        }
    row["exact"] = exact(work, precision, out, given.original, scratch)
    return row


def _stage(runs: Sequence[child.Run], stage: str) -> list[float]:
    return [float(run.report["seconds"][stage]) for run in runs]


def exact(work: Workload, precision: str, timed: Path, profile: str, scratch: Path) -> bool:
    """Whether the bytes that were timed are those of a run that is listened to at every stage."""
    again = scratch / "again.wav"
    trace = ("--trace", str(scratch / "again.safetensors"))
    child.run(work.ours(again, "--precision", precision, *trace, profile=profile), threads=work.threads)
    return timed.read_bytes() == again.read_bytes()


def growth(given: argparse.Namespace, scratch: Path) -> list[dict[str, Any]]:
    """Peak memory against length of audio, ours in the first precision and the original up to two minutes."""
    lines: list[dict[str, Any]] = []
    if len(given.lengths) < 2:
        return lines
    rivals: dict[str, Callable[[Workload], list[str]]] = {
        "ours": lambda work: work.ours(scratch / "length.wav", "--precision", given.precision[0]),
        "original": lambda work: work.original(given.original, given.checkout),
    }
    for who, command in rivals.items():
        lengths = [seconds for seconds in given.lengths if who == "ours" or seconds <= 120]
        points = []
        for seconds in tqdm(lengths, desc=f"memory, {who}", unit="run", disable=None):
            work = Workload(speech(seconds, scratch), seconds, given.kind[0], threads=given.threads)
            points.append((seconds, child.run(command(work), threads=given.threads).peak_mib))
        rise = slope([x for x, _ in points], [y for _, y in points]) if len(points) > 1 else None
        lines.append({"who": who, "unit": "MiB", "points": points, "mib_per_second": rise})
    return lines


def table(found: Mapping[str, Any]) -> str:
    """The figures for a person."""
    threads, rival = found["machine"]["threads"], found["original"]["name"]
    head = f"{found['seconds_of_audio']:g} s of speech, {threads} threads, beside {rival}"
    lines = [head, f"{'':34}{'ours':>22}{'original':>22}{'ratio':>22}"]
    for row in found["ours"]:
        lines.append(f"{row['kind']} {row['precision']}{'' if row['exact'] else '   NOT the bytes of the traced run'}")
        lines.append(_line("end to end, s", row["ours"]["seconds"], row["original"]["seconds"], row["faster"]))
        for stage in STAGES:
            lines.append(_line(f"{stage}, s", row["ours"]["stages"][stage], row["original"]["stages"][stage]))
        lines.append(_line("peak memory, MiB", row["ours"]["peak_mib"], row["original"]["peak_mib"]))
    for line in found["growth"]:
        points = ", ".join(f"{y:.0f} at {x:g} s" for x, y in line["points"])
        lines.append(f"memory of {line['who']}: {points}; {line['mib_per_second']:.2f} MiB per second of audio")
    return "\n".join(lines)


def _line(what: str, ours: dict[str, float], original: dict[str, float], ratio: dict[str, float] | None = None) -> str:
    middle = original["middle"] / ours["middle"]
    last = f"{middle:.2f}" if ratio is None else str(Interval(**ratio))
    return f"  {what:32}{Interval(**ours)!s:>22}{Interval(**original)!s:>22}{last:>22}"


if __name__ == "__main__":
    sys.exit(main())
