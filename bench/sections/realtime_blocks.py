"""The section live: blocks of rvc's realtime stream and of the original's realtime window, in turn."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.checks import same_output
from bench.checks.same_output import Exactness
from bench.judge.intervals import interval_document
from bench.measure import child
from bench.measure.load_clock import LoadClock
from bench.measure.workload import Workload, speech
from rvc.realtime.block_sizes import BlockSizes
from rvc.realtime.block_times import BlockTimes

RATE = 40000  # Hz: the voice's sample rate, which is also the window's default for the sound card
WARM_UP_BLOCKS = 4  # first blocks of each program, which are not counted
BLOCKS_PER_TURN = 10
TRACED_TURNS = 3  # turns that are repeated with a tap to check exactness
STREAM_OPTIONS = ("--f0-method", "rmvpe", "--rms-mix-rate", "0")


def measure(
    precisions: Sequence[str],
    turns: int,
    original: str | None,
    checkout: Path | None,
    threads: int,
    scratch: Path,
    *,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Time blocks of all programs in turn.

    Args:
        precisions: precisions of rvc.
        turns: turns of each program.
        original: name of the original; None measures rvc alone.
        checkout: folder of the WebUI.
        threads: threads of each program.
        scratch: folder of inputs and outputs.
        variables: environment variables of each program.
    Returns:
        The section: `rows` with percentiles in ms, missed deadlines and exactness by program, and `faster` with the
        ratio of the original to each precision, `faster_cpu` with that of processor seconds; `other_load`, the part of
        the processors that other programs used.
    """
    sound = speech(20.0, scratch, RATE)
    commands = {name: rvc_command(sound, name, threads, scratch) for name in precisions}
    if original is not None:
        commands["original"] = original_command(sound, original, checkout, threads)
    times: dict[str, list[list[float]]] = {name: [] for name in commands}
    cpu_ms: dict[str, list[list[float]]] = {name: [] for name in commands}  # time of a block, by turn
    with ExitStack() as stack:
        servers = {}
        for name, command in commands.items():
            servers[name] = stack.enter_context(child.Server(command, threads=threads, variables=variables))
        for server in servers.values():
            server.request(WARM_UP_BLOCKS)
        clock = LoadClock([server.process.pid for server in servers.values()])
        for number in tqdm(range(turns), desc="realtime", unit="turn", disable=None):
            for name in servers if number % 2 == 0 else reversed(servers):
                times[name].append(servers[name].request(BLOCKS_PER_TURN)["ms"])
                cpu_ms[name].append([servers[name].cpu_seconds * 1000 / BLOCKS_PER_TURN])
        load = clock.other_load()
    exactness = check_exactness(sound, precisions, turns, threads, scratch, variables)
    rows = {name: row(lists) | row_of_processor(cpu_ms[name]) for name, lists in times.items()}
    for name in precisions:
        rows[name] |= {"peak_mib": servers[name].peak_mib, **exactness[name].document()}
    ready = servers[precisions[0]].ready
    ratios = {"faster": faster(times), "faster_cpu": faster(cpu_ms)}
    return {"original": original, "ready": ready, "rows": rows, **ratios, "other_load": load}


def rvc_command(sound: Path, precision: str, threads: int, scratch: Path, *, traced: bool = False) -> list[str]:
    """The command of rvc's stream, which writes its output into `scratch`."""
    output = scratch / f"blocks-{precision}{'-traced' if traced else ''}.npz"
    workload = Workload(sound, 0.0, index_rate=0.0, threads=threads)
    options = [*workload.voice_options(), "--precision", precision, "--threads", str(threads), "--save", str(output)]
    return [
        sys.executable,
        "-m",
        "bench.sections.realtime_server",
        str(sound),
        *options,
        *STREAM_OPTIONS,
        *(["--traced"] if traced else []),
    ]


def original_command(sound: Path, original: str, checkout: Path | None, threads: int) -> list[str]:
    """The command of the original's window."""
    workload = Workload(sound, 0.0, index_rate=0.0, threads=threads)
    where = ["--original", original, *(["--checkout", str(checkout)] if checkout else []), "--threads", str(threads)]
    return [
        sys.executable,
        "-m",
        "reference.run_blocks",
        str(sound),
        *where,
        *workload.voice_options(),
        *STREAM_OPTIONS,
    ]


def row(lists: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Percentiles over all blocks in ms, the interval of the 95th percentile over turns, and missed deadlines."""
    sizes = BlockSizes.of(RATE)
    timings = BlockTimes(sizes.block / RATE)
    for value in (value for turn in lists for value in turn):
        timings.add(value / 1000)
    p95 = [float(np.percentile(turn, 95)) for turn in lists]
    return {"blocks": timings.count, **timings.summary(), "p95_by_turn": interval_document(p95)}


def row_of_processor(cpu_ms: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The interval of a block's processor time in ms over turns; empty where the system does not report it."""
    values = [value for turn in cpu_ms for value in turn]
    return {"cpu_ms": interval_document(values)} if values and all(values) else {}


def faster(times: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Any]:
    """The original's median block divided by rvc's in the same turn; `noise` is the original's change between turns.

    Empty without the original, and where a time is 0 because the system does not report it.
    """
    if "original" not in times or not all(value for turns in times.values() for turn in turns for value in turn):
        return {}
    middles = {name: [float(np.median(turn)) for turn in turns] for name, turns in times.items()}
    original = middles.pop("original")
    noise = max((abs(b / a - 1) for a, b in pairwise(original)), default=0.0)
    ratios = {name: [b / a for a, b in zip(own, original, strict=True)] for name, own in middles.items()}
    return {**{name: interval_document(values) for name, values in ratios.items()}, "noise": noise}


def check_exactness(
    sound: Path,
    precisions: Sequence[str],
    turns: int,
    threads: int,
    scratch: Path,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Exactness]:
    """Repeat the first blocks of the timed streams with a tap, and compare the outputs."""
    blocks = WARM_UP_BLOCKS + BLOCKS_PER_TURN * min(turns, TRACED_TURNS)
    exactness: dict[str, Exactness] = {}
    traced = {}
    for name in dict.fromkeys(["float32", *precisions]):
        command = rvc_command(sound, name, threads, scratch, traced=True)
        with child.Server(command, threads=threads, variables=variables) as server:
            server.request(blocks)
        with np.load(scratch / f"blocks-{name}-traced.npz") as saved:
            traced[name] = {key: saved[key] for key in saved.files}
    for name in precisions:
        with np.load(scratch / f"blocks-{name}.npz") as saved:
            timed = saved["out"][: len(traced[name]["out"])]
        if not np.array_equal(timed, traced[name]["out"]):
            exactness[name] = Exactness(False, "the timed blocks are not those of the traced run")
            continue
        distances = [same_output.snr(traced["float32"][key], traced[name][key]) for key in ("out", "features")]
        exactness[name] = same_output.near(name, *distances)
    return exactness
