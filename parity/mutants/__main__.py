"""python -m parity.mutants [--only TEXT] [--slice I/N] [--resume] [--minutes M] [--workers N | --executor NAME]
[--null N] [--recompute] [--tier TIER]: judge `rvc` with every fault of the catalog, and print a table of what the judge
concluded.

Writes out/mutants.json, and the result of each job into out/mutants/, so that a run can be done in parts: `--resume`
keeps the results that are there and tries only the rest. Exit codes: 0 every target is met, 1 a target is missed,
2 usage. With `--only` the targets are that every fault is detected and that no run without a fault blames a stage. With
`--tier` the limits are those of a reduced precision: every fault that is visible in it must be detected and blamed.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from parity.errors import ParityError, UsageError
from parity.goldens import store, text
from parity.judge.states import Tier
from parity.judge.tiers import tier_limits
from parity.mutants import on_executor, schedule, summary
from parity.mutants.catalog import all_faults
from parity.mutants.schedule import Job
from parity.mutants.trial import Outcome
from parity.rvc_bridge import task_executors

OUT = Path("out") / "mutants.json"  # result in the tier float32; in another tier mutants-TIER.json


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--only", help="only faults whose name contains TEXT or whose stage begins with it", metavar="TEXT"
    )
    parser.add_argument("--slice", default="1/1", help="I/N: try the I-th of N parts of the jobs")
    parser.add_argument("--resume", action="store_true", help="keep the results in out/mutants/, try the rest")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes at a time (default: all cores)"
    )
    how.add_argument(
        "--executor",
        metavar="NAME",
        help="run the trials as tasks: processes[=N], dask[=N], or dask=ADDRESS, the scheduler of a cluster",
    )
    parser.add_argument(
        "--null", type=int, default=100, help="number of runs without a fault, which may blame no stage"
    )
    parser.add_argument("--recompute", action="store_true", help="compute every stage in every trial")
    parser.add_argument(
        "--minutes", type=float, default=1e9, help="stop after about so many minutes; --resume continues"
    )
    parser.add_argument("--goldens", type=Path, default=store.GOLDENS)
    parser.add_argument(
        "--tier",
        choices=[Tier.FLOAT32.value, *(tier.value for tier in tier_limits.REDUCED)],
        default=Tier.FLOAT32.value,
        help="the tier whose limits apply (default float32); faults below its noise are listed as not visible",
    )
    parser.add_argument("--out", type=Path, help=f"default {OUT}, or {OUT.stem}-TIER.json in another tier")


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m parity.mutants`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m parity.mutants", description="Test the judge by faults in rvc.")
    add_options(parser)
    try:
        return execute(parser.parse_args(arguments))
    except ParityError as error:
        print(f"parity.mutants: {error}", file=sys.stderr)
        return 2


def execute(options: argparse.Namespace) -> int:
    """Try the faults that the options choose; returns the exit code.

    Raises:
        UsageError: there is no golden, `--out` is no .json file, `--slice` is malformed, or there is no such executor.
    """
    folders, tier = store.cases(options.goldens), Tier(options.tier)
    out: Path = options.out or (OUT if tier is Tier.FLOAT32 else OUT.with_stem(f"{OUT.stem}-{tier}"))
    if not folders:
        raise UsageError(f"there is no case below {options.goldens}; is this the root of the repository?")
    if out.suffix != ".json":  # the folder beside it, which a new campaign empties, has its name without .json
        raise UsageError(f"--out is {out}; expected a name that ends in .json")
    executor = task_executors.named(options.executor)
    begin = time.monotonic()
    jobs, without = schedule.plan(folders, options.only, options.null)
    folder = out.with_suffix("")
    if not options.resume:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    part = schedule.part(jobs, *_slice(options.slice))
    remaining = [job for job in part if not (folder / schedule.key(job)).is_file()]
    outdated: list[str] = []
    results = (
        on_executor.results(remaining, executor, options.recompute, tier)
        if executor
        else schedule.results(remaining, options.workers, options.recompute, tier)
    )
    bar = tqdm(total=len(remaining), unit="run", desc="mutants", file=sys.stderr, disable=not sys.stderr.isatty())
    with bar, contextlib.closing(results):
        for result in results:
            bar.update()
            if result.document is not None:
                text.write_json(folder / schedule.key(result.job), result.document)
            elif result.outdated is not None:
                outdated.append(result.outdated)
            if time.monotonic() - begin > 60 * options.minutes:
                break
    document = _collect(folder, jobs, without) | {"seconds": round(time.monotonic() - begin, 1)}
    text.write_json(out, document)
    print(summary.matrix([Outcome(**outcome) for outcome in document["outcomes"]]))
    print(summary.closing(document))
    targets = summary.missed if tier is Tier.FLOAT32 else summary.missed_in_tier
    missed = [] if options.only and tier is Tier.FLOAT32 else targets(document)
    print("\n".join([f"missed: {sentence}" for sentence in missed] + [f"not tried: {why}" for why in outdated]))
    return 1 if missed or outdated or document["survivors"] or document["null_accusations"] else 0


def _slice(text: str) -> tuple[int, int]:
    first, _, last = text.partition("/")
    if not (first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise UsageError(f"the slice is {text!r}; expected I/N such as 1/8, I from 1 to N")
    return int(first), int(last)


def _collect(folder: Path, jobs: Sequence[Job], without: Sequence[str]) -> summary.Summary:
    """The object of mutants.json over all jobs whose result is in the folder.

    Args:
        folder: out/mutants/.
        jobs: all jobs of the plan.
        without: names of faults that no golden fits.
    """
    paths = {job: folder / schedule.key(job) for job in jobs if (folder / schedule.key(job)).is_file()}
    documents = {job: json.loads(path.read_text(encoding="utf-8")) for job, path in paths.items()}
    place = {fault.name: number for number, fault in enumerate(all_faults())}
    outcomes = [document for job, document in documents.items() if job.variant is None and not job.legitimate]
    outcomes.sort(key=lambda outcome: place[outcome["name"]])
    runs = [document for job, document in documents.items() if job.variant is not None or job.legitimate]
    return summary.summarize([Outcome(**outcome) for outcome in outcomes]) | {
        "null_runs": len(runs),
        "null_accusations": [run for run in runs if run["accused"]],
        "untried": [*without, *(job.name for job in jobs if job not in documents)],
        "outcomes": outcomes,
    }


if __name__ == "__main__":
    sys.exit(main())
