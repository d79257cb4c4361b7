"""Whole conversions, ours in each precision and the original in turn: seconds, stages, peak memory, ratios."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.checks import same_output
from bench.judge.verdict import interval
from bench.measure import child
from bench.measure.workload import Workload

STAGES = ("f0", "features", "synthesizer")
Turn = Mapping[str, Any]  # one run: who, seconds, peak_mib, stages
Pair = tuple[Turn, Turn, Turn]  # the original before, one of ours, the original after


def order(precisions: Sequence[str], rounds: int) -> list[str]:
    """original a b original b a original …: every run of ours stands between two of the original's."""
    turns = []
    for number in range(rounds):
        turns += ["original", *(precisions if number % 2 == 0 else reversed(precisions))]
    return [*turns, "original"]


def measure(
    work: Workload,
    precisions: Sequence[str],
    rounds: int,
    original: str,
    checkout: Path | None,
    scratch: Path,
    earlier: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The runs in their order, after those of an `earlier` answer of the same workload, and what they come to."""
    commands = {
        name: work.ours(scratch / f"{work.kind}-{name}.wav", "--precision", name, profile=original)
        for name in precisions
    }
    commands["original"] = work.original(original, checkout)
    turns: list[Turn] = []
    for name in tqdm(order(precisions, rounds), desc=f"{work.kind}, {work.seconds:g} s", unit="run", disable=None):
        turns.append(turn(name, child.run(commands[name], threads=work.threads)))
    series = [*(earlier or {}).get("series", []), turns]
    exactness = {**(earlier or {}).get("exact", {}), **same_output.judge(work, precisions, original, scratch)}
    about = {"kind": work.kind, "seconds_of_audio": work.seconds}
    return {**about, **summary(series, original, exactness), "exact": exactness, "series": series}


def turn(who: str, run: child.Run) -> Turn:
    """One run, as it is kept."""
    stages = {name: float(run.report["seconds"][name]) for name in STAGES if name in run.report["seconds"]}
    return {"who": who, "seconds": run.seconds, "peak_mib": run.peak_mib, "stages": stages}


def summary(series: Sequence[Sequence[Turn]], original: str, exactness: Mapping[str, Any]) -> dict[str, Any]:
    """What all runs come to: {"original": …, "noise": …, "ours": [a row for each precision]}.

    The noise is how far the original lies from itself: the largest change from one of its runs to its next.
    """
    rivals = [[run for run in turns if run["who"] == "original"] for turns in series]
    floor = [abs(b["seconds"] / a["seconds"] - 1) for runs in rivals for a, b in pairwise(runs)]
    rows = []
    for name in dict.fromkeys(run["who"] for turns in series for run in turns if run["who"] != "original"):
        pairs = [pair for turns in series for pair in between(turns, name)]
        rows.append({"precision": name, **costs([pair[1] for pair in pairs]), **beside(pairs), **exactness[name]})
    theirs = {"name": original, **costs([run for runs in rivals for run in runs])}
    return {"original": theirs, "noise": max(floor), "ours": rows}


def between(turns: Sequence[Turn], name: str) -> list[Pair]:
    """Each run called `name` with the original's nearest before and after it."""
    places = [i for i, run in enumerate(turns) if run["who"] == "original"]
    found = []
    for i, run in enumerate(turns):
        if run["who"] == name:
            before, after = max(p for p in places if p < i), min(p for p in places if p > i)
            found.append((turns[before], run, turns[after]))
    return found


def costs(runs: Sequence[Turn]) -> dict[str, Any]:
    """Seconds, peak and stages of one side."""
    return {
        "seconds": asdict(interval([run["seconds"] for run in runs])),
        "peak_mib": asdict(interval([run["peak_mib"] for run in runs])),
        "stages": {stage: asdict(interval([run["stages"][stage] for run in runs])) for stage in runs[0]["stages"]},
    }


def beside(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How many times faster: the mean of the original's runs before and after over each run of ours."""

    def ratios(cost: Callable[[Turn], float]) -> dict[str, float]:
        return asdict(interval([(cost(before) + cost(after)) / 2 / cost(ours) for before, ours, after in pairs]))

    def of(stage: str) -> Callable[[Turn], float]:
        return lambda run: float(run["stages"][stage])

    shared = [stage for stage in pairs[0][1]["stages"] if pairs[0][0]["stages"].get(stage)]
    by_stage = {stage: ratios(of(stage)) for stage in shared}
    return {"faster": ratios(lambda run: float(run["seconds"])), "stages_faster": by_stage}
