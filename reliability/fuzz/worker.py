"""The process that tries many inputs of one reader, guided by coverage where atheris is installed."""

import hashlib
import json
import mmap
import os
import random
import resource
import struct
import tempfile
import time
from pathlib import Path

from reliability.fuzz import attempt, guards
from reliability.fuzz.mutation import raw
from reliability.fuzz.reader import Kind, Outcome, Reader

MEMORY = 2 << 30  # bytes that a reader may use beside the libraries
COUNTERS = ("tried", "used", "refused", "defect", "busy_since", "busy_cpu", "longest_us", "peak_kib")
FORM = struct.Struct(f"<{len(COUNTERS)}q")
FRESH = 0.4  # share of the inputs that are made from a valid one, since most of the kept inputs are refused
KEPT = 400  # inputs of an unguided run that later ones are made from


class Shared:
    """Counters in memory that the campaign reads while the worker runs, and after it has ended."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, FORM.size)

    def read(self) -> dict[str, int]:
        """Every counter by its name."""
        return dict(zip(COUNTERS, FORM.unpack(self._memory[:]), strict=True))

    def add(self, **changes: int) -> None:
        """Add to counters."""
        values = self.read()
        self._write(values | {name: values[name] + change for name, change in changes.items()})

    def set(self, **values: int) -> None:
        """Replace counters."""
        self._write(self.read() | values)

    def _write(self, values: dict[str, int]) -> None:
        self._memory[:] = FORM.pack(*(values[name] for name in COUNTERS))


class Worker:
    """Tries inputs and stores one example of each defect."""

    def __init__(self, reader: Reader, folder: Path, shared: Shared, known: set[str]) -> None:
        """Prepare the process.

        Args:
            reader: the reader under test.
            folder: receives the corpus, the failures and the current input.
            shared: the counters.
            known: signatures of defects that are stored already.
        """
        self.reader, self.folder, self.shared, self.known = reader, folder, shared, known
        temporary = folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = str(temporary)
        self.attempts = attempt.Attempts(reader, folder, guards.Guard(folder))

    def try_one(self, data: bytes) -> Outcome:
        """Read one input and count it."""
        begin = time.monotonic_ns()
        self.shared.set(busy_since=begin, busy_cpu=time.process_time_ns())
        outcome = self.attempts.run(data)
        took = (time.monotonic_ns() - begin) // 1000
        longest = max(self.shared.read()["longest_us"], took)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.shared.set(busy_since=0, longest_us=longest, peak_kib=peak)
        self.shared.add(tried=1, **{outcome.kind.value: 1})
        if outcome.kind is Kind.DEFECT and outcome.signature not in self.known:
            self.known.add(outcome.signature)
            store_failure(self.folder, data, outcome)
        return outcome


def store_failure(folder: Path, data: bytes, outcome: Outcome) -> None:
    """Write an input that fails and what it causes below `failures/`."""
    failures = folder / "failures"
    failures.mkdir(exist_ok=True)
    name = hashlib.sha256(outcome.signature.encode()).hexdigest()[:12]
    (failures / f"{name}.bin").write_bytes(data)
    about = {"signature": outcome.signature, "detail": outcome.detail}
    (failures / f"{name}.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def run(reader: Reader, folder: Path, shared: Shared, known: set[str], seed: int, inputs: int, guided: bool) -> None:
    """Try inputs until `inputs` are tried, then end the process. Called in a forked child.

    Args:
        reader, folder, shared, known: as in `Worker`.
        seed: the seed of the random choices.
        inputs: how many are tried.
        guided: use atheris; without it inputs are made from the seeds and from inputs that were used.
    """
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    worker = Worker(reader, folder, shared, known)
    worker.attempts.warm_up()
    guards.limit_memory(MEMORY)
    if guided:
        _run_guided(worker, folder, seed, inputs)
    else:
        _run_unguided(worker, folder, seed, inputs)


def _run_guided(worker: Worker, folder: Path, seed: int, inputs: int) -> None:
    import atheris  # optional

    def test(data: bytes) -> None:
        worker.try_one(bytes(data))

    seeds = worker.reader.seeds()

    def mutate(data: bytes, _largest: int, number: int) -> bytes:
        choices = random.Random(number)
        fresh = choices.random() < FRESH
        return worker.reader.mutate(choices.choice(seeds) if fresh else bytes(data), choices)

    # The campaign attributes a process's death to its current input, so libFuzzer's own handlers are switched off.
    signals = [
        f"-handle_{name}=0" for name in ("segv", "abrt", "bus", "ill", "fpe", "int", "term", "xfsz", "usr1", "usr2")
    ]
    options = [
        f"-seed={seed}",
        f"-runs={inputs}",
        "-timeout=1000000",
        "-rss_limit_mb=0",
        f"-max_len={raw.LARGEST}",
        *signals,
    ]
    # The corpus may hold more than `inputs` files, all of which libFuzzer runs before the first mutation.
    options += ["-reload=0", "-detect_leaks=0", "-verbosity=0", f"-artifact_prefix={folder}/"]
    atheris.Setup(["fuzz", *options, str(folder / "corpus")], test, custom_mutator=mutate)
    atheris.Fuzz()


def _run_unguided(worker: Worker, folder: Path, seed: int, inputs: int) -> None:
    choices = random.Random(seed)
    kept = [path.read_bytes() for path in sorted((folder / "corpus").iterdir())]
    for _ in range(inputs):
        data = worker.reader.mutate(choices.choice(kept), choices)
        if worker.try_one(data).kind is Kind.USED and len(kept) < KEPT:
            kept.append(data)
