"""The campaign: one process per reader, watched for crashes and hangs, restarted until enough inputs were tried."""

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from reliability.fuzz import worker
from reliability.fuzz.reader import Kind, Outcome, Reader

HANG = 20.0  # seconds of processor time after which an input is taken to hang
IDLE_HANG = 300.0  # seconds after which an input that uses no processor time is taken to hang
POLL = 0.05  # seconds between two readings of the workers' counters
LONGEST_LOADING = 300.0  # seconds after which the time of a reader runs, although its process still loads libraries
ALL = 1 << 40  # inputs of a reader in a campaign that ends by time


@dataclass
class Figures:
    """What the campaign counted for one reader.

    Attributes:
        reader: its name.
        tried, used, refused: numbers of inputs; the rest were defects.
        defects: signature → an input that causes it.
        longest: seconds of the slowest input.
        peak: MiB, the largest resident memory of a worker, libraries included.
        covered, lines: lines of the reader's modules that the kept inputs reach, and all lines inside functions.
    """

    reader: str
    tried: int = 0
    used: int = 0
    refused: int = 0
    defects: dict[str, str] = field(default_factory=dict)
    longest: float = 0.0
    peak: int = 0
    covered: int = 0
    lines: int = 0


class Job:
    """The worker of one reader, started again after a crash."""

    def __init__(self, reader: Reader, folder: Path, seed: int, inputs: int, guided: bool) -> None:
        self.reader, self.folder, self.seed, self.inputs = reader, folder, seed, inputs
        self.guided = guided and not reader.is_full_size
        self.shared = worker.Shared()
        self.process = 0
        self.restarts = 0
        self.begun = self.begins_trying = time.monotonic()
        corpus = folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(reader.seeds()):
            (corpus / f"seed{number:03}").write_bytes(data)

    def start(self) -> None:
        """Fork a worker for the inputs that are left."""
        left = self.inputs - self.shared.read()["tried"]
        self.process = os.fork()
        if not self.process:
            code = 1
            try:
                seed = self.seed + 1000 * self.restarts + 1
                worker.run(self.reader, self.folder, self.shared, known(self.folder), seed, left, self.guided)
                code = 0
            finally:
                os._exit(code)

    def poll(self) -> bool:
        """Read the worker's counters, and end it where it hangs. Returns whether it still runs."""
        ended, status = os.waitpid(self.process, os.WNOHANG)
        busy = self.shared.read()["busy_since"]
        if not ended and busy and self._hangs(busy):
            os.kill(self.process, signal.SIGKILL)
            _, status = os.waitpid(self.process, 0)
            self._died(f"hang of more than {HANG:g} s")
            return self._restart()
        if not ended:
            return True
        if busy:
            code = os.waitstatus_to_exitcode(status)
            self._died(signal.Signals(-code).name if code < 0 else f"exit code {code}")
        return self._restart()

    def _hangs(self, busy_since: int) -> bool:
        waited = (time.monotonic_ns() - busy_since) / 1e9
        if waited <= HANG:  # no process uses more processor time than that, except in several threads
            return False
        fields = Path(f"/proc/{self.process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user and system time
        return used - self.shared.read()["busy_cpu"] / 1e9 > HANG or waited > IDLE_HANG

    def _died(self, how: str) -> None:
        data = (self.folder / "input.bin").read_bytes()
        self.shared.set(busy_since=0)
        self.shared.add(tried=1, defect=1)
        signature = f"{how} in {self.reader.name}"
        if signature not in known(self.folder):
            worker.store_failure(self.folder, data, Outcome(Kind.DEFECT, signature, how))

    def _restart(self) -> bool:
        self.restarts += 1
        if self.shared.read()["tried"] >= self.inputs or self.restarts > 2000:
            return False
        self.start()
        return True

    def is_loading(self) -> bool:
        """Whether the first worker has not begun with an input yet."""
        counted = self.shared.read()
        return not self.restarts and not counted["tried"] and not counted["busy_since"]

    def stop(self) -> None:
        """End the worker, whose time is over."""
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        self.shared.set(busy_since=0)

    def figures(self) -> Figures:
        """What was counted."""
        counted = self.shared.read()
        failures = {path: json.loads(path.read_text(encoding="utf-8")) for path in self.folder.glob("failures/*.json")}
        return Figures(
            self.reader.name,
            counted["tried"],
            counted["used"],
            counted["refused"],
            {about["signature"]: str(path.with_suffix(".bin")) for path, about in sorted(failures.items())},
            counted["longest_us"] / 1e6,
            counted["peak_kib"] >> 10,
        )


def known(folder: Path) -> set[str]:
    """The signatures of the defects that are stored in a reader's folder."""
    return {
        str(json.loads(path.read_text(encoding="utf-8"))["signature"]) for path in (folder / "failures").glob("*.json")
    }


def run(
    readers: Sequence[Reader],
    out: Path,
    seed: int,
    *,
    minutes: float | None = None,
    inputs: int | None = None,
    jobs: int = 1,
    guided: bool = True,
) -> list[Figures]:
    """Try inputs of each reader.

    Args:
        readers: the readers to try, in the order in which they run.
        out: receives a folder for each reader.
        seed: the seed of all random choices.
        minutes: the duration of all readers together, without the loading of libraries; each gets the same share.
            None: as long as `inputs` take.
        inputs: the number of inputs of each reader; None: as many as the time allows.
        jobs: how many readers run at a time.
        guided: whether atheris guides the inputs by the lines that they reach.
    Returns:
        The figures of each reader.
    """
    share = None if minutes is None else 60 * minutes * min(jobs, len(readers)) / len(readers)
    waiting, running, results = list(readers), list[Job](), list[Figures]()
    while waiting or running:
        while waiting and len(running) < jobs:
            reader = waiting.pop(0)
            most = ALL if inputs is None else inputs if not reader.is_full_size else max(inputs // 50, 1)
            job = Job(reader, out / reader.slug, seed, most, guided)
            job.start()
            running.append(job)
        time.sleep(POLL)
        for job in list(running):
            now = time.monotonic()
            if job.is_loading() and now - job.begun <= LONGEST_LOADING:
                job.begins_trying = now
            is_late = share is not None and now - job.begins_trying > share
            if is_late:
                job.stop()
            if is_late or not job.poll():
                running.remove(job)
                results.append(job.figures())
                print(line(results[-1]), flush=True)
    order = [reader.name for reader in readers]
    return sorted(results, key=lambda figures: order.index(figures.reader))


def line(figures: Figures) -> str:
    """One reader's figures as a line of text."""
    return (
        f"{figures.reader:<28} {figures.tried:>7} inputs: {figures.used} used, {figures.refused} refused, "
        f"{len(figures.defects)} defects; longest {figures.longest:.2f} s, peak {figures.peak} MiB"
    )


def document(results: Sequence[Figures], seed: int, guided: bool) -> dict[str, object]:
    """The figures of a campaign as JSON values."""
    return {"seed": seed, "guided": guided, "readers": [asdict(figures) for figures in results]}
