"""The budgets of `rvc`: time in machine units, peak memory (`nox -s parity`), its growth, and leaks (`.ci/run`).

The original is not run here: budgets.toml holds its cost, measured in the same unit. The machine unit is measured
before and after each run, and the run's time is divided by the mean of the two.
"""

import argparse
import json
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.judge.intervals import Measurement, Outcome, Point, curvature, drift, interval, slope
from bench.measure import child, leak, unit
from bench.measure.workload import Workload, speech

BUDGETS = Path(__file__).parents[1].joinpath("budgets.toml")
SECONDS = 4.0  # seconds of speech: enough that the networks take longer than loading, and short enough for CI
LENGTHS = (8.0, 40.0, 80.0)  # seconds of speech: a short segment, the longest possible segment, and two of those
CHECKS = ("time", "growth", "leaks")
LEAK_SECONDS = 1.0  # seconds of speech in each conversion of the leak check, which runs many in one process
Budgets = Mapping[str, Mapping[str, Any]]


def measure(command: Sequence[str], runs: int, threads: int = 2) -> tuple[list[float], list[float]]:
    """Costs in machine units and peaks in MiB of `runs` complete processes."""
    costs, peaks = [], []
    before = unit.measure(threads)
    for _ in range(runs):
        done = child.run(command, threads=threads)
        after = unit.measure(threads)
        costs.append(done.seconds / ((before + after) / 2))
        peaks.append(done.peak_mib)
        before = after
    return costs, peaks


def peaks(commands: Mapping[float, Sequence[str]], threads: int = 2) -> list[Point]:
    """Peak MiB of a complete process for each length. The shortest length runs twice, which gives the spread."""
    shortest = min(commands)
    return [
        (length, [child.run(command, threads=threads).peak_mib for _ in range(2 if length == shortest else 1)])
        for length, command in commands.items()
    ]


def allowed_units(budgets: Budgets, processor: str) -> float:
    """The budget of a conversion in machine units.

    Args:
        budgets: budgets.toml.
        processor: kind of processor, see `unit.processor`. Where budgets.toml has the cost measured on it, the budget
            is that times `slower`; otherwise it is the original's cost times `ours_over_original`.
    Raises:
        ValueError: the budget is 0.
    """
    time, original = budgets["time"], budgets["original"]["units"]
    known = time["units"].get(processor)
    allowed = float(time["slower"] * known if known else time["ours_over_original"] * original)
    if allowed <= 0:
        raise ValueError("bench/budgets.toml holds a budget of 0; measure: python -m bench.budget --original")
    return allowed


def judge(costs: Sequence[float], peak: Sequence[float], budgets: Budgets, processor: str) -> list[Measurement]:
    """Compare time and peak memory with budgets.toml.

    Raises:
        ValueError: a budget is 0.
    """
    memory = budgets["memory"]["peak_mib"]
    if memory <= 0:
        raise ValueError("bench/budgets.toml holds a memory budget of 0; enter the MiB that a conversion may use")
    allowed = allowed_units(budgets, processor)
    return [
        Measurement("whole conversion", interval(costs), "units", allowed),
        Measurement("peak memory", interval(peak), "MiB", memory),
    ]


def judge_growth(points: Sequence[Point], budgets: Budgets) -> list[Measurement]:
    """Compare slope and curvature of peak memory over length with budgets.toml."""
    memory = budgets["memory"]
    return [
        Measurement("memory's growth", slope(points), "MiB per s of audio", memory["slope"]),
        Measurement("memory's curvature", curvature(points), "MiB per s of audio", memory["bend"]),
    ]


def judge_leak(resident: Sequence[float], budgets: Budgets) -> list[Measurement]:
    """Compare the memory that each conversion of one process leaves behind with budgets.toml."""
    return [Measurement("memory kept per run", drift(resident), "MiB", budgets["memory"]["leak"])]


def checks(runs: int, folder: Path, budgets: Budgets) -> dict[str, Callable[[], list[Measurement]]]:
    """The checks by their names; each function measures and judges."""

    def command(seconds: float) -> list[str]:
        return Workload(speech(seconds, folder), seconds).rvc_command(folder / "out.wav")

    def time() -> list[Measurement]:
        return judge(*measure(command(SECONDS), runs), budgets, unit.processor())

    def growth() -> list[Measurement]:
        return judge_growth(peaks({seconds: command(seconds) for seconds in LENGTHS}), budgets)

    def leaks() -> list[Measurement]:
        return judge_leak(leak.resident(Workload(speech(LEAK_SECONDS, folder), LEAK_SECONDS)), budgets)

    return {"time": time, "growth": growth, "leaks": leaks}


def main(arguments: Sequence[str] | None = None) -> int:
    """Check rvc against bench/budgets.toml; exit code 1 where a budget is exceeded, else 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.budget", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=3, help="number of timed processes")
    parser.add_argument(
        "--check",
        action="append",
        choices=CHECKS,
        help="time (with the peak of memory), growth of memory with the sound's length, or leaks; may be repeated; "
        "default: all",
    )
    parser.add_argument(
        "--original", action="store_true", help="measure rvc-python and print its lines for [original] of budgets.toml"
    )
    parser.add_argument(
        "--verdict",
        type=Path,
        default=Path("out/parity/verdict.json"),
        help="verdict that receives the measurements, if it exists",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.original:
            costs, peak = measure(Workload(speech(SECONDS, folder), SECONDS).original_command(), options.runs)
            print(f"[original]\nunits = {interval(costs).middle:.0f}\npeak_mib = {interval(peak).middle:.0f}")
            return 0
        measurements = []
        available = checks(options.runs, folder, tomllib.loads(BUDGETS.read_text(encoding="utf-8")))
        for name in options.check or CHECKS:
            for measurement in available[name]():
                print(measurement.sentence(), flush=True)
                measurements.append(measurement)
    write(options.verdict, measurements)
    return 1 if any(measurement.outcome == Outcome.FAIL for measurement in measurements) else 0


def write(path: Path, measurements: Sequence[Measurement]) -> None:
    """Write the measurements into `speed` of an existing verdict, where the report finds them.

    They replace earlier ones of the same names; those of other checks stay.
    """
    if not path.exists():
        return
    verdict_file = json.loads(path.read_text(encoding="utf-8"))
    figures = {figure["what"]: figure for figure in verdict_file.get("speed", {}).get("figures", [])}
    figures |= {figure["what"]: figure for figure in (measurement.document() for measurement in measurements)}
    verdict_file["speed"] = {"figures": list(figures.values())}
    path.write_text(json.dumps(verdict_file, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
