"""Where a golden was made: library versions, processor, threads. Goldens differ in their last bits between these."""

import importlib.metadata
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch

LIBRARIES = (
    "torch",
    "numpy",
    "scipy",
    "librosa",
    "soxr",
    "faiss-cpu",
    "transformers",
    "praat-parselmouth",
    "pyworld",
    "torchcrepe",
    "torchfcpe",
    "torchaudio",
    "av",
)


def describe() -> dict[str, str]:
    """Plain texts by name; a library that is not installed is left out."""
    backends: Any = torch.backends
    found = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cpu_capability": backends.cpu.get_cpu_capability(),
        "onednn": str(backends.mkldnn.is_available()),
        "blas": "MKL" if backends.mkl.is_available() else "other",
        "threads": str(torch.get_num_threads()),
        "dtype": "float32",
    }
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    if ffmpeg := shutil.which("ffmpeg"):
        said = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=False).stdout.split()
        found["ffmpeg"] = said[2] if len(said) > 2 else "unknown"
    return found


def processor() -> str:
    """The processor's name and the vector instructions that change how sums are made."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return platform.processor() or platform.machine()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wanted = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
    flags = [flag for flag in values.get("flags", "").split() if flag in wanted]
    return f"{values.get('model name', platform.machine())} ({' '.join(flags)})"
