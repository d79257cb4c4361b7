"""A fault: one deliberate error in `rvc`, and what the judge is expected to conclude from it."""

from dataclasses import dataclass

from parity import stages
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
        causes: names of causes that describe the fault correctly; empty where "unknown" is the correct answer.
        also: stages that run the same faulty code, so that blaming them as well is correct.
    """

    name: str
    stage: str
    why: str
    patch: Patch
    needs: tuple[Need, ...] = ()
    causes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


def fits(fault: Fault, case: Case) -> bool:
    """Whether a case has all that a fault needs; a block's stage is judged on a stream, any other stage on a file."""
    realtime = stages.stage_named(fault.stage) in stages.realtime()
    return realtime == bool(case.facts.blocks) and all(CHECKS[need](case) for need in fault.needs)
