"""The machine's unit: how long one fixed float32 convolution takes here and now.

A second means nothing on a shared machine, so times are given in units of the work that most of RVC consists of. The
convolution (128 → 128 channels, kernel 11, 8192 samples) is the generator's heaviest kind of layer. It goes through
PyTorch's plain conv1d, which nothing in this project replaces or speeds up.
"""

import platform
import time
from pathlib import Path
from statistics import median

import torch

from rvc.nn.kernels import amx

CHANNELS, KERNEL, SAMPLES = 128, 11, 8192
GFLOP = 2 * CHANNELS * CHANNELS * KERNEL * SAMPLES / 1e9


@torch.inference_mode()
def measure(threads: int = 2, rounds: int = 15) -> float:
    """Seconds of one fixed convolution: the median over `rounds`, after a warm-up."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        signal = torch.ones(1, CHANNELS, SAMPLES)
        weight = torch.full((CHANNELS, CHANNELS, KERNEL), 1e-3)
        seconds = []
        for _ in range(rounds + 3):
            start = time.perf_counter()
            torch.conv1d(signal, weight, padding=KERNEL // 2)
            seconds.append(time.perf_counter() - start)
        return median(seconds[3:])
    finally:
        torch.set_num_threads(before)


def facts() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def processor() -> str:
    """The kind of processor a cost in units may be compared across: maker, instructions, bfloat16 products, tiles."""
    maker = facts().get("vendor_id", platform.machine())
    more = {"bfloat16": has_bfloat16(), "tiles": amx.available()}
    return " ".join([maker, torch.backends.cpu.get_cpu_capability(), *(name for name, there in more.items() if there)])


def has_bfloat16() -> bool:
    """Whether products of bfloat16 are the processor's own: AVX512_BF16 or AMX. Elsewhere they are only imitated."""
    return bool({"avx512_bf16", "amx_bf16"} & set(facts().get("flags", "").split()))


if __name__ == "__main__":
    second = measure()
    print(f"one unit is {second * 1e3:.2f} ms: {GFLOP / second:.0f} GFLOP/s")
