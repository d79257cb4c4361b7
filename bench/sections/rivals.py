"""The generator alone, ours beside ONNX Runtime, OpenVINO and eager PyTorch on one exported graph, in turn."""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.checks import same_output
from bench.judge.verdict import interval
from bench.measure import child
from parity import voices

NAMES = (
    "ours-float32",
    "openvino-float32",
    "onnxruntime",
    "torch",
    "ours-bfloat16",
    "openvino-bfloat16",
    "ours-int8",
)
SETTLE = 0.3  # seconds between two programs: some keep their threads spinning for a while after work
EXACT = {"float32": 60.0, "bfloat16": 30.0, "int8": 20.0}  # dB from ONNX Runtime's (or eager PyTorch's) float32


def measure(kind: str, seconds: float, rounds: int, threads: int, scratch: Path) -> dict[str, Any]:
    """A row for each program: seconds, peak, dB from the float32 graph; and how many times ours is faster."""
    voice, rows = str(voices.make_voice(kind)), {}
    with ExitStack() as stack:
        servers, missing = {}, {}
        for name in tqdm(NAMES, desc="generators load", unit="program", disable=None):
            command = engine(name, voice, seconds, scratch / f"{name}.npy", threads)
            server = stack.enter_context(child.Server(command, threads=threads))
            if "missing" in server.ready:
                missing[name] = server.ready["missing"]
            else:
                servers[name] = server
        times: dict[str, list[float]] = {name: [] for name in servers}
        for server in servers.values():
            server.ask(1)  # the first pass at this length makes kernels, in every program
        for number in tqdm(range(rounds), desc=f"{seconds:g} s through the generator", unit="round", disable=None):
            for name in servers if number % 2 == 0 else reversed(servers):
                time.sleep(SETTLE)
                times[name] += [value / 1000 for value in servers[name].ask(1)["ms"]]
    truth = np.load(scratch / ("torch.npy" if "onnxruntime" in missing else "onnxruntime.npy"))
    for name, values in times.items():
        rows[name] = {
            "seconds": asdict(interval(values)),
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
    }


def engine(name: str, voice: str, seconds: float, out: Path, threads: int) -> list[str]:
    """The command of one program."""
    words = [name, voice, f"{seconds:g}", str(out), "--threads", str(threads)]
    return [sys.executable, "-m", "bench.sections.rival_engine", *words]


def faster(times: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """For each precision of ours and each rival, the rival's seconds over ours, round by round."""
    found: dict[str, dict[str, Any]] = {}
    for precision in ("float32", "bfloat16"):
        mine = times.get(f"ours-{precision}")
        for rival in (f"openvino-{precision}", "onnxruntime", "torch"):
            if mine and rival in times:
                ratios = [b / a for a, b in zip(mine, times[rival], strict=True)]
                found.setdefault(precision, {})[rival] = asdict(interval(ratios))
    return found
