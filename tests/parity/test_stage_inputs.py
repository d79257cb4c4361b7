"""Every input that the stage table names changes the stage's output, and the stages of rvc read no other tensor."""

from pathlib import Path

import pytest

from parity import stages
from parity.calibration import stage_inputs
from parity.goldens import store
from parity.rvc_bridge.rvc_torch import RvcTorch

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
# Short goldens that show every stage and input between them; of the streams, the last reduces the output's noise.
NAMES = (
    "v1-48k-pm-rpy",
    "two-segments-rpy",
    "retrieval-loudness-2026",
    "rt-harvest-vocoder-classic",
    "rt-nof0-down-2026",
)
# Inputs that only goldens of a slow F0 method have; `rvc-parity inputs` tries them too.
NOT_TRIED = ("noise.crepe",)
PROGRAM = RvcTorch()


@pytest.mark.slow
@pytest.mark.parametrize("stage", stages.every(), ids=lambda stage: stage.name)
def test_every_declared_input_changes_the_output_and_no_other_is_read(stage: stages.Stage) -> None:
    if not PROGRAM.offers(stage):
        pytest.skip("no golden shows this stage")
    cases = [store.open_case(GOLDENS / name) for name in NAMES]
    places = list(stage_inputs.places(cases, stage))
    if not places:
        pytest.skip("none of these goldens shows this stage")
    case, prefix = places[0]
    rows = stage_inputs.influences(PROGRAM, cases, stage)
    assert [row for row in rows if not row.holds] == []
    shown = {row.local.removeprefix("earlier ") for row in rows} | set(NOT_TRIED)
    assert [read for read in stage.reads if not shown & set(stages.alternatives(read))] == []
    assert stage_inputs.undeclared(lambda: PROGRAM, case, stage, prefix) == []


@pytest.mark.slow
def test_a_read_of_an_undeclared_tensor_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    case = store.open_case(GOLDENS / "rt-harvest-vocoder-classic")
    sola = stages.stage_named("rt.sola")
    assert sola is not None
    assert stage_inputs.undeclared(RvcTorch, case, sola, "rt.2.") == []
    without = stages.Stage("rt.sola", sola.scope, sola.what, sola.makes, sola.reads[:1])
    assert stage_inputs.undeclared(RvcTorch, case, without, "rt.2.") == ["rt.1.sola_buffer"]
