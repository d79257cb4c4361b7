"""Where each tensor lies on the time axis of the input file, which all pictures of a page share."""

from collections.abc import Mapping
from typing import Any

from parity import stages
from parity.goldens import time_axes
from parity.goldens.arrays import Array

FRAME_SECONDS = 0.01  # one pitch frame; errors of waveforms are shown in steps of this length


def start(name: str, meta: Mapping[str, Any], golden: Mapping[str, Array]) -> float:
    """Seconds on the page's time axis of the first element of the tensor `name`.

    Negative inside the padding. Tensors of a realtime block begin at the start of their block.
    """
    parsed = stages.TensorName.parse(name)
    begin = time_axes.start(name, meta, golden)
    return begin + time_axes.block_start(parsed.index, meta) if parsed.scope is stages.Scope.BLOCK else begin


def rate_of(name: str, meta: Mapping[str, Any]) -> int:
    """Samples per second of a waveform tensor."""
    step = time_axes.step(name, meta)
    return round(1 / step) if step else stages.SR16


def span(meta: Mapping[str, Any], golden: Mapping[str, Array], audio_seconds: float) -> tuple[float, float]:
    """First and last second that a case's page shows: the input without its padding."""
    blocks = int(meta.get("blocks", 0))
    if blocks:
        return 0.0, blocks * time_axes.block_seconds(meta)
    samples = golden.get("audio16k.raw", golden.get("audio16k"))
    seconds = len(samples) / stages.SR16 if samples is not None else audio_seconds
    return 0.0, max(seconds, audio_seconds, FRAME_SECONDS)
