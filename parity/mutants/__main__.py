"""python -m parity.mutants [--only TEXT] [--slice I/N] [--resume] [--minutes M] [--workers N] [--null N]
[--recompute]: plant every fault, judge, print the kill matrix.

Writes out/mutants.json, and what came of each job into out/mutants/, so that a run can be done in parts: `--resume`
keeps what lies there and tries only the rest. Exit codes: 0 every target is met, 1 not so, 2 usage; with
`--only` the targets are that all are caught and nobody is accused without a fault.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from parity.errors import ParityError, UsageError
from parity.goldens import store
from parity.mutants import schedule, summary
from parity.mutants.catalog import catalogue
from parity.mutants.schedule import Job
from parity.mutants.trial import Outcome

OUT = Path("out") / "mutants.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--only", help="faults whose name contains this, or whose stage begins so")
    parser.add_argument("--slice", default="1/1", help="I/N: the I-th of N parts of the work")
    parser.add_argument("--resume", action="store_true", help="keep what out/mutants/ holds and try only the rest")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--null", type=int, default=100, help="runs without a fault, which have to accuse nobody")
    parser.add_argument("--recompute", action="store_true", help="compute every stage in every trial")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after about so long; --resume goes on")
    parser.add_argument("--goldens", type=Path, default=store.GOLDENS)
    parser.add_argument("--out", type=Path, default=OUT)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m parity.mutants`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m parity.mutants", description="Prove the judge by planted bugs.")
    add_options(parser)
    try:
        return execute(parser.parse_args(arguments))
    except ParityError as error:
        print(f"parity.mutants: {error}", file=sys.stderr)
        return 2


def execute(given: argparse.Namespace) -> int:
    """Try the faults that the options choose; returns the exit code. Raises ParityError for a wrong option."""
    folders = store.cases(given.goldens)
    if not folders:
        raise UsageError(f"there is no case below {given.goldens}; is this the root of the repository?")
    begin = time.monotonic()
    jobs, without = schedule.plan(folders, given.only, given.null)
    folder = given.out.with_suffix("")
    if not given.resume:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    mine = [job for job in schedule.part(jobs, *_slice(given.slice)) if not (folder / schedule.key(job)).is_file()]
    bar: dict[str, Any] = {"total": len(mine), "unit": "run", "desc": "mutants", "file": sys.stderr}
    results = schedule.done(mine, given.workers, given.recompute)
    misfits: list[str] = []
    for job, found in tqdm(results, disable=not sys.stderr.isatty(), **bar):
        if "misfit" in found:
            misfits.append(found["misfit"])
        else:
            _write(folder / schedule.key(job), found)
        if time.monotonic() - begin > 60 * given.minutes:
            results.close()
            break
    found = _collect(folder, jobs, without) | {"seconds": round(time.monotonic() - begin, 1)}
    _write(given.out, found)
    print(summary.matrix([Outcome(**outcome) for outcome in found["outcomes"]]))
    print(summary.closing(found))
    missed = [] if given.only else summary.missed(found)
    print("\n".join([f"missed: {sentence}" for sentence in missed] + [f"not planted: {why}" for why in misfits]))
    return 1 if missed or misfits or found["survivors"] or found["null_accusations"] else 0


def _slice(text: str) -> tuple[int, int]:
    first, _, last = text.partition("/")
    if not (first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise UsageError(f"the slice is {text!r}; expected I/N such as 1/8, I from 1 to N")
    return int(first), int(last)


def _write(path: Path, document: dict[str, Any]) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def _collect(folder: Path, jobs: Sequence[Job], without: Sequence[str]) -> dict[str, Any]:
    """mutants.json's document over all jobs that are done."""
    there = {job: folder / schedule.key(job) for job in jobs if (folder / schedule.key(job)).is_file()}
    read = {job: json.loads(path.read_text(encoding="utf-8")) for job, path in there.items()}
    order = {fault.name: place for place, fault in enumerate(catalogue())}
    outcomes = sorted((found for job, found in read.items() if job.variant is None), key=lambda o: order[o["name"]])
    runs = [found for job, found in read.items() if job.variant is not None]
    return summary.summary([Outcome(**outcome) for outcome in outcomes]) | {
        "null_runs": len(runs),
        "null_accusations": [found for found in runs if found["accused"]],
        "untried": [*without, *(job.name for job in jobs if job not in read)],
        "outcomes": outcomes,
    }


if __name__ == "__main__":
    sys.exit(main())
