"""How long the blocks of a stream take, and the lengths and delays of a stream."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np

from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.stream import Stream

KEPT = 1 << 16  # block times that percentiles are taken over: the newest, so that memory does not grow without end


class BlockTimes:
    """Milliseconds per block, compared with the duration of a block.

    Attributes:
        deadline: duration of a block in ms.
        milliseconds: the newest 65536 block times in ms.
        count: number of blocks.
        missed: number of blocks that took longer than `deadline`.
    """

    def __init__(self, deadline: float) -> None:
        """Args: deadline: duration of a block in seconds."""
        self.deadline = deadline * 1000
        self.milliseconds: deque[float] = deque(maxlen=KEPT)
        self.count = 0
        self.missed = 0

    def add(self, seconds: float) -> None:
        """Record that one block took `seconds`."""
        self.count += 1
        self.missed += seconds * 1000 > self.deadline
        self.milliseconds.append(seconds * 1000)

    def summary(self) -> dict[str, Any]:
        """Percentiles in ms (`block_ms`), the deadline in ms, and the number of blocks that missed it."""
        percentiles = dict.fromkeys(("p50", "p95", "p99", "max", "mean"), 0.0)
        if self.milliseconds:
            times = np.array(self.milliseconds)
            p50, p95, p99 = np.percentile(times, (50, 95, 99))
            percentiles = {"p50": p50, "p95": p95, "p99": p99, "max": times.max(), "mean": times.mean()}
        return {
            "block_ms": {name: round(float(value), 3) for name, value in percentiles.items()},
            "deadline_ms": round(self.deadline, 3),
            "missed_deadlines": self.missed,
        }


def timed_block(stream: Stream, block: Samples, times: BlockTimes) -> Samples:
    """Convert one block, float32 (block,), and record how long it took."""
    start = time.perf_counter()
    out = stream.block(block)
    times.add(time.perf_counter() - start)
    return out


def describe_stream(stream: Stream, device: float = 0.0) -> dict[str, Any]:
    """Rates in Hz, the block length and the delays of a stream in samples and seconds.

    Args:
        stream: the stream.
        device: the sound device's own latency in seconds.
    """
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
    """Time the complete blocks of a sound; the stream is reset before and after.

    Args:
        stream: the stream.
        sound: float32 (N,) at the device rate; samples after the last complete block are not used.
        warm: number of blocks at the start that are converted but not timed.
    Returns:
        The same entries as `rvc stream --json` prints for the stream, its blocks and their times.
    """
    stream.reset()
    size = stream.sizes.block
    times = BlockTimes(size / stream.sizes.rate)
    for number in range(len(sound) // size):
        block = sound[number * size : (number + 1) * size]
        if number < warm:
            stream.block(block)
        else:
            timed_block(stream, block, times)
    stream.reset()
    return {**describe_stream(stream), "blocks": times.count, **times.summary()}
