"""The short budget check of `nox -s parity`: time in the machine's unit, peak memory, its growth, and leaks.

The original is not run here: its cost was measured once in the same unit and stands in budgets.toml. Runs and units
take turns, so that each run is divided by the unit of its own moment.
"""

import argparse
import json
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.judge.verdict import Figure, Point, curvature, drift, interval, slope
from bench.measure import child, leak, unit
from bench.measure.workload import Workload, speech

BUDGETS = Path(__file__).parents[1].joinpath("budgets.toml")
SECONDS = 4.0  # of speech: long enough that loading does not hide the networks, short enough for CI
LENGTHS = (8.0, 40.0, 80.0)  # seconds: a short segment, the longest there is, and two of them
LEAK_SECONDS = 1.0
Budgets = Mapping[str, Mapping[str, Any]]


def measure(command: Sequence[str], runs: int, threads: int = 2) -> tuple[list[float], list[float]]:
    """(cost in units, peak in MiB) of `runs` whole processes, a unit before and after each."""
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
    """Peak MiB of a whole process for each length; the shortest runs twice, so that its spread is known."""
    shortest = min(commands)
    return [
        (length, [child.run(command, threads=threads).peak_mib for _ in range(2 if length == shortest else 1)])
        for length, command in commands.items()
    ]


def allowed_units(budgets: Budgets, processor: str) -> float:
    """What a conversion may cost: what it cost on this kind of processor and a little, else a share of the original.

    raises ValueError for a missing or zero budget: that is an error, not a pass
    """
    time, original = budgets["time"], budgets["original"]["units"]
    known = time["units"].get(processor)
    allowed = float(time["slower"] * known if known else time["ours_over_original"] * original)
    if allowed <= 0:
        raise ValueError("bench/budgets.toml holds a budget of 0; measure: python -m bench.budget --original")
    return allowed


def judge(costs: Sequence[float], peak: Sequence[float], budgets: Budgets, processor: str) -> list[Figure]:
    """Time and peak memory against budgets.toml."""
    memory = budgets["memory"]["peak_mib"]
    if memory <= 0:
        raise ValueError("bench/budgets.toml holds a memory budget of 0; put what a conversion may take")
    allowed = allowed_units(budgets, processor)
    return [
        Figure("whole conversion", interval(costs), "units", allowed),
        Figure("peak memory", interval(peak), "MiB", memory),
    ]


def judge_growth(points: Sequence[Point], budgets: Budgets) -> list[Figure]:
    """How memory grows with length: the slope, and how it bends."""
    memory = budgets["memory"]
    return [
        Figure("memory's growth", slope(points), "MiB per s of audio", memory["slope"]),
        Figure("memory's curvature", curvature(points), "MiB per s of audio", memory["bend"]),
    ]


def judge_leak(resident: Sequence[float], budgets: Budgets) -> list[Figure]:
    """What stays of each conversion in a process that makes many."""
    return [Figure("memory kept per run", drift(resident), "MiB", budgets["memory"]["leak"])]


def checks(runs: int, folder: Path, budgets: Budgets) -> list[Callable[[], list[Figure]]]:
    """The parts of the check, each of which measures and judges."""

    def ours(seconds: float) -> list[str]:
        return Workload(speech(seconds, folder), seconds).ours(folder / "out.wav")

    def time() -> list[Figure]:
        return judge(*measure(ours(SECONDS), runs), budgets, unit.processor())

    def growth() -> list[Figure]:
        return judge_growth(peaks({seconds: ours(seconds) for seconds in LENGTHS}), budgets)

    def leaks() -> list[Figure]:
        return judge_leak(leak.resident(Workload(speech(LEAK_SECONDS, folder), LEAK_SECONDS)), budgets)

    return [time, growth, leaks]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 within the budgets, 1 over one of them."""
    parser = argparse.ArgumentParser(prog="python -m bench.budget", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--original", action="store_true", help="measure rvc-python instead and print its [original]")
    parser.add_argument("--verdict", type=Path, default=Path("out/parity/verdict.json"), help="gets the figures too")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.original:
            costs, peak = measure(Workload(speech(SECONDS, folder), SECONDS).original(), given.runs)
            print(f"[original]\nunits = {interval(costs).middle:.0f}\npeak_mib = {interval(peak).middle:.0f}")
            return 0
        figures = []
        for check in checks(given.runs, folder, tomllib.loads(BUDGETS.read_text(encoding="utf-8"))):
            for figure in check():
                print(figure.sentence(), flush=True)
                figures.append(figure)
    write(given.verdict, figures)
    return 1 if any(figure.verdict == "fail" for figure in figures) else 0


def write(path: Path, figures: Sequence[Figure]) -> None:
    """Add the figures to a verdict that is there, so that the report shows them."""
    if not path.exists():
        return
    verdict_file = json.loads(path.read_text(encoding="utf-8"))
    verdict_file["speed"] = {"figures": [figure.table() for figure in figures]}
    path.write_text(json.dumps(verdict_file, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
