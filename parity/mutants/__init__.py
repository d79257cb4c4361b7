"""Mutation tests of the judge: small, named errors in `rvc` that the judge has to detect.

Each fault names the stage to be blamed, the causes that describe it, and what a case must have for it to make a
difference. `python -m parity.mutants` tries them all and prints which were caught, who was blamed, and why.
"""

from parity.mutants.catalog import all_faults
from parity.mutants.fault import Fault

__all__ = ["Fault", "all_faults"]
