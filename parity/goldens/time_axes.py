"""Time axes: where each element of a tensor lies in the input file, in seconds.

A file's tensors are timed from the start of the input; what begins inside the padding has negative times. The tensors
of a block of a realtime stream are timed from the start of their own block; `block_start` is where the block begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parity import stages
from parity.goldens.arrays import Array, NamedArrays
from parity.stages import Scope, TensorName

PAD_SECONDS = 1.0  # padding at each end where a case does not state its window, seconds (docs/spec/06 §6.2)
BLOCK_SECONDS = 0.25  # length of a block where a case does not state it, seconds (docs/spec/07 §7.1)
LONGEST_BLOCK = 20.0  # seconds; a larger "block" setting is a number of samples, not a time

Meta = Mapping[str, Any]  # the fields of case.json other than `tensors`


@dataclass(frozen=True)
class TimeAxis:
    """The time axis of one tensor.

    Attributes:
        step: Seconds from one element to the next; None for a tensor without a time axis.
        start: Seconds into the input at which the first element lies.
        timed: Whether elements lie in the order of time; those of a reduced tensor do not.
    """

    step: float | None
    start: float = 0.0
    timed: bool = True

    def seconds(self, position: float) -> float | None:
        """Where an element of the time axis lies, rounded to 1 µs; negative inside the padding."""
        return None if self.step is None or not self.timed else round(self.start + position * self.step, 6)


def axis(name: str, meta: Meta, tensors: NamedArrays) -> TimeAxis:
    """The time axis of a tensor of a case.

    Args:
        name: The full name.
        meta: The fields of the case.
        tensors: The tensors of the case, of which `segment.cuts` is read.
    """
    return TimeAxis(step(name, meta), start(name, meta, tensors), name not in meta.get("reduced", {}))


def step(name: str, meta: Meta) -> float | None:
    """Seconds between two elements of a tensor along its time axis; None where it has none."""
    row = stages.tensor(name)
    if row.time_axis is None:
        return None
    label = row.axes[row.time_axis]
    if label in stages.STEPS:
        return stages.STEPS[label]
    rate = int(meta["voice"]["rate"])
    options = meta["options"]
    if label == "sample.out" and int(options.get("resample_rate", 0)) >= stages.SR16:
        rate = int(options["resample_rate"])
    if label == "sample.device":
        rate = int(options.get("realtime", {}).get("rate", rate))
    return 1 / rate


def start(name: str, meta: Meta, tensors: NamedArrays) -> float:
    """Seconds into the input (of a block: into that block) at which the first element of a tensor lies."""
    parsed = TensorName.parse(name)
    begin = segment_start(parsed.index, tensors.get("segment.cuts")) if parsed.scope is Scope.SEGMENT else 0.0
    return begin - pad_seconds(meta) if stages.tensor(name).padded else begin


def pad_seconds(meta: Meta) -> float:
    """The length of the padding before the input, seconds."""
    window = meta["options"].get("window")
    return float(window[0]) if window else PAD_SECONDS


def first_frame(segment: int, cuts: Array | None) -> int:
    """The pitch frame of 10 ms in which a segment begins.

    Args:
        segment: Its number, counted from 0.
        cuts: int64 (segments - 1,), the cut points in samples at 16 kHz; None where the file is not cut.
    Returns:
        The cut before the segment, rounded down to a frame; 0 where there is no such cut.
    """
    if cuts is None or not 0 < segment <= len(cuts):
        return 0
    return int(cuts[segment - 1]) // stages.FRAME


def segment_start(segment: int, cuts: Array | None) -> float:
    """Seconds into the input at which a segment begins; arguments as for `first_frame`."""
    return first_frame(segment, cuts) * stages.FRAME / stages.SR16


def block_seconds(meta: Meta) -> float:
    """The length of one block of a realtime stream, seconds."""
    settings = meta["options"].get("realtime", {})
    for name in ("block_time", "block_seconds", "block"):
        if isinstance(settings.get(name), (int, float)) and 0 < settings[name] < LONGEST_BLOCK:
            return float(settings[name])
    return BLOCK_SECONDS


def block_start(block: int, meta: Meta) -> float:
    """Seconds into the stream at which a block begins."""
    return block * block_seconds(meta)
