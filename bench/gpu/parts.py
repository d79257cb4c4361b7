"""The parts of a run on a GPU machine: the command of each, its result, and after how many seconds it is ended."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

TOTAL = 360.0  # seconds after which the whole run, with the unpacking, is ended; the limits of the parts are choices
# The reduced precision that is judged on a device: float16 is refused on a processor.
REDUCED = {"cuda": "float16", "cpu": "bfloat16"}


@dataclass(frozen=True)
class Lengths:
    """How much is measured.

    Attributes:
        seconds: lengths of the conversions.
        blocks: (block, context) in seconds of the live streams.
        turns: turns of live blocks of each program.
        blocks_per_turn: blocks of each turn; as many are converted before the first turn, and not counted.
        repeats: conversions of the first length after the first one of a process; of the others there is one.
        reduced_case: the golden that is judged in the reduced precision; None: all.
        limit_factor: factor on the time limits of the parts and of the whole.
    """

    seconds: tuple[float, ...] = (30.0, 600.0)
    blocks: tuple[tuple[float, float], ...] = ((0.25, 2.5), (0.1, 1.0))
    turns: int = 6
    blocks_per_turn: int = 10
    repeats: int = 3
    reduced_case: str | None = None
    limit_factor: float = 1.0


FULL = Lengths()


def trial(about: Mapping[str, object]) -> Lengths:
    """One small measurement of each kind, for a dry run of the script on a processor.

    Args:
        about: about.json of the packed folder.
    """
    first, *_ = cast(list[str], about["for_original"])
    return Lengths((1.0,), ((0.25, 0.5),), turns=1, blocks_per_turn=2, repeats=1, reduced_case=first, limit_factor=8.0)


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        name: the name in the results.
        command: the program and its arguments.
        limit: seconds after which it is ended.
        result: the JSON file that it writes, or None.
        accepted: exit codes of a complete run.
        absent: why the part is not run; None where it is run.
    """

    name: str
    command: tuple[str, ...]
    limit: float
    result: Path | None = None
    accepted: tuple[int, ...] = (0,)
    absent: str | None = None


def parts(pack: Path, about: Mapping[str, object], device: str, out: Path, lengths: Lengths) -> list[Part]:
    """The parts in the order in which they run: first what others depend on, then what takes least time.

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
    made = [Part("voices", (*python, "bench.gpu.voices", "--pack", str(pack)), 40.0)]
    for precision in ("float32", reduced):
        folder = out / f"parity-{precision}"
        choice = () if precision == "float32" else ("--precision", precision, "--tier", precision)
        goldens = ("--goldens", str(pack / "code" / "goldens" / "cases"), "--out", str(folder))
        few = () if precision == "float32" or lengths.reduced_case is None else ("--case", lengths.reduced_case)
        command = (*python, "parity", "run", *where, *choice, *goldens, *few)
        made.append(Part(f"parity {precision}", command, 30.0, folder / "verdict.json", (0, 1, 4)))
    spread = out / "spread.json"
    command = (*python, "bench.gpu.original_spread", "--pack", str(pack), *where, "--out", str(spread))
    made.append(Part("original", command, 70.0, spread, absent=no_original))
    measured = (*python, "bench.gpu.measurements")
    options: tuple[str, ...] = (*where, "--turns", str(lengths.turns))
    options += ("--blocks-per-turn", str(lengths.blocks_per_turn))
    options += ("--checkout", str(pack / "original")) if about["original"] else ()
    short, *long = (
        (f"offline {seconds:g} s", ("offline", "--seconds", f"{seconds:g}", "--repeats", str(repeats)), limit)
        for seconds, repeats, limit in zip(lengths.seconds, (lengths.repeats, 1), (55.0, 35.0), strict=False)
    )
    live = (
        (f"live {block:g} s", ("live", "--block", f"{block:g}", "--context", f"{context:g}"), 30.0)
        for block, context in lengths.blocks
    )
    for name, task, limit in (short, *live, *long):
        result = out / f"{name.replace(' ', '-')}.json"
        made.append(Part(name, (*measured, *task, *options, "--out", str(result)), limit, result))
    return [replace(part, limit=part.limit * lengths.limit_factor) for part in made]
