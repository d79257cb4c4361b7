"""A fault: one deliberate error in `rvc`, and what the judge is expected to conclude from it."""

from dataclasses import dataclass

from parity import stages
from parity.calibration import value_classes, value_coverage
from parity.calibration.value_classes import ValueClass
from parity.goldens.store import Case
from parity.mutants.needs import CHECKS, Need
from parity.mutants.patches import Patch


@dataclass(frozen=True)
class Fault:
    """One deliberate error.

    Attributes:
        name: unique in the catalog; `out/mutants.json` and its schedule refer to it.
        stage: the stage (parity/stages) that the judge has to blame.
        why: what is computed wrongly, in a few words.
        patch: replaces attributes of `rvc` or of a loaded network while the fault is active.
        needs: properties of a case without which the fault makes no difference.
        values: the name of the stage's value class (parity/calibration/value_classes.py) without which the fault makes
            no difference; None where any values show it.
        causes: names of causes that describe the fault correctly; empty where "unknown" is the correct answer.
        also: stages that run the same faulty code, so that blaming them as well is correct.
    """

    name: str
    stage: str
    why: str
    patch: Patch
    needs: tuple[Need, ...] = ()
    values: str | None = None
    causes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


def fits(fault: Fault, case: Case) -> bool:
    """Whether a case has all that a fault needs; a block's stage is judged on a stream, any other stage on a file.

    Raises:
        ValueError: the stage has no value class of the name that the fault states.
    """
    stage = stages.stage_named(fault.stage)
    wanted = _value_class(fault)
    if stage is None or not case.facts.has_stage(stage) or (stage in stages.realtime()) != bool(case.facts.blocks):
        return False
    if wanted is not None and not value_coverage.is_reached(wanted, case):
        return False
    try:
        return all(CHECKS[need](case) for need in fault.needs)
    except KeyError:  # a golden of stages recorded alone lacks the tensor that the need is about
        if case.facts.isolated:
            return False
        raise


def _value_class(fault: Fault) -> ValueClass | None:
    if fault.values is None:
        return None
    for one in value_classes.of_stage(fault.stage):
        if one.name == fault.values:
            return one
    raise ValueError(f"{fault.stage} has no value class {fault.values!r}, which {fault.name} needs")
