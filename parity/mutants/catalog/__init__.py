"""The catalog of faults: one file for each stage, or for a few stages that follow one another, and `values` for faults
that only some values show.

A new file is added to `OFFLINE`, `REALTIME`, `BEHAVIOR` or `PORTS` below. It defines `FAULTS`, coarse and small errors
together.
"""

from collections.abc import Sequence
from types import ModuleType

from parity.mutants.catalog import values
from parity.mutants.catalog.behavior import calls, long_input, pieces, structure
from parity.mutants.catalog.offline import (
    content_alignment,
    content_encoder,
    f0_postprocessing,
    f0_tracking,
    flow,
    generator,
    output,
    preparation,
    prior,
    retrieval,
    segment_joining,
    segmentation,
    source,
    speaker,
    text_encoder,
)
from parity.mutants.catalog.ports import approximations, content_and_pitch, fewer_bits, networks, signals
from parity.mutants.catalog.realtime import (
    block_input,
    block_joining,
    content,
    f0,
    formant,
    loudness,
    shared_code,
    voice,
)
from parity.mutants.catalog.report_order import REPORT_ORDER
from parity.mutants.fault import Fault

OFFLINE: tuple[ModuleType, ...] = (
    preparation,
    segmentation,
    f0_tracking,
    f0_postprocessing,
    content_encoder,
    retrieval,
    content_alignment,
    speaker,
    text_encoder,
    prior,
    flow,
    source,
    generator,
    segment_joining,
    output,
)
BEHAVIOR: tuple[ModuleType, ...] = (calls, structure, long_input, pieces)
PORTS: tuple[ModuleType, ...] = (signals, content_and_pitch, networks, approximations, fewer_bits)
REALTIME: tuple[ModuleType, ...] = (block_input, content, f0, voice, formant, loudness, block_joining)


def all_faults() -> list[Fault]:
    """Every fault, in the order in which reports list them: that of `REPORT_ORDER`, then new ones in flow order.

    Raises:
        ValueError: two faults have the same name.
    """
    offline: list[Fault] = [fault for module in OFFLINE for fault in module.FAULTS]
    realtime: list[Fault] = [fault for module in REALTIME for fault in module.FAULTS]
    behavior: list[Fault] = [fault for module in BEHAVIOR for fault in module.FAULTS]
    ports: list[Fault] = [fault for module in PORTS for fault in module.FAULTS]
    faults = [*offline, *realtime, *shared_code.faults([*offline, *ports]), *values.FAULTS, *behavior, *ports]
    refuse_duplicates([fault.name for fault in faults])
    place = {name: number for number, name in enumerate(REPORT_ORDER)}
    return sorted(faults, key=lambda fault: place.get(fault.name, len(place)))


def refuse_duplicates(names: Sequence[str]) -> None:
    """Raise ValueError where a name occurs twice."""
    if len(names) != len(set(names)):
        raise ValueError(
            "two faults have the same name: " + ", ".join(sorted({n for n in names if names.count(n) > 1}))
        )


__all__ = ["BEHAVIOR", "OFFLINE", "PORTS", "REALTIME", "all_faults", "refuse_duplicates"]
