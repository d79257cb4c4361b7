"""Where an original computes, and the options of the command line that choose it."""

import argparse
import functools
from dataclasses import dataclass
from typing import Any

import soundfile
import torch

from reference.errors import Refusal


@dataclass(frozen=True)
class Runtime:
    """Where an original computes; the default is how the goldens were recorded.

    Attributes:
        device: "cpu" or "cuda".
        half: float16 on a GPU, as the originals choose there by themselves; False computes in float32.
        graphs: let an original record CUDA graphs where it can.
        plain_sound: read 16 kHz mono files with soundfile in place of ffmpeg, for machines without ffmpeg.
    """

    device: str = "cpu"
    half: bool = False
    graphs: bool = False
    plain_sound: bool = False


ON_CPU = Runtime()


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """Add --device, --half, --graphs and --plain-sound."""
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the original computes")
    parser.add_argument("--half", action="store_true", help="float16 on the GPU")
    parser.add_argument("--graphs", action="store_true", help="let the original record CUDA graphs")
    parser.add_argument(
        "--plain-sound", action="store_true", help="read 16 kHz mono files with soundfile, without ffmpeg"
    )


def runtime_of(namespace: argparse.Namespace) -> Runtime:
    """The runtime of a parsed command line."""
    return Runtime(namespace.device, namespace.half, namespace.graphs, namespace.plain_sound)


def device_mib(runtime: Runtime) -> float | None:
    """Peak of the memory that this process allocated on its GPU, in MiB; None on the CPU."""
    return torch.cuda.max_memory_allocated() / 2**20 if runtime.device == "cuda" else None


def choose_precision(module: Any, dtype: torch.dtype) -> None:
    """Let the configuration's own choice of a GPU stand, but compute there in `dtype`.

    Raises:
        Refusal: the original finds no GPU that it would use.
    """
    if module.infer_device.type == "cpu":
        raise Refusal("the original finds no GPU that it uses (4 GiB and SM 5.3 at least); run it with --device cpu")
    choice = module.get_device_dtype_sm

    @functools.wraps(choice)
    def chosen(number: int) -> Any:
        device, _, sm, memory = choice(number)
        return device, dtype, sm, memory

    module.__dict__.update(infer_dtype=dtype, get_device_dtype_sm=chosen)


def read_plain_sound(path: str, rate: int) -> Any:
    """The samples of a mono file, float32 (N,), as ffmpeg decodes them where it need not resample.

    Raises:
        Refusal: the file has another rate or several channels.
    """
    samples, file_rate = soundfile.read(path, dtype="float32")
    if file_rate != rate or samples.ndim != 1:
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        raise Refusal(
            f"{path} has {file_rate} Hz and {channels} channels; "
            f"without ffmpeg an original reads mono files of {rate} Hz"
        )
    return samples
