"""Planted bugs: small, named, switchable faults that prove the judge. They are laid onto rvc from outside.

Each fault names the stage it belongs to, the cause that the judge should find, and what a case must have for the fault
to show. `python -m parity.mutants` runs them all and prints who was caught, who was blamed, and why.
"""

from parity.mutants.fault import Fault


def catalogue() -> list[Fault]:
    """Every fault, in flow order. Names are unique."""
    from parity.mutants.catalog import (
        content,
        fine_content,
        fine_networks,
        fine_sound,
        networks,
        pitch,
        realtime,
        sound,
        synthesis,
    )

    files = (sound, fine_sound, pitch, content, fine_content, networks, synthesis, fine_networks)
    found = [fault for file in files for fault in file.FAULTS]
    found += realtime.faults(found)
    names = [fault.name for fault in found]
    if len(names) != len(set(names)):
        raise ValueError("two faults share a name: " + ", ".join(sorted({n for n in names if names.count(n) > 1})))
    return found


__all__ = ["Fault", "catalogue"]
