"""The causes of faults that ports have, each computed by the fault itself in one stage alone."""

import numpy as np
import pytest

from parity.candidates import candidate
from parity.goldens import store
from parity.judge.diagnosis import causes
from parity.judge.states import Mode
from parity.mutants import Fault, schedule
from parity.mutants.catalog.ports import content_and_pitch, networks, signals
from parity.mutants.fault import fits

ROUNDING = 1e-6  # relative RMS, the size of the limits of these stages
WITHOUT_NETWORKS = ("z_p", "nsf")  # stages of the voice that a formula predicts
FAULTS = [
    fault
    for module in (signals, content_and_pitch, networks)
    for fault in module.FAULTS
    if fault.causes and (module is not networks or fault.stage in WITHOUT_NETWORKS) and fault.stage != "f0.raw"
]


@pytest.fixture(scope="module")
def program():
    from parity.rvc_bridge.rvc_torch import RvcTorch

    return RvcTorch()


@pytest.fixture(scope="module")
def cases():
    return sorted((store.open_case(folder) for folder in store.cases(store.GOLDENS)), key=schedule.preference)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_stage_with_a_fault_of_a_port_gets_its_cause(fault: Fault, program, cases):
    case = next(case for case in cases if fits(fault, case))
    stage, prefix = next(step for step in candidate.steps(case) if step[0].name == fault.stage)
    inputs = candidate.inputs(case, stage, prefix)
    with fault.patch.apply(program, case):
        made = program.run_stage(case, stage, prefix, inputs)
    names = [prefix + row.name for row in stage.makes if prefix + row.name in case]
    wrong = next(name for name in names if not np.allclose(made[name], case[name], rtol=1e-6, atol=1e-9))
    cause = causes.suggest(case, stage, prefix, wrong, made, Mode.ISOLATED, noise=ROUNDING)
    assert cause["name"] in fault.causes
