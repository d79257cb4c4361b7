"""The budget check of `nox -s parity`: time in machine units, peak memory, its growth, and leaks.

The original is not run here: budgets.toml holds its cost, measured in the same unit. The machine unit is measured
before and after each run, and the run's time is divided by the mean of the two.

Memory grows within a segment and from segment to segment. The check of `nox -s parity` cuts sounds longer than 10 s, so
that 18 s have two segments; it takes about a minute. `--complete` cuts as users do, sounds longer than 41 s, and takes
about six minutes. Both hold the same bounds.
"""

import argparse
import json
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.judge.intervals import Measurement, Outcome, Point, curvature, drift, interval, slope
from bench.measure import child, leak, unit
from bench.measure.workload import Workload, speech

BUDGETS = Path(__file__).parents[1].joinpath("budgets.toml")
SECONDS = 4.0  # seconds of speech: enough that the networks take longer than loading, and short enough for CI
Budgets = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Sizes:
    """The sounds of the checks of memory.

    Attributes:
        lengths: seconds of speech: a short segment, a segment of nearly the longest, and several of those.
        window: pad, query, center and max of the cuts in s (`rvc convert --window`); None for the default.
        leak_seconds: seconds of speech in each conversion of the leak check, which runs many in one process.
        leak_pad: seconds of padding at each end of such a conversion.
    """

    lengths: tuple[float, float, float]
    window: tuple[float, float, float, float] | None
    leak_seconds: float
    leak_pad: float

    def options(self) -> list[str]:
        """The options of `rvc convert`."""
        return [] if self.window is None else ["--window", *(f"{value:g}" for value in self.window)]

    @property
    def leak_share(self) -> float:
        """The sound that a conversion of the leak check computes, as a share of that of `COMPLETE`."""
        whole = COMPLETE.leak_seconds + 2 * COMPLETE.leak_pad
        return (self.leak_seconds + 2 * self.leak_pad) / whole


COMPLETE = Sizes((8.0, 40.0, 80.0), None, leak_seconds=1.0, leak_pad=1.0)
# From 4 s of speech and 2 s of padding on, the generator packs its fast blocks, which takes about 140 MiB once.
SHORT = Sizes((5.0, 9.0, 18.0), (1.0, 1.0, 9.0, 10.0), leak_seconds=0.5, leak_pad=0.25)


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


def peaks(
    commands: Mapping[float, Sequence[str]], threads: int = 2, known: Mapping[float, Sequence[float]] | None = None
) -> list[Point]:
    """Peak MiB of a complete process for each length.

    Args:
        commands: the command for each length.
        threads: threads of each process.
        known: peaks of lengths that were measured before, which are not run again.
    Returns:
        the points; the shortest length runs twice, which gives the spread.
    """
    shortest, known = min(commands), known or {}
    return [
        (
            length,
            known.get(length)
            or [child.run(command, threads=threads).peak_mib for _ in range(2 if length == shortest else 1)],
        )
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


def judge_leak(resident: Sequence[float], budgets: Budgets, share: float = 1.0) -> list[Measurement]:
    """Compare the memory that each conversion of one process leaves behind with budgets.toml.

    Args:
        resident: MiB after each conversion.
        budgets: budgets.toml.
        share: of the sound for which the budget holds, as `Sizes.leak_share`; the bound is that share of the budget,
            so that a leak in proportion to the sound is detected as well.
    """
    return [Measurement("memory kept per run", drift(resident), "MiB", share * budgets["memory"]["leak"])]


def checks(runs: int, folder: Path, budgets: Budgets, sizes: Sizes = SHORT) -> list[Callable[[], list[Measurement]]]:
    """The checks, in the order in which they are called; each function measures and judges."""
    known: dict[float, list[float]] = {}

    def command(seconds: float, *options: str) -> list[str]:
        return Workload(speech(seconds, folder), seconds).rvc_command(folder / "out.wav", *options)

    def time() -> list[Measurement]:
        costs, known[SECONDS] = measure(command(SECONDS), runs)  # a sound that is not cut: no window matters
        return judge(costs, known[SECONDS], budgets, unit.processor())

    def growth() -> list[Measurement]:
        commands = {seconds: command(seconds, *sizes.options()) for seconds in sizes.lengths}
        return judge_growth(peaks(commands, known=known), budgets)

    def leaks() -> list[Measurement]:
        workload = Workload(speech(sizes.leak_seconds, folder), sizes.leak_seconds)
        return judge_leak(leak.resident(workload, pad=sizes.leak_pad), budgets, sizes.leak_share)

    return [time, growth, leaks]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check rvc against bench/budgets.toml; exit code 1 where a budget is exceeded, else 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.budget", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=3, help="number of timed processes")
    parser.add_argument(
        "--complete", action="store_true", help="grow over sounds of up to 80 s, cut as users do (about six minutes)"
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
        sizes = COMPLETE if options.complete else SHORT
        for check in checks(options.runs, folder, tomllib.loads(BUDGETS.read_text(encoding="utf-8")), sizes):
            for measurement in check():
                print(measurement.sentence(), flush=True)
                measurements.append(measurement)
    write(options.verdict, measurements)
    return 1 if any(measurement.outcome == Outcome.FAIL for measurement in measurements) else 0


def write(path: Path, measurements: Sequence[Measurement]) -> None:
    """Write the measurements into `speed` of an existing verdict, where the report finds them."""
    if not path.exists():
        return
    verdict_file = json.loads(path.read_text(encoding="utf-8"))
    verdict_file["speed"] = {"figures": [measurement.document() for measurement in measurements]}
    path.write_text(json.dumps(verdict_file, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
