"""The section rivals: the generator alone in rvc, ONNX Runtime, OpenVINO and eager PyTorch, in turn."""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.checks import same_output
from bench.judge.intervals import interval_document
from bench.measure import child
from bench.measure.load_clock import LoadClock
from parity import voices

# Names in result.json (format rvc-bench/1), which calls rvc "ours".
NAMES = (
    "ours-float32",
    "openvino-float32",
    "onnxruntime",
    "torch",
    "ours-bfloat16",
    "openvino-bfloat16",
    "ours-int8",
)
PAUSE = 0.3  # seconds between two programs, since some keep their threads spinning for a while after a request
# Least SNR in dB of each precision against the float32 of ONNX Runtime (or eager PyTorch). 60 dB in float32 allows for
# another order of summation; the others are the limits of complete conversions.
EXACT = {"float32": 60.0, **{name: limits["waveform"] for name, limits in same_output.LIMITS.items()}}


def measure(kind: str, seconds: float, rounds: int, threads: int, scratch: Path) -> dict[str, Any]:
    """Time one pass of the generator in each installed program.

    Args:
        kind: kind of synthetic voice.
        seconds: length of the audio of one pass.
        rounds: passes of each program.
        threads: threads of each program.
        scratch: folder of the outputs.
    Returns:
        The section: `rows` with seconds, processor seconds, peak and SNR by program, `missing` with the reason by
        program, `faster` with the ratio of each program to rvc, `faster_cpu` with that of processor seconds, and
        `other_load`, the part of the processors that other programs used.
    """
    voice, rows = str(voices.make_voice(kind)), {}
    with ExitStack() as stack:
        servers, missing = {}, {}
        for name in tqdm(NAMES, desc="generators load", unit="program", disable=None):
            command = server_command(name, voice, seconds, scratch / f"{name}.npy", threads)
            server = stack.enter_context(child.Server(command, threads=threads))
            if "missing" in server.ready:
                missing[name] = server.ready["missing"]
            else:
                servers[name] = server
        times: dict[str, list[float]] = {name: [] for name in servers}
        cpu_seconds: dict[str, list[float]] = {name: [] for name in servers}
        for server in servers.values():
            server.request(1)  # programs prepare kernels in the first pass of a length
        clock = LoadClock([server.process.pid for server in servers.values()])
        for number in tqdm(range(rounds), desc=f"{seconds:g} s through the generator", unit="round", disable=None):
            for name in servers if number % 2 == 0 else reversed(servers):
                time.sleep(PAUSE)
                times[name] += [value / 1000 for value in servers[name].request(1)["ms"]]
                cpu_seconds[name].append(servers[name].cpu_seconds)
        load = clock.other_load()
    truth = np.load(scratch / ("torch.npy" if "onnxruntime" in missing else "onnxruntime.npy"))
    for name, values in times.items():
        rows[name] = {
            "seconds": interval_document(values),
            "cpu_seconds": interval_document(cpu_seconds[name]),
            "peak_mib": servers[name].peak_mib,
            "snr_db": same_output.snr(truth, np.load(scratch / f"{name}.npy")),
        }
    return {
        "kind": kind,
        "seconds_of_audio": seconds,
        "rows": rows,
        "missing": missing,
        "exact": EXACT,
        "faster": faster(times),
        "faster_cpu": faster(cpu_seconds),
        "other_load": load,
    }


def server_command(name: str, voice: str, seconds: float, out: Path, threads: int) -> list[str]:
    """The command of one program."""
    arguments = [name, voice, f"{seconds:g}", str(out), "--threads", str(threads)]
    return [sys.executable, "-m", "bench.sections.generator_server", *arguments]


def faster(times: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """Intervals of another program's seconds divided by rvc's in the same round, by precision and program."""
    by_precision: dict[str, dict[str, Any]] = {}
    for precision in ("float32", "bfloat16"):
        own = times.get(f"ours-{precision}")
        for other in (f"openvino-{precision}", "onnxruntime", "torch"):
            if own and other in times and all(own):
                ratios = [b / a for a, b in zip(own, times[other], strict=True)]
                by_precision.setdefault(precision, {})[other] = interval_document(ratios)
    return by_precision
