"""Which fault is tried on which golden, the runs without a fault, and the processes that execute both."""

import hashlib
import itertools
import multiprocessing
import os
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from parity import stages
from parity.errors import ParityError
from parity.goldens import store
from parity.goldens.store import Case
from parity.judge.limits import Limits
from parity.judge.states import Tier
from parity.judge.tiers import tier_limits
from parity.mutants import trial
from parity.mutants.cached_stages import StageCache
from parity.mutants.catalog import all_faults, legitimate
from parity.mutants.fault import Fault, fits
from parity.rvc_bridge.rvc_torch import RvcTorch
from parity.stages.profile_table import METHODS

# Largest `cost` of a golden that is run without a fault. Three goldens are above it; they take as long as all others.
MOST_COST_WITHOUT_FAULT = 120_000


MOST_IN_A_GROUP = 6  # jobs of one golden that a process executes before it hands over their results


@dataclass(frozen=True)
class Variant:
    """Circumstances that must not change a verdict; `reference/spread.py` ran the originals in the same ones."""

    name: str
    threads: int = 1
    environment: tuple[tuple[str, str], ...] = ()


VARIANTS = (
    Variant("as it is"),
    Variant("two threads", 2),
    Variant(
        "avx2",
        1,
        (("ATEN_CPU_CAPABILITY", "avx2"), ("ONEDNN_MAX_CPU_ISA", "AVX2"), ("MKL_ENABLE_INSTRUCTIONS", "AVX2")),
    ),
)


def cost(case: Case) -> int:
    """A number that grows with the duration of a run: samples given to the networks, times the F0 method's factor."""
    names = [name for name in case if stages.TensorName.parse(name).local in ("audio", "padded", "input16k")]
    samples = sum(int(case.entry(name)["shape"][-1]) for name in names)
    method = METHODS.get(str(case.options.get("f0_method")))
    return samples * (method.cost if method is not None and case.facts.f0 else 1)


@dataclass(frozen=True)
class Job:
    """A fault or a legitimate change on a case, or a run of a case without a fault in some variant.

    Attributes:
        name: the fault or the change, or "null-" and a number.
        folder: the golden.
        variant: None for a fault.
        legitimate: the name belongs to `catalog.legitimate`, and no stage may be blamed.
    """

    name: str
    folder: str
    variant: Variant | None = None
    legitimate: bool = False


def plan(folders: Sequence[Path], only: str | None, null: int) -> tuple[list[Job], list[str]]:
    """Choose for every fault the golden of least cost that fits it.

    Args:
        folders: the goldens.
        only: choose only faults whose name contains this or whose stage begins with it; None chooses all.
        null: number of runs without a fault.
    Returns:
        the jobs, those of one golden together, and the names of the faults that no golden fits.
    """
    cases = sorted((store.open_case(folder) for folder in folders), key=preference)
    jobs, without = [], []
    changes = [(fault, False) for fault in all_faults()] + [(change, True) for change in legitimate.CHANGES]
    for fault, is_legitimate in changes:
        if only and only not in fault.name and not fault.stage.startswith(only):
            continue
        case = next((case for case in cases if fits(fault, case)), None)
        if case is None:
            without.append(fault.name)
        else:
            jobs.append(Job(fault.name, str(case.folder), legitimate=is_legitimate))
    jobs.sort(key=lambda job: job.folder)
    return jobs + runs_without_fault([case for case in cases if cost(case) <= MOST_COST_WITHOUT_FAULT], null), without


def preference(case: Case) -> tuple[bool, int, str]:
    """Whole conversions first, which show a fault in both modes; then the cheaper golden."""
    return bool(case.facts.isolated), cost(case), case.name


def runs_without_fault(cases: Sequence[Case], count: int) -> list[Job]:
    """`count` runs without a fault, over all cases and variants in turn; those of one variant and voice together."""
    chosen = [(cases[i % len(cases)], VARIANTS[(i + i // len(cases)) % len(VARIANTS)]) for i in range(count)]
    chosen.sort(key=lambda pair: (VARIANTS.index(pair[1]), str(pair[0].voice["kind"]), pair[0].name))
    return [Job(f"null-{i:03}", str(case.folder), variant) for i, (case, variant) in enumerate(chosen)]


def part(jobs: Sequence[Job], piece: int, pieces: int) -> list[Job]:
    """The `piece`-th (from 1) of `pieces` parts of about the same length."""
    return list(jobs[len(jobs) * (piece - 1) // pieces : len(jobs) * piece // pieces])


Document = dict[str, Any]  # what out/mutants/ holds of a job


@dataclass(frozen=True)
class Result:
    """A finished job.

    Attributes:
        job: the job.
        document: what out/mutants/ keeps of it; None where the fault does not fit `rvc`.
        outdated: why the fault does not fit `rvc`, in one sentence; None where it does.
    """

    job: Job
    document: Document | None
    outdated: str | None = None


def results(
    jobs: Sequence[Job], workers: int, recompute: bool = False, tier: Tier = Tier.FLOAT32
) -> Generator[Result, None, None]:
    """Execute jobs in several processes and yield each result when it is there.

    Args:
        jobs: the jobs.
        workers: number of processes.
        recompute: compute every stage in every trial, as runs without a fault always do.
        tier: the tier whose limits apply.
    """
    variants: list[Variant | None] = [None, *VARIANTS]
    for variant in variants:
        chosen = [job for job in jobs if job.variant == variant]
        if not chosen:
            continue
        with (
            environment(variant),
            ProcessPoolExecutor(
                workers,
                multiprocessing.get_context("spawn"),
                start_worker,
                (variant.threads if variant else 1, recompute or variant is not None, tier),
            ) as pool,
        ):
            finished = pool.map(execute, groups(chosen, workers))
            try:
                for group in finished:
                    yield from group
            finally:
                finished.close()  # type: ignore[attr-defined]  # `map` returns a generator; this cancels what is left


def groups(jobs: Sequence[Job], workers: int) -> list[list[Job]]:
    """Jobs that one process executes after one another: those of one golden, which share what the cache keeps."""
    most = max(1, min(MOST_IN_A_GROUP, len(jobs) // (2 * workers)))
    of_golden = [list(group) for _, group in itertools.groupby(jobs, key=lambda job: job.folder)]
    return [group[first : first + most] for group in of_golden for first in range(0, len(group), most)]


@contextmanager
def environment(variant: Variant | None) -> Iterator[None]:
    """Set the environment of processes that are started in this block."""
    before = dict(os.environ)
    os.environ.update(dict(variant.environment) if variant else {})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass
class _Worker:
    """What a process keeps between jobs."""

    program: RvcTorch
    limits: Limits
    faults: dict[str, Fault]
    cache: StageCache | None
    installed: ExitStack  # keeps the cache installed until the process ends
    case: Case | None = None

    def open(self, folder: str) -> Case:
        """The golden of a folder, checked; the last one is kept, with the results of its stages."""
        if self.case is None or str(self.case.folder) != folder:
            self.case = store.open_case(Path(folder)).check()
            if self.cache is not None:
                self.cache.clear()
        return self.case


_workers: list[_Worker] = []  # the one of this process, once `start_worker` has run


def start_worker(threads: int, recompute: bool, tier: Tier) -> None:
    """Prepare this process for jobs: load the limits, and keep results of stages that a fault does not touch."""
    torch.set_num_threads(threads)
    cache = None if recompute else StageCache()
    installed = cache.install() if cache is not None else ExitStack()
    faults = {fault.name: fault for fault in (*all_faults(), *legitimate.CHANGES)}
    _workers[:] = [_Worker(RvcTorch(), tier_limits.load(tier), faults, cache, installed)]


def execute(jobs: Sequence[Job]) -> list[Result]:
    """Execute jobs in this process, which `start_worker` has prepared."""
    (worker,) = _workers
    return [_execute_one(job, worker) for job in jobs]


def _execute_one(job: Job, worker: _Worker) -> Result:
    begin = time.monotonic()
    case = worker.open(job.folder)
    if job.variant is not None:
        accused = trial.accusations(case, worker.program, worker.limits)
        seconds = round(time.monotonic() - begin, 2)
        return Result(job, {"accused": accused, "variant": job.variant.name, "case": case.name, "seconds": seconds})
    try:
        if job.legitimate:
            accused = trial.accusations(case, worker.program, worker.limits, worker.faults[job.name], worker.cache)
            seconds = round(time.monotonic() - begin, 2)
            return Result(job, {"accused": accused, "variant": job.name, "case": case.name, "seconds": seconds})
        outcome = trial.run(worker.faults[job.name], case, worker.program, worker.limits, worker.cache)
    except (AttributeError, NameError, TypeError, KeyError, ParityError) as error:
        return Result(job, None, f"{job.name} on {case.name}: {error}")  # the other faults are tried all the same
    outcome.seconds = round(time.monotonic() - begin, 2)
    return Result(job, outcome.document())


def key(job: Job) -> str:
    """The name of the file that keeps the result of a job; another golden or variant gives another name."""
    about = f"{job.folder} {asdict(job.variant) if job.variant else ''}"
    plain = job.name.replace("/", "-over-")
    return f"{plain}-{hashlib.sha256(about.encode()).hexdigest()[:8]}.json"
