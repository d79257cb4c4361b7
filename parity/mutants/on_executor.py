"""A campaign as independent tasks for `--executor`: processes of this machine, or the workers of a Dask cluster.

A task is a few jobs of one golden. A worker executes them in a Python process of its own for each variant, because a
variant sets variables that libraries read when they are imported; the process is kept for the worker's next tasks and
ends with the worker, whose end of the pipe closes.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cache

from parity.judge.states import Tier
from parity.mutants import schedule
from parity.mutants.schedule import Job, Result, Variant
from rvc.errors import RvcError
from rvc.pipeline.executors import Executor


@dataclass(frozen=True)
class Batch:
    """A task: jobs of one golden and one variant, and what the processes that execute them have in common.

    Attributes:
        jobs: the jobs.
        recompute: as `schedule.results`; runs without a fault always compute every stage.
        tier: the tier whose limits apply.
        folder: the working directory, which relative paths of goldens start from.
    """

    jobs: tuple[Job, ...]
    recompute: bool
    tier: Tier
    folder: str


def results(jobs: Sequence[Job], executor: Executor, recompute: bool, tier: Tier) -> Generator[Result, None, None]:
    """Execute jobs and yield each result when it is there; jobs of a task that failed are results without a document.

    Args:
        jobs: the jobs.
        executor: runs the tasks, in any order.
        recompute: compute every stage in every trial.
        tier: the tier whose limits apply.
    """
    chosen = [[job for job in jobs if job.variant == variant] for variant in (None, *schedule.VARIANTS)]
    groups = [group for part in chosen if part for group in schedule.groups(part, workers=1)]
    batches = [Batch(tuple(group), recompute, tier, os.getcwd()) for group in groups]
    for outcome in executor.results(execute, batches):
        if outcome.error is None:
            yield from outcome.value
        else:
            yield from (
                Result(job, None, f"{job.name} on {job.folder}: {outcome.error}") for job in groups[outcome.index]
            )


def execute(batch: Batch) -> list[Result]:
    """Execute the jobs of a task, in the kept process of their variant.

    Raises:
        RvcError: the process ended.
    """
    variant = batch.jobs[0].variant
    process = _process(variant, batch.recompute or variant is not None, batch.tier, batch.folder)
    assert process.stdin is not None and process.stdout is not None
    try:
        pickle.dump(list(batch.jobs), process.stdin)
        process.stdin.flush()
        finished: list[Result] = pickle.load(process.stdout)  # from a process of our own
    except (EOFError, OSError, pickle.UnpicklingError):
        _process.cache_clear()
        raise RvcError(f"the process of a task ended with exit status {process.wait()}") from None
    return finished


@cache
def _process(variant: Variant | None, recompute: bool, tier: Tier, folder: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", "from parity.mutants import on_executor; on_executor.serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=folder,
        env={
            **os.environ,
            **(dict(variant.environment) if variant else {}),
            "PYTHONPATH": os.pathsep.join(path or folder for path in sys.path),
        },
    )
    assert process.stdin is not None
    pickle.dump((variant.threads if variant else 1, recompute, tier), process.stdin)
    return process


def serve() -> None:
    """The kept process: execute the jobs that arrive on stdin, after the settings, until it is closed."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints goes to stderr
    schedule.start_worker(*pickle.load(sys.stdin.buffer))
    while True:
        try:
            jobs = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(schedule.execute(jobs), answers)
        answers.flush()
