"""The section exported: an exported voice in ONNX Runtime and OpenVINO, rvc and the original, in turn on one sound."""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.checks import same_output
from bench.measure import child
from bench.measure.workload import Workload
from bench.sections.conversions import ORIGINAL, TimedRun, order, summary

PRECISIONS = ("float32", "float16")
RUNTIMES = ("onnxruntime", "openvino")
RVC = "rvc-float32"
LEAST_SNR = {"float32": 60.0, "float16": 20.0}  # dB of the waveform against rvc's float32 of the same seed


def measure(workload: Workload, rounds: int, original: str, checkout: Path | None, scratch: Path) -> dict[str, Any]:
    """Export the voice of a workload, then run all programs in turn.

    Args:
        workload: the conversion.
        rounds: runs of each program, each between two of the original.
        original: name of the original, which is also the profile of the other programs.
        checkout: folder of the WebUI, if the original is one.
        scratch: folder of the exported voices and of the outputs.
    Returns:
        The section of result.json: that of `conversions.measure`, with one row for each program; `missing`, the reason
        by runtime; `exported_mib`, the size of the folder by precision.
    Raises:
        ChildFailed: a program failed.
    """
    folders = {precision: scratch / f"exported-{precision}" for precision in PRECISIONS}
    for precision, folder in folders.items():
        child.run(export_command(workload, folder, precision), threads=workload.threads)
    missing = {name: "not installed" for name in RUNTIMES if importlib.util.find_spec(name) is None}
    outputs = {RVC: scratch / "exported-rvc.wav"}
    commands = {RVC: workload.rvc_command(outputs[RVC], profile=original)}
    for runtime in [name for name in RUNTIMES if name not in missing]:
        for precision, folder in folders.items():
            name = f"{runtime}-{precision}"
            outputs[name] = scratch / f"exported-{name}.wav"
            commands[name] = onnx_command(workload, folder, outputs[name], runtime, original)
    every = {**commands, ORIGINAL: workload.original_command(original, checkout)}
    runs = []
    for name in tqdm(order(list(commands), rounds), desc="exported", unit="run", disable=None):
        runs.append(TimedRun.of(name, child.run(every[name], threads=workload.threads)))
    exactness = {name: near(name, outputs) for name in commands}
    return {
        "kind": workload.kind,
        "seconds_of_audio": workload.seconds,
        **summary([runs], original, exactness),
        "exact": exactness,
        "missing": missing,
        "exported_mib": {name: size(folder) / 2**20 for name, folder in folders.items()},
        "series": [[asdict(run) for run in runs]],
    }


def export_command(workload: Workload, folder: Path, precision: str) -> list[str]:
    """The command that exports the voice with RMVPE and its index."""
    files = workload.weight_options()  # --model comes first; export takes it as an argument
    head = [sys.executable, "-m", "rvc", "export", files[1], str(folder), "--format", "onnx", *files[2:]]
    return [*head, "--precision", precision, "--no-verify"]


def onnx_command(workload: Workload, folder: Path, out: Path, runtime: str, profile: str) -> list[str]:
    """The command that converts with `rvc_onnx`."""
    head = [sys.executable, "-m", "rvc_onnx", str(workload.audio), str(out), "--model", str(folder)]
    options = ["--index-rate", f"{workload.index_rate:g}", "--f0-method", workload.f0_method, "--protect", "0.33"]
    options += ["--rms-mix-rate", "1", "--profile", profile, "--runtime", runtime, "--threads", str(workload.threads)]
    return [*head, *options, "--json"]


def near(name: str, outputs: Mapping[str, Path]) -> dict[str, Any]:
    """Whether an output is near enough to that of rvc in float32, and its SNR in dB."""
    if name == RVC:
        return {"exact": True, "why": "the reference of the other rows"}
    return same_output.beside(outputs[RVC], outputs[name], LEAST_SNR[name.rpartition("-")[2]])


def size(folder: Path) -> int:
    """Bytes of the files of a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())
