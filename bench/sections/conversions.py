"""The sections offline and kinds: complete conversions by rvc in each precision and by the original, in turn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.checks import same_output
from bench.judge.intervals import interval_document
from bench.measure import child
from bench.measure.workload import Workload

STAGES = ("f0", "features", "synthesizer")
ORIGINAL = "original"


@dataclass(frozen=True)
class TimedRun:
    """One run, as `series` of result.json holds it.

    Attributes:
        who: the precision of rvc, or "original".
        seconds: wall time of the process.
        peak_mib: peak of resident memory.
        stages: seconds by stage, as the program reports them.
        cpu_seconds: user and system time of the process; 0 in results that did not record it.
        other_load: the part of all processors that other programs used meanwhile.
    """

    who: str
    seconds: float
    peak_mib: float
    stages: Mapping[str, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    other_load: float = 0.0

    @classmethod
    def of(cls, who: str, process: child.FinishedProcess) -> "TimedRun":
        """The run of a finished process."""
        reported = process.report["seconds"]
        stages = {name: float(reported[name]) for name in STAGES if name in reported}
        return cls(who, process.seconds, process.peak_mib, stages, process.cpu_seconds, process.other_load)


Triple = tuple[TimedRun, TimedRun, TimedRun]  # the original before, a run of rvc, the original after


def order(precisions: Sequence[str], rounds: int) -> list[str]:
    """The order of the runs; for the precisions a and b: original, a, b, original, b, a, original, …"""
    names = []
    for number in range(rounds):
        names += [ORIGINAL, *(precisions if number % 2 == 0 else reversed(precisions))]
    return [*names, ORIGINAL]


def measure(
    workload: Workload,
    precisions: Sequence[str],
    rounds: int,
    original: str,
    checkout: Path | None,
    scratch: Path,
    earlier: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run all programs in turn.

    Args:
        workload: the conversion.
        precisions: precisions of rvc.
        rounds: runs of each precision.
        original: name of the original, which is also the profile of rvc.
        checkout: folder of the WebUI, if the original is one.
        scratch: folder of the outputs.
        earlier: a section of result.json of the same workload, to whose runs these are added.
    Returns:
        The section of result.json.
    Raises:
        ChildFailed: a program failed.
    """
    commands = {
        name: workload.rvc_command(scratch / f"{workload.kind}-{name}.wav", "--precision", name, profile=original)
        for name in precisions
    }
    commands[ORIGINAL] = workload.original_command(original, checkout)
    runs: list[TimedRun] = []
    description = f"{workload.kind}, {workload.seconds:g} s"
    for name in tqdm(order(precisions, rounds), desc=description, unit="run", disable=None):
        runs.append(
            TimedRun.of(name, child.run(commands[name], threads=workload.threads, variables=workload.variables))
        )
    earlier = earlier or {}
    series = [*([TimedRun(**run) for run in runs] for runs in earlier.get("series", [])), runs]
    judged = same_output.judge(workload, precisions, original, scratch)
    exactness = {**earlier.get("exact", {}), **{name: one.document() for name, one in judged.items()}}
    return {
        "kind": workload.kind,
        "seconds_of_audio": workload.seconds,
        **summary(series, original, exactness),
        "exact": exactness,
        "series": [[asdict(run) for run in runs] for runs in series],
    }


def summary(
    series: Sequence[Sequence[TimedRun]], original: str, exactness: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Summarize the runs.

    Args:
        series: runs in their order, one list for each call of `measure`.
        original: name of the original.
        exactness: documents of `same_output.Exactness` by precision.
    Returns:
        `original`: costs; `noise`: the largest relative change from one run of the original to the next within a
        series; `other_load`: the largest part of the processors that other programs used; `ours`: costs, ratios and
        exactness of rvc, one row per precision.
    """
    originals = [[run for run in runs if run.who == ORIGINAL] for runs in series]
    changes = [abs(b.seconds / a.seconds - 1) for runs in originals for a, b in pairwise(runs)]
    rows = []
    for name in dict.fromkeys(run.who for runs in series for run in runs if run.who != ORIGINAL):
        triples = [triple for runs in series for triple in between_originals(runs, name)]
        rows.append({"precision": name, **costs([run for _, run, _ in triples]), **ratios(triples), **exactness[name]})
    return {
        "original": {"name": original, **costs([run for runs in originals for run in runs])},
        "noise": max(changes),
        "other_load": max(run.other_load for runs in series for run in runs),
        "ours": rows,
    }


def between_originals(runs: Sequence[TimedRun], name: str) -> list[Triple]:
    """Each run of the precision `name` with the nearest runs of the original before and after it."""
    places = [i for i, run in enumerate(runs) if run.who == ORIGINAL]
    return [
        (runs[max(p for p in places if p < i)], run, runs[min(p for p in places if p > i)])
        for i, run in enumerate(runs)
        if run.who == name
    ]


def costs(runs: Sequence[TimedRun]) -> dict[str, Any]:
    """Intervals of seconds, peak memory and seconds of each stage."""
    return {
        "seconds": interval_document([run.seconds for run in runs]),
        "cpu_seconds": interval_document([run.cpu_seconds for run in runs]),
        "peak_mib": interval_document([run.peak_mib for run in runs]),
        "stages": {stage: interval_document([run.stages[stage] for run in runs]) for stage in runs[0].stages},
    }


def ratios(triples: Sequence[Triple]) -> dict[str, Any]:
    """How many times faster rvc is: the mean of the original's runs before and after, divided by the run between."""

    def ratio(cost: Callable[[TimedRun], float]) -> dict[str, float]:
        return interval_document([(cost(before) + cost(after)) / 2 / cost(run) for before, run, after in triples])

    def of_stage(stage: str) -> Callable[[TimedRun], float]:
        return lambda run: float(run.stages[stage])

    shared = [stage for stage in triples[0][1].stages if triples[0][0].stages.get(stage)]
    timed = all(run.cpu_seconds for triple in triples for run in triple)
    return {
        "faster": ratio(lambda run: run.seconds),
        **({"faster_cpu": ratio(lambda run: run.cpu_seconds)} if timed else {}),
        "stages_faster": {stage: ratio(of_stage(stage)) for stage in shared},
    }
