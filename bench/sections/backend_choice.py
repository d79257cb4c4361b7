"""The section choice: conversions with the measured choice of backends beside every pinned choice, in turn.

The choice is calibrated first (`rvc doctor --calibrate`), in a cache folder of its own, so that neither an earlier
table nor the quick one of a first conversion is measured.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

from bench.checks import same_output
from bench.judge.intervals import interval_document
from bench.measure import child
from bench.measure.workload import Workload
from bench.sections.conversions import TimedRun, costs

MEASURED, FIXED = "measured", "fixed"  # choices by rule; every other one is a backend's name
# Least SNR in dB of a choice's waveform against the fixed order in the same precision. Choices differ in rounding.
LEAST_SNR = {"float32": 60.0, "bfloat16": 30.0, "int8": 20.0}


def measure(workload: Workload, precisions: Sequence[str], rounds: int, profile: str, scratch: Path) -> dict[str, Any]:
    """Calibrate, then convert with every choice in turn.

    Args:
        workload: the conversion.
        precisions: precisions of rvc.
        rounds: runs of each choice.
        profile: profile of rvc.
        scratch: folder of the outputs and of the calibration's cache.
    Returns:
        The section of result.json: `precisions`, by name the `rows` with costs and exactness of each choice, the `best`
        of the pinned ones, `slower`, the time of the measured choice divided by that of the best one in the same round,
        `slower_cpu`, the same for processor seconds, `other_load` and the `series` of runs; `missing`, the reason by
        precision; `calibration_seconds`.
    Raises:
        ChildFailed: the calibration or a conversion failed.
    """
    cache = {"RVC_CACHE": str(scratch / "calibrated")}
    command = [sys.executable, "-m", "rvc", "doctor", "--calibrate", "--json"]
    calibration = child.run(command, threads=workload.threads, variables={**workload.variables, **cache})
    section: dict[str, Any] = {"kind": workload.kind, "seconds_of_audio": workload.seconds}
    section |= {"calibration_seconds": calibration.seconds, "precisions": {}, "missing": {}}
    for precision in precisions:
        choices = [MEASURED, FIXED, *backends(calibration.report, precision)]
        variables = {one: {**workload.variables, **cache, "RVC_BACKEND": one} for one in choices}
        outputs = {one: scratch / f"choice-{precision}-{one}.wav" for one in choices}
        commands = {
            one: workload.rvc_command(outputs[one], "--precision", precision, profile=profile) for one in choices
        }
        if refusal := refused(commands[MEASURED], workload.threads, variables[MEASURED]):
            section["missing"][precision] = refusal
            continue
        runs: list[list[TimedRun]] = []
        for number in tqdm(range(rounds), desc=f"choice, {precision}", unit="round", disable=None):
            order = choices if number % 2 == 0 else choices[::-1]
            runs.append(
                [
                    TimedRun.of(one, child.run(commands[one], threads=workload.threads, variables=variables[one]))
                    for one in order
                ]
            )
        section["precisions"][precision] = summary(runs, {one: near(precision, one, outputs) for one in choices})
    return section


def backends(report: Mapping[str, Any], precision: str) -> list[str]:
    """The backends that the calibration measured for classes of shape in one precision, in the table's order.

    Args:
        report: what `rvc doctor --calibrate --json` printed.
        precision: such as "float32", the second part of the name of a class of shape.
    """
    rows = [row for shape, row in report["backends"]["rows"].items() if shape.rsplit(" ", 3)[1] == precision]
    return list(dict.fromkeys(name for row in rows for name in row["seconds"]))


def refused(command: Sequence[str], threads: int, variables: Mapping[str, str]) -> str:
    """Why rvc refuses a precision under the measured choice; empty where it converts. This run also fills caches.

    Raises:
        ChildFailed: it failed for another reason than a slow precision.
    """
    try:
        child.run(command, threads=threads, variables=variables)
    except child.ChildFailed as failed:
        if "int8 takes" not in str(failed):
            raise
        return f"refused: {str(failed).partition('rvc: ')[2].strip() or failed}"
    return ""


def summary(rounds: Sequence[Sequence[TimedRun]], exactness: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Summarize the runs of one precision.

    Args:
        rounds: the runs of each round, one for each choice.
        exactness: whether a choice's output is near enough, by choice.
    """
    by_choice = {name: [run for runs in rounds for run in runs if run.who == name] for name in exactness}
    pinned = [name for name in by_choice if name != MEASURED and exactness[name]["exact"]]
    best = min(pinned, key=lambda name: median(run.seconds for run in by_choice[name]))
    pairs = list(zip(by_choice[MEASURED], by_choice[best], strict=True))
    return {
        "rows": {name: {**costs(runs), **exactness[name]} for name, runs in by_choice.items()},
        "best": best,
        "slower": interval_document([a.seconds / b.seconds for a, b in pairs]),
        "slower_cpu": interval_document([a.cpu_seconds / b.cpu_seconds for a, b in pairs]),
        "other_load": max(run.other_load for runs in rounds for run in runs),
        "series": [[asdict(run) for run in runs] for runs in rounds],
    }


def near(precision: str, choice: str, outputs: Mapping[str, Path]) -> dict[str, Any]:
    """Whether a choice's output is near enough to that of the fixed order."""
    if choice == FIXED:
        return {"exact": True, "why": "the reference of the other rows"}
    return same_output.beside(outputs[FIXED], outputs[choice], LEAST_SNR[precision])
