"""Where each tensor lies on the time of the input file, so that every picture of a page has the same axis."""

from collections.abc import Mapping
from typing import Any

from parity import stages
from parity.goldens import time_axes
from parity.goldens.arrays import Array

FRAME = 0.01  # seconds; sample-rate tensors are shown in steps of this length


def start(name: str, meta: Mapping[str, Any], golden: Mapping[str, Array]) -> float:
    """Seconds into the input at which the first element of `name` lies; negative inside the padding."""
    parsed = stages.TensorName.parse(name)
    begin = time_axes.start(name, meta, golden)
    return begin + time_axes.block_start(parsed.index, meta) if parsed.scope is stages.Scope.BLOCK else begin


def rate_of(name: str, meta: Mapping[str, Any]) -> int:
    """Samples per second of a waveform tensor."""
    step = time_axes.step(name, meta)
    return round(1 / step) if step else stages.SR16


def span(meta: Mapping[str, Any], golden: Mapping[str, Array], sound_seconds: float) -> tuple[float, float]:
    """First and last second shown on a case's page: the input itself, without its padding."""
    blocks = int(meta.get("blocks", 0))
    if blocks:
        return 0.0, blocks * time_axes.block_seconds(meta)
    samples = golden.get("audio16k.raw", golden.get("audio16k"))
    seconds = len(samples) / stages.SR16 if samples is not None else sound_seconds
    return 0.0, max(seconds, sound_seconds, FRAME)
