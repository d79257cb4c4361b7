"""The short budget check of `nox -s parity`: ours against the original's cost in the machine's unit, and its memory.

The original is not run here: its cost was measured once in the same unit and stands in budgets.toml. Runs and units
take turns, so that each run is divided by the unit of its own moment.
"""

import argparse
import json
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import child, unit
from bench.judge import Interval, interval, verdict
from bench.workload import Workload, speech

BUDGETS = Path(__file__).with_name("budgets.toml")
SECONDS = 4.0  # of speech: long enough that loading does not hide the networks, short enough for CI


@dataclass(frozen=True)
class Figure:
    """One measured cost beside what it may be."""

    what: str
    value: Interval
    unit: str
    budget: float
    verdict: str

    def sentence(self) -> str:
        """What was found, what was expected."""
        return f"{self.what}: {self.value} {self.unit}, budget {self.budget:.4g} {self.unit}: {self.verdict}"

    def table(self) -> dict[str, object]:
        """The form that `speed` of verdict.json has and that a report draws."""
        low, high = self.value.low, self.value.high
        fixed = {"what": self.what, "value": self.value.middle, "low": low, "high": high, "unit": self.unit}
        return {**fixed, "budget": self.budget, "verdict": self.verdict, "who": "ours"}


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


def judge(costs: Sequence[float], peaks: Sequence[float], budgets: dict[str, dict[str, float]]) -> list[Figure]:
    """The measured figures against budgets.toml; a missing or zero budget is an error, not a pass."""
    allowed = budgets["original"]["units"] * budgets["time"]["ours_over_original"]
    memory = budgets["memory"]["peak_mib"]
    if allowed <= 0 or memory <= 0:
        raise ValueError("bench/budgets.toml holds a budget of 0; measure: python -m bench.budget --original")
    time, peak = interval(costs), interval(peaks)
    return [
        Figure("whole conversion", time, "units", allowed, verdict(time, allowed)),
        Figure("peak memory", peak, "MiB", memory, verdict(peak, memory)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 within the budgets, 1 over one of them."""
    parser = argparse.ArgumentParser(prog="python -m bench.budget", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--original", action="store_true", help="measure rvc-python instead and print its [original]")
    parser.add_argument("--verdict", type=Path, default=Path("out/parity/verdict.json"), help="gets the figures too")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        work = Workload(speech(SECONDS, Path(folder)), SECONDS)
        command = work.original() if given.original else work.ours(Path(folder) / "out.wav")
        costs, peaks = measure(command, given.runs)
    if given.original:
        print(f"[original]\nunits = {interval(costs).middle:.0f}\npeak_mib = {interval(peaks).middle:.0f}")
        return 0
    budgets = tomllib.loads(BUDGETS.read_text(encoding="utf-8"))
    figures = judge(costs, peaks, budgets)
    for figure in figures:
        print(figure.sentence())
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
