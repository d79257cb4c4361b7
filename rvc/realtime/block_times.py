"""How long blocks took, and what a stream says of itself."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np

from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.stream import Stream

KEPT = 1 << 16  # block times remembered, so that a stream of days does not grow


class Timings:
    """Milliseconds per block against the block's own length."""

    def __init__(self, deadline: float) -> None:
        """deadline : seconds of sound in a block."""
        self.deadline = deadline * 1000
        self.milliseconds: deque[float] = deque(maxlen=KEPT)
        self.count = 0
        self.missed = 0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.missed += seconds * 1000 > self.deadline
        self.milliseconds.append(seconds * 1000)

    def summary(self) -> dict[str, Any]:
        """Percentiles in ms, the deadline, and how many blocks missed it."""
        found = dict.fromkeys(("p50", "p95", "p99", "max", "mean"), 0.0)
        if self.milliseconds:
            times = np.array(self.milliseconds)
            p50, p95, p99 = np.percentile(times, (50, 95, 99))
            found = {"p50": p50, "p95": p95, "p99": p99, "max": times.max(), "mean": times.mean()}
        return {
            "block_ms": {name: round(float(value), 3) for name, value in found.items()},
            "deadline_ms": round(self.deadline, 3),
            "missed_deadlines": self.missed,
        }


def timed(stream: Stream, block: Samples, timings: Timings) -> Samples:
    """One block through the stream, its time noted."""
    start = time.perf_counter()
    out = stream.block(block)
    timings.add(time.perf_counter() - start)
    return out


def describe(stream: Stream, device: float = 0.0) -> dict[str, Any]:
    """A stream's lengths and delays; `device` is the sound device's own latency in seconds."""
    sizes, rate = stream.sizes, stream.sizes.rate
    return {
        "device_rate": rate,
        "model_rate": stream.models.voice.rate,
        "block_samples": sizes.block,
        "block_seconds": sizes.block / rate,
        "delay_samples": stream.delay,
        "delay_seconds": stream.delay / rate,
        "algorithmic_latency_seconds": round(stream.latency(device), 6),
    }


def measure(stream: Stream, sound: Samples, warm: int = 2) -> dict[str, Any]:
    """Percentiles over the whole blocks of `sound`, float32 (N,) at the device's rate, after `warm` of them untimed.

    For benches: the same figures as `python -m rvc stream --json`, and the same stream, reset before and after.
    """
    stream.reset()
    size = stream.sizes.block
    timings = Timings(size / stream.sizes.rate)
    for number in range(len(sound) // size):
        block = sound[number * size : (number + 1) * size]
        if number < warm:
            stream.block(block)
        else:
            timed(stream, block, timings)
    stream.reset()
    return {**describe(stream), "blocks": timings.count, **timings.summary()}
