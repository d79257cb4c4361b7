"""Planted bugs: small, named, switchable faults that prove the judge. They are laid onto rvc from outside.

Each fault names the stage it belongs to, the cause that the judge should find, and what a case must have for the fault
to show. `python -m parity.mutants` runs them all and prints who was caught, who was blamed, and why.
"""

from parity.mutants.fault import Fault


def catalogue() -> list[Fault]:
    """Every fault, in flow order. Names are unique."""
    from parity.mutants import content, networks, pitch, sound, synthesis

    found = [*sound.FAULTS, *pitch.FAULTS, *content.FAULTS, *networks.FAULTS, *synthesis.FAULTS]
    names = [fault.name for fault in found]
    if len(names) != len(set(names)):
        raise ValueError("two faults share a name: " + ", ".join(sorted({n for n in names if names.count(n) > 1})))
    return found


__all__ = ["Fault", "catalogue"]
