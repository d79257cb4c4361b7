"""Whole conversions, ours in each precision and the original in turn: seconds, stages, peak memory, ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench import child, exact
from bench.judge import interval
from bench.workload import Workload

STAGES = ("f0", "features", "synthesizer")
Runs = dict[str, list[child.Run]]


def order(precisions: Sequence[str], rounds: int) -> list[str]:
    """original a b original b a original …: every run of ours stands between two of the original's."""
    turns = []
    for number in range(rounds):
        turns += ["original", *(precisions if number % 2 == 0 else reversed(precisions))]
    return [*turns, "original"]


def measure(
    work: Workload, precisions: Sequence[str], rounds: int, original: str, checkout: Path | None, scratch: Path
) -> dict[str, Any]:
    """Every run's figures; the original beside itself is the noise floor.

    returns {"original": {…}, "noise": …, "ours": [a row for each precision]}
    """
    commands = {name: work.ours(scratch / f"{work.kind}-{name}.wav", "--precision", name, profile=original)
                for name in precisions}  # fmt: skip
    commands["original"] = work.original(original, checkout)
    runs: Runs = {name: [] for name in commands}
    for name in tqdm(order(precisions, rounds), desc=f"{work.kind}, {work.seconds:g} s", unit="run", disable=None):
        runs[name].append(child.run(commands[name], threads=work.threads))
    rival = [run.seconds for run in runs["original"]]
    floor = [abs(after / before - 1) for before, after in pairwise(rival)]
    stages = [name for name in STAGES if name != "f0" or not work.kind.endswith("nof0")]
    exactness = exact.judge(work, precisions, original, scratch)
    return {
        "kind": work.kind,
        "seconds_of_audio": work.seconds,
        "original": {"name": original, **costs(runs["original"], stages)},
        "noise": max(floor),
        "ours": [
            {"precision": name, **costs(runs[name], stages), **beside(runs[name], runs["original"], stages),
             **exactness[name]}
            for name in precisions
        ],
    }  # fmt: skip


def costs(runs: Sequence[child.Run], stages: Sequence[str]) -> dict[str, Any]:
    """Seconds, peak and stages of one side."""
    return {
        "seconds": asdict(interval([run.seconds for run in runs])),
        "peak_mib": asdict(interval([run.peak_mib for run in runs])),
        "stages": {stage: asdict(interval([_stage(run, stage) for run in runs])) for stage in stages},
        "runs": [round(run.seconds, 3) for run in runs],
    }


def beside(ours: Sequence[child.Run], original: Sequence[child.Run], stages: Sequence[str]) -> dict[str, Any]:
    """How many times faster: each run against the mean of the original's before and after it."""
    around = list(pairwise(original))

    def ratios(seconds: Mapping[int, float], rival: Sequence[float]) -> dict[str, float]:
        return asdict(interval([value / seconds[i] for i, value in enumerate(rival)]))

    whole = ratios({i: run.seconds for i, run in enumerate(ours)}, [(a.seconds + b.seconds) / 2 for a, b in around])
    by_stage: dict[str, Any] = {}
    for stage in stages:
        mine = {i: _stage(run, stage) for i, run in enumerate(ours)}
        by_stage[stage] = ratios(mine, [(_stage(a, stage) + _stage(b, stage)) / 2 for a, b in around])
    return {"faster": whole, "stages_faster": by_stage}


def _stage(run: child.Run, stage: str) -> float:
    return float(run.report["seconds"][stage])
