"""Where each tensor lies on the time of the input file, so that every picture of a page has the same axis."""

from collections.abc import Mapping
from typing import Any

from parity import stages
from parity.goldens.recipes import Array

FRAME = 0.01  # seconds; sample-rate tensors are shown in steps of this length
PAD = 1.0  # seconds of reflected padding when the case does not say


def pad_seconds(meta: Mapping[str, Any]) -> float:
    """How long before the input a padded tensor begins, in seconds."""
    window = meta["options"].get("window")
    return float(window[0]) if window else PAD


def block_seconds(meta: Mapping[str, Any]) -> float:
    """Length of one block of a live stream in seconds."""
    settings = meta["options"].get("realtime", {})
    for name in ("block_time", "block_seconds", "block"):
        if isinstance(settings.get(name), (int, float)) and 0 < settings[name] < 20:
            return float(settings[name])
    return 0.25


def start(name: str, meta: Mapping[str, Any], golden: Mapping[str, Array]) -> float:
    """Seconds into the input at which the first element of `name` lies; negative inside the padding."""
    prefix, _ = stages.split(name)
    row = stages.tensor(name)
    if prefix.startswith("rt."):
        return int(prefix.split(".")[1]) * block_seconds(meta)
    begin = _segment_start(int(prefix[3:-1]), golden) if prefix else 0.0
    return begin - (pad_seconds(meta) if row.lead else 0.0)


def _segment_start(number: int, golden: Mapping[str, Array]) -> float:
    if number == 0 or "segment.cuts" not in golden:
        return 0.0
    cuts = golden["segment.cuts"]
    cut = int(cuts[min(number, len(cuts)) - 1]) if len(cuts) else 0
    return cut // stages.FRAME * stages.FRAME / stages.SR16  # cuts are floored to whole pitch frames


def rate_of(name: str, meta: Mapping[str, Any]) -> int:
    """Samples per second of a waveform tensor."""
    from parity.goldens import store

    step = store.step(name, meta)
    return round(1 / step) if step else stages.SR16


def span(meta: Mapping[str, Any], golden: Mapping[str, Array], sound_seconds: float) -> tuple[float, float]:
    """First and last second shown on a case's page: the input itself, without its padding."""
    blocks = int(meta.get("blocks", 0))
    if blocks:
        return 0.0, blocks * block_seconds(meta)
    samples = golden.get("audio16k.raw", golden.get("audio16k"))
    seconds = len(samples) / stages.SR16 if samples is not None else sound_seconds
    return 0.0, max(seconds, sound_seconds, FRAME)
