"""The machine unit: the time of one fixed float32 convolution.

Times in seconds cannot be compared across machines, or on a machine with other load. Times are therefore divided by the
time of an operation of the same kind: a convolution of 128 → 128 channels with kernel 11 over 8192 samples, the most
expensive kind of layer of the generator. It uses PyTorch's conv1d, which this project does not replace.
"""

import platform
import time
from pathlib import Path
from statistics import median

import torch

from rvc.nn.kernels import amx

CHANNELS, KERNEL, SAMPLES = 128, 11, 8192  # input and output channels, taps, samples
GFLOP = 2 * CHANNELS * CHANNELS * KERNEL * SAMPLES / 1e9  # 10^9 floating-point operations in one convolution


@torch.inference_mode()
def measure(threads: int = 2, rounds: int = 15) -> float:
    """Seconds of the convolution: the median over `rounds`, after three warm-up rounds."""
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
    """The fields of the first processor in /proc/cpuinfo; empty where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def processor() -> str:
    """The kind of processor: vendor, vector instructions, bfloat16, AMX tiles. Costs in units compare within a kind."""
    vendor = facts().get("vendor_id", platform.machine())
    more = {"bfloat16": has_bfloat16(), "tiles": amx.available()}
    return " ".join(
        [vendor, torch.backends.cpu.get_cpu_capability(), *(name for name, present in more.items() if present)]
    )


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 natively (AVX512_BF16 or AMX); others emulate it in float32."""
    return bool({"avx512_bf16", "amx_bf16"} & set(facts().get("flags", "").split()))


if __name__ == "__main__":
    second = measure()
    print(f"one unit is {second * 1e3:.2f} ms: {GFLOP / second:.0f} GFLOP/s")
