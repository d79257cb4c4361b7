"""The work of a catalogue: which fault is tried on which golden, runs without a fault, and who does it all."""

import hashlib
import os
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parity import stages
from parity.errors import ParityError
from parity.goldens import store
from parity.goldens.store import Case
from parity.judge import limits as tolerance
from parity.mutants import trial as trials
from parity.mutants.catalog import catalogue
from parity.mutants.fault import fits
from parity.stages.profile_table import METHODS

SMALL = 120_000  # samples: goldens up to this long are run without a fault; the three others cost as much as the rest


@dataclass(frozen=True)
class Variant:
    """A way to run that must not matter; `reference/spread.py` ran the original in the same ones."""

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
    """A fault on a case, or a run without one in some variant."""

    name: str
    folder: str
    variant: Variant | None = None


def plan(folders: Sequence[Path], only: str | None, null: int) -> tuple[list[Job], list[str]]:
    """Every fault on the cheapest golden that has what it needs, grouped by golden; runs without; faults without."""
    cases = sorted((store.open_case(folder) for folder in folders), key=lambda case: (cost(case), case.name))
    jobs, without = [], []
    for fault in catalogue():
        if only and only not in fault.name and not fault.stage.startswith(only):
            continue
        case = next((case for case in cases if fits(fault, case)), None)
        if case is None:
            without.append(fault.name)
        else:
            jobs.append(Job(fault.name, str(case.folder)))
    jobs.sort(key=lambda job: job.folder)
    return jobs + innocents([case for case in cases if cost(case) <= SMALL], null), without


def innocents(cases: Sequence[Case], count: int) -> list[Job]:
    """Runs without a fault, over all cases and all variants in turn, those of one variant and one voice together."""
    chosen = [(cases[i % len(cases)], VARIANTS[(i + i // len(cases)) % len(VARIANTS)]) for i in range(count)]
    chosen.sort(key=lambda pair: (VARIANTS.index(pair[1]), str(pair[0].voice["kind"]), pair[0].name))
    return [Job(f"null-{i:03}", str(case.folder), variant) for i, (case, variant) in enumerate(chosen)]


def part(jobs: Sequence[Job], piece: int, pieces: int) -> list[Job]:
    """The `piece`-th (from 1) of `pieces` about equal parts."""
    return list(jobs[len(jobs) * (piece - 1) // pieces : len(jobs) * piece // pieces])


Done = Generator[tuple[Job, dict[str, Any]], None, None]


def done(jobs: Sequence[Job], workers: int, recompute: bool = False) -> Done:
    """Each job with what came of it, as they are done; {"misfit": why} where a fault does not fit `rvc` any more."""
    import multiprocessing

    kinds: list[Variant | None] = [None, *VARIANTS]
    for kind in kinds:
        mine = [job for job in jobs if job.variant == kind]
        if not mine:
            continue
        each = max(1, min(6, len(mine) // (2 * workers)))
        with (
            environment(kind),
            ProcessPoolExecutor(
                workers,
                multiprocessing.get_context("spawn"),
                _start,
                (kind.threads if kind else 1, recompute or kind is not None),
            ) as pool,
        ):
            found = pool.map(_do, mine, chunksize=each)
            try:
                yield from zip(mine, found, strict=True)
            finally:
                found.close()  # type: ignore[attr-defined]  # a generator: what has not begun is called off


@contextmanager
def environment(variant: Variant | None) -> Iterator[None]:
    """What processes started in this block find in their environment."""
    before = dict(os.environ)
    os.environ.update(dict(variant.environment) if variant else {})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


_worker: dict[str, Any] = {}


def _start(threads: int, recompute: bool) -> None:
    import torch

    from parity.mutants.cached_stages import Memory
    from parity.rvc_bridge.rvc_torch import RvcTorch

    torch.set_num_threads(threads)
    memory = None if recompute else Memory()
    if memory is not None:
        memory.installed().__enter__()  # for as long as the process lives
    _worker.update(
        program=RvcTorch(),
        limits=tolerance.load(),
        cases={},
        memory=memory,
        learnt=None,
        faults={fault.name: fault for fault in catalogue()},
    )


def _case(folder: str) -> Case:
    if folder not in _worker["cases"]:
        _worker["cases"] = {folder: store.open_case(Path(folder)).check()}
    case: Case = _worker["cases"][folder]
    return case


def _do(job: Job) -> dict[str, Any]:
    case, program, limits, memory = _case(job.folder), _worker["program"], _worker["limits"], _worker["memory"]
    begin = time.monotonic()
    if job.variant is not None:
        found = {"accused": trials.accusations(case, program, limits), "variant": job.variant.name, "case": case.name}
        return found | {"seconds": round(time.monotonic() - begin, 2)}
    if memory is not None and _worker["learnt"] != job.folder:
        memory.forget()
        program.networks(case)
        with memory.learn():
            trials.accusations(case, program, limits)
        _worker["learnt"] = job.folder
    try:
        outcome = trials.run(_worker["faults"][job.name], case, program, limits, memory)
    except (AttributeError, NameError, TypeError, KeyError, ParityError) as error:
        return {"misfit": f"{job.name} on {case.name}: {error}"}  # said at the end; the other faults are still tried
    outcome.seconds = round(time.monotonic() - begin, 2)
    return outcome.document()


def key(job: Job) -> str:
    """The name of the file that keeps what came of a job: another golden or variant is another job."""
    about = f"{job.folder} {asdict(job.variant) if job.variant else ''}"
    plain = job.name.replace("/", "-over-")
    return f"{plain}-{hashlib.sha256(about.encode()).hexdigest()[:8]}.json"
