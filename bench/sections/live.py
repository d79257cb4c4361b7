"""Realtime, ours beside the original's own window in one run: some blocks of the one, then some of the other."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.checks import same_output
from bench.judge.verdict import interval
from bench.measure import child
from bench.measure.workload import Workload, speech
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.block_times import BlockTimes

RATE = 40000  # the voice's own: the window's default is to run the sound card at it
WARM = 4  # blocks of each side before any counts
TURN = 10  # blocks at a time
MIX = ("--f0-method", "rmvpe", "--rms-mix-rate", "0")


def measure(
    precisions: Sequence[str], turns: int, original: str | None, checkout: Path | None, threads: int, scratch: Path
) -> dict[str, Any]:
    """Percentiles in ms for each side, ratios turn by turn, missed deadlines, and whether what was timed is exact."""
    sound = speech(20.0, scratch, RATE)
    commands = {name: ours(sound, name, threads, scratch) for name in precisions}
    if original is not None:
        commands["original"] = rival(sound, original, checkout, threads)
    times: dict[str, list[list[float]]] = {name: [] for name in commands}
    with ExitStack() as stack:
        servers = {}
        for name, command in commands.items():
            servers[name] = stack.enter_context(child.Server(command, threads=threads))
        for server in servers.values():
            server.ask(WARM)
        for number in tqdm(range(turns), desc="realtime", unit="turn", disable=None):
            for name in servers if number % 2 == 0 else reversed(servers):
                times[name].append(servers[name].ask(TURN)["ms"])
    exactness = same(sound, precisions, turns, threads, scratch)
    rows = {name: row(lists) for name, lists in times.items()}
    for name in precisions:
        rows[name] |= {"peak_mib": servers[name].peak_mib, **exactness[name]}
    return {"original": original, "ready": servers[precisions[0]].ready, "rows": rows, "faster": faster(times)}


def ours(sound: Path, precision: str, threads: int, scratch: Path, *, heard: bool = False) -> list[str]:
    """The command of our stream; what comes out is kept."""
    kept = scratch / f"blocks-{precision}{'-heard' if heard else ''}.npz"
    work = Workload(sound, 0.0, index_rate=0.0, threads=threads)
    words = [*work.files(), "--precision", precision, "--threads", str(threads), "--save", str(kept)]
    return [
        sys.executable,
        "-m",
        "bench.sections.live_blocks",
        str(sound),
        *words,
        *MIX,
        *(["--heard"] if heard else []),
    ]


def rival(sound: Path, original: str, checkout: Path | None, threads: int) -> list[str]:
    """The command of the original's window."""
    work = Workload(sound, 0.0, index_rate=0.0, threads=threads)
    where = ["--original", original, *(["--checkout", str(checkout)] if checkout else []), "--threads", str(threads)]
    return [sys.executable, "-m", "reference.run_blocks", str(sound), *where, *work.files(), *MIX]


def row(lists: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Percentiles over all blocks, with the interval that the turns span, and the deadlines missed."""
    sizes = BlockSizes.of(RATE)
    timings = BlockTimes(sizes.block / RATE)
    for value in (value for turn in lists for value in turn):
        timings.add(value / 1000)
    p95 = [float(np.percentile(turn, 95)) for turn in lists]
    return {"blocks": timings.count, **timings.summary(), "p95_by_turn": asdict(interval(p95))}


def faster(times: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Any]:
    """The original's median block over ours, turn by turn; the original over itself from turn to turn is the noise."""
    if "original" not in times:
        return {}
    middles = {name: [float(np.median(turn)) for turn in turns] for name, turns in times.items()}
    rival = middles.pop("original")
    noise = max((abs(b / a - 1) for a, b in pairwise(rival)), default=0.0)
    ratios = {name: [b / a for a, b in zip(mine, rival, strict=True)] for name, mine in middles.items()}
    return {**{name: asdict(interval(values)) for name, values in ratios.items()}, "noise": noise}


def same(sound: Path, precisions: Sequence[str], turns: int, threads: int, scratch: Path) -> dict[str, dict[str, Any]]:
    """The timed streams once more with every tap heard; only so many blocks as make the point."""
    blocks = WARM + TURN * min(turns, 3)
    found: dict[str, dict[str, Any]] = {}
    heard = {}
    for name in dict.fromkeys(["float32", *precisions]):
        with child.Server(ours(sound, name, threads, scratch, heard=True), threads=threads) as server:
            server.ask(blocks)
        with np.load(scratch / f"blocks-{name}-heard.npz") as kept:
            heard[name] = {key: kept[key] for key in kept.files}
    for name in precisions:
        with np.load(scratch / f"blocks-{name}.npz") as kept:
            timed = kept["out"][: len(heard[name]["out"])]
        if not np.array_equal(timed, heard[name]["out"]):
            found[name] = {"exact": False, "why": "the timed blocks are not the listened ones"}
            continue
        distances = [same_output.snr(heard["float32"][key], heard[name][key]) for key in ("out", "features")]
        found[name] = same_output.near(name, *distances)
    return found
