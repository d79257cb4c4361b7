"""The parts of a run on a GPU machine: what each runs, what it writes, and after how many seconds it is ended."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TOTAL = 360.0  # seconds of the whole run, with the unpacking
# The reduced precision that is judged on a device: float16 is refused on a processor.
REDUCED = {"cuda": "float16", "cpu": "bfloat16"}


@dataclass(frozen=True)
class Lengths:
    """How much is measured.

    Attributes:
        short, long: seconds of audio of the conversions.
        turns: turns of ten live blocks of each program.
        repeats: conversions in one process.
        blocks: (block, context) in seconds of the live streams.
    """

    short: float = 30.0
    long: float = 600.0
    turns: int = 6
    repeats: int = 3
    blocks: tuple[tuple[float, float], ...] = ((0.25, 2.5), (0.1, 1.0))


FULL = Lengths()
TRIAL = Lengths(short=2.0, long=4.0, turns=1, repeats=1)  # on a processor, where only the script is tried


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        name: as it stands in the results.
        command: what runs.
        limit: seconds after which it is ended.
        result: the JSON file that it writes, or None.
        accepted: exit codes of a complete run.
        absent: why it is not run; None runs it.
    """

    name: str
    command: tuple[str, ...]
    limit: float
    result: Path | None = None
    accepted: tuple[int, ...] = (0,)
    absent: str | None = None


def parts(pack: Path, about: Mapping[str, object], device: str, out: Path, lengths: Lengths) -> list[Part]:
    """The parts in their order; what makes the others possible and what takes least time comes first.

    Args:
        pack: the packed folder.
        about: its about.json.
        device: "cuda" or "cpu".
        out: the folder of the results.
        lengths: how much is measured.
    """
    python = (sys.executable, "-m")
    where = ("--device", device)
    reduced, no_original = REDUCED[device], None if about["original"] else "not measured: packed without --checkout"
    made = [Part("voices", (*python, "bench.gpu.voices", "--pack", str(pack)), 75.0)]
    for precision in ("float32", reduced):
        folder = out / f"parity-{precision}"
        choice = () if precision == "float32" else ("--precision", precision, "--tier", precision)
        goldens = ("--goldens", str(pack / "code" / "goldens" / "cases"), "--out", str(folder))
        command = (*python, "parity", "run", *where, *choice, *goldens)
        made.append(Part(f"parity {precision}", command, 40.0, folder / "verdict.json", (0, 1, 4)))
    spread = out / "spread.json"
    command = (*python, "bench.gpu.original_spread", "--pack", str(pack), *where, "--out", str(spread))
    made.append(Part("original", command, 50.0, spread, absent=no_original))
    measured = (*python, "bench.gpu.measurements")
    options: tuple[str, ...] = (*where, "--repeats", str(lengths.repeats), "--turns", str(lengths.turns))
    options += ("--checkout", str(pack / "original")) if about["original"] else ()
    short, long = (f"{seconds:g}" for seconds in (lengths.short, lengths.long))
    for name, task, limit in (
        (f"offline {short} s", ("offline", "--seconds", short), 45.0),
        *(
            (f"live {block:g} s", ("live", "--block", f"{block:g}", "--context", f"{context:g}"), 30.0)
            for block, context in lengths.blocks
        ),
        (f"offline {long} s", ("offline", "--seconds", long), 35.0),
    ):
        result = out / f"{name.replace(' ', '-')}.json"
        made.append(Part(name, (*measured, *task, *options, "--out", str(result)), limit, result))
    return made
