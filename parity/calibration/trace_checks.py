"""The checks of the variants' traces. Each trace is an independent task, which an executor may run elsewhere.

The result of a task is stored beside the output file as soon as it is there, so that a run that was interrupted can be
continued: a task is recognized by the content of every file that it reads.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from parity import stages
from parity.calibration import spread
from parity.errors import ParityError
from parity.goldens import store, trace_file
from parity.goldens.arrays import Array
from parity.goldens.text import printable
from parity.judge import limits as tolerance

if TYPE_CHECKING:
    from parity.rvc_bridge.task_executors import Executor


@dataclass(frozen=True)
class Check:
    """One value of a variant and the limit that the other variants give."""

    variant: str
    tensor: str
    mode: str
    metric: str
    network_f0: bool
    value: float
    limit: float
    case: str = ""

    @property
    def alarm(self) -> bool:
        """Whether the variant lies beyond the limit, although it is legitimate."""
        return not self.value <= self.limit


@dataclass(frozen=True)
class Task:
    """A trace to check. Its paths are absolute, because a worker may have another working directory.

    Attributes:
        variant: the name of the variant that wrote the trace.
        trace: the file.
        golden: the folder of the golden of its case.
        spread: the file that the limits are derived from.
        left_out: the variant whose values give no limit; empty for none.
        reference: a trace in the place of the golden's tensors.
    """

    variant: str
    trace: Path
    golden: Path
    spread: Path
    left_out: str = ""
    reference: Path | None = None

    def digest(self) -> str:
        """SHA-256 over the content of all files that are read, and the names of the variants."""
        golden = [self.golden / store.JSON_NAME, self.golden / store.DATA_NAME]
        files = [self.spread, self.trace, *golden, *([self.reference] if self.reference else [])]
        names = [self.variant, self.left_out, self.golden.name, self.trace.stem]
        return hashlib.sha256("\n".join([*names, *map(_digest, files)]).encode()).hexdigest()


def without(document: Mapping[str, Any], variant: str) -> dict[str, Any]:
    """The spread without one of its variants."""
    entries = []
    for entry in document["entries"]:
        others = {name: value for name, value in entry["by_variant"].items() if name != variant}
        if others:
            entries.append({**entry, "by_variant": others})
    return {**document, "entries": entries}


def of_variants(spread_file: Path, variants: Iterable[str], folder: Path, goldens: Path) -> list[Task]:
    """A task for each trace of the variants, which are left out of their own limits.

    Args:
        spread_file: the measured spread.
        variants: the names of the variants.
        folder: the traces: VARIANT/CASE/MODE.safetensors.
        goldens: the folder of goldens.
    """
    return [
        Task(variant, path.resolve(), (goldens / path.parent.name).resolve(), spread_file.resolve(), variant)
        for variant in variants
        for path in sorted((folder / variant).glob("*/*.safetensors"))
    ]


def of_fresh(folder: Path, goldens: Path) -> list[Task]:
    """Tasks of variants that were run on noise of no golden; the first variant by name is the reference."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    tasks = []
    for path in sorted((folder / names[0]).glob("*/chained.safetensors")) if names else ():
        for variant in names[1:]:
            other = folder / variant / path.parent.name / path.name
            if other.is_file():
                golden = (goldens / path.parent.name).resolve()
                tasks.append(
                    Task(variant, other.resolve(), golden, tolerance.SPREAD.resolve(), reference=path.resolve())
                )
    return tasks


def run(task: Task) -> list[Check]:
    """Compare a trace with its golden, or its reference, by the limits of the other variants.

    Raises:
        ParityError: a file of the task is missing or damaged.
    """
    case: store.Case = store.open_case(task.golden)
    if task.reference:
        known = {name: value for name, value in trace_file.read(task.reference).items() if stages.is_known(name)}
        case = store.MemoryCase(case.meta, known)
    limits = _limits(task.spread, _digest(task.spread), task.left_out)  # a worker may outlive the file's content
    return list(_checks(task.variant, case, trace_file.read(task.trace), task.trace.stem, limits))


class Journal:
    """The results of finished tasks, one line of JSON each, beside the file that they are for."""

    def __init__(self, out: Path, *, resumes: bool) -> None:
        """Open the journal of an output file.

        Args:
            out: the output file.
            resumes: whether results that are there count; otherwise they are removed.
        """
        self.path = journal_of(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        self.known: dict[str, list[Check]] = {}
        if resumes and self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                    self.known[row["task"]] = [Check(**check) for check in row["checks"]]
                except (ValueError, KeyError, TypeError):
                    continue  # a line that an interrupted run has left unfinished
        self._file = self.path.open("a" if resumes else "w", encoding="utf-8")

    def add(self, task: Task, checks: Sequence[Check]) -> None:
        """Store the result of a task."""
        row = {"task": task.digest(), "checks": [vars(check) for check in checks]}
        self._file.write(f"\n{json.dumps(row)}\n")  # a line of its own, also behind an unfinished one
        self._file.flush()

    def close(self) -> None:
        """Close the file, which stays until the output is written."""
        self._file.close()


def journal_of(out: Path) -> Path:
    """The journal of an output file."""
    return out.with_name(f"{out.name}.tasks")


def results(tasks: Sequence[Task], out: Path, executor: Executor | None, *, resumes: bool) -> list[Check]:
    """Run tasks and return their checks, in the order of the tasks; prints a task that failed and its error.

    Args:
        tasks: the tasks.
        out: the file that the results are for; the journal lies beside it.
        executor: runs the tasks; None: this process does.
        resumes: take the results that an interrupted run has stored.
    Raises:
        ParityError: tasks failed; the others are in the journal.
    """
    checks: dict[int, list[Check]] = {}
    with closing(Journal(out, resumes=resumes)) as journal:
        if journal.known:
            checks = {
                place: journal.known[digest]
                for place, digest in enumerate(task.digest() for task in tasks)
                if digest in journal.known
            }
        left = [place for place in range(len(tasks)) if place not in checks]
        failed = 0
        outcomes = _elsewhere(tasks, left, executor) if executor else _here(tasks, left)
        shown = tqdm(outcomes, total=len(left), desc="traces", unit="trace", disable=not sys.stderr.isatty())
        for place, value in shown:
            if isinstance(value, str):
                failed += 1
                tqdm.write(f"parity: {printable(f'{tasks[place].trace}: {value}')}", file=sys.stderr)
            else:
                checks[place] = value
                journal.add(tasks[place], value)
    if failed:
        raise ParityError(
            f"{failed} of {len(tasks)} traces could not be checked; repair or remove them, then continue with --resume"
        )
    return [check for place in range(len(tasks)) for check in checks[place]]


def _here(tasks: Sequence[Task], places: Sequence[int]) -> Iterator[tuple[int, list[Check] | str]]:
    for place in places:
        yield place, attempt(tasks[place])


def _elsewhere(
    tasks: Sequence[Task], places: Sequence[int], executor: Executor
) -> Iterator[tuple[int, list[Check] | str]]:
    for outcome in executor.results(attempt, [tasks[place] for place in places]):
        yield places[outcome.index], outcome.value if outcome.error is None else outcome.error


def attempt(task: Task) -> list[Check] | str:
    """`run`, or the sentence of an error of the judge."""
    try:
        return run(task)
    except ParityError as error:
        return str(error)


@lru_cache(maxsize=8)
def _limits(spread_file: Path, _digest_of_it: str, left_out: str) -> tolerance.Limits:
    document = tolerance.read(spread_file)
    return tolerance.Limits(without(document, left_out) if left_out else document)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


def _checks(
    variant: str, case: store.Case, made: Mapping[str, Array], mode: str, limits: tolerance.Limits
) -> Iterator[Check]:
    network = tolerance.network_f0(case.options)
    for name, metric, value in spread.values(case, made, mode):
        limit = limits.find(name, mode, metric, network).limit
        yield Check(variant, spread.entry_name(name), mode, metric, network, value, limit, case.name)
