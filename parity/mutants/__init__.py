"""Mutation tests of the judge: small, named errors in `rvc` that the judge has to detect.

Each fault names the stage to be blamed, the causes that describe it, and the properties that a case must have for the
fault to change its result. `python -m parity.mutants` tries all faults and prints which were detected, which stage was
blamed, and the cause that was reported.
"""

from parity.mutants.catalog import all_faults
from parity.mutants.fault import Fault

__all__ = ["Fault", "all_faults"]
