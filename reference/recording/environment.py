"""The environment of a recording: library versions, processor and threads, which change a golden's last bits.

python -m reference.recording.environment DEVICE: print what `of_device` returns as JSON.
"""

import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
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
    """Name to text, as case.json stores it; a library that is not installed is omitted."""
    backends: Any = torch.backends
    facts = {
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
            facts[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    if ffmpeg := shutil.which("ffmpeg"):
        output = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=False).stdout.split()
        facts["ffmpeg"] = output[2] if len(output) > 2 else "unknown"  # "ffmpeg version 7.1 …"
    return facts


def of_device(device: str) -> dict[str, str]:
    """The GPU's name, driver and libraries, and how it computes; empty for the CPU."""
    if device == "cpu":
        return {}
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    backends: Any = torch.backends
    facts = {
        "device": device,
        "card": torch.cuda.get_device_name(),
        "cuda": str(torch.version.cuda),
        "cudnn": str(backends.cudnn.version()),
        "tf32": str(backends.cuda.matmul.allow_tf32 or backends.cudnn.allow_tf32),
        "deterministic": str(torch.are_deterministic_algorithms_enabled()),
    }
    if shutil.which(query[0]):
        answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
        facts["driver"] = answer[0] if answer else "unknown"
    return facts


def use_exact_float32() -> None:
    """Switch TF32 off on a GPU, where cuDNN uses it by default; a process of an original begins with this."""
    backends: Any = torch.backends
    backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = False


def processor() -> str:
    """The processor's name and those of its vector instruction sets that change the order of sums."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return platform.processor() or platform.machine()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    relevant = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
    flags = [flag for flag in values.get("flags", "").split() if flag in relevant]
    return f"{values.get('model name', platform.machine())} ({' '.join(flags)})"


if __name__ == "__main__":
    use_exact_float32()
    print(json.dumps(of_device(sys.argv[1])))
