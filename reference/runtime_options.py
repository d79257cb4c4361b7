"""Options of the command line that choose where an original computes."""

import argparse

import torch

from reference.originals.base import Runtime


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
