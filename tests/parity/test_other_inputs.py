"""Other inputs change the output of every stage: rvc is not accused of ignoring its inputs."""

from pathlib import Path

import numpy as np
import pytest

from parity import stages
from parity.candidates import candidate
from parity.goldens import store
from parity.runs import doctor, other_inputs
from parity.rvc_bridge.rvc_torch import RvcTorch

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
# Short goldens that have every stage between them; two-segments-rpy has cuts, rt-silence-2026 is silent.
NAMES = ("v1-48k-pm-rpy", "two-segments-rpy", "retrieval-loudness-2026", "rt-window-2026", "rt-silence-2026")
PROGRAM = RvcTorch()


@pytest.mark.slow
@pytest.mark.parametrize("stage", stages.every(), ids=lambda stage: stage.name)
def test_other_inputs_change_every_output(stage: stages.Stage) -> None:
    place = doctor._first_place(stage, [store.open_case(GOLDENS / name) for name in NAMES])
    if place is None or not PROGRAM.offers(stage):
        pytest.skip("no golden shows this stage")
    case, prefix = place
    inputs = candidate.inputs(case, stage, prefix)
    changed = other_inputs.other_inputs(stage, inputs)
    if all(np.array_equal(inputs[name], changed[name]) for name in inputs):
        pytest.skip("the stage has no floating-point input")
    made = PROGRAM.run_stage(case, stage, prefix, inputs)
    other = PROGRAM.run_stage(case, stage, prefix, changed)
    rows = [row for row in stage.makes if prefix + row.name in case]
    names = [prefix + row.name for row in rows if not row.optional] or [prefix + row.name for row in rows]
    for name in names:
        assert np.isfinite(other[name].astype(float)).all(), name
        assert not other_inputs.is_same(case, name, made, other), name


@pytest.mark.parametrize("name", ["f0.hz", "f0.coarse"])
def test_a_filled_track_has_no_unvoiced_frame_in_other_inputs(name: str) -> None:
    stage = next(stage for stage in stages.every() if stage.name == name)
    other = other_inputs.other_value(stage, "f0.filled", np.full(90, 200.0))
    assert (other > 0).all() and np.ptp(other) > 0


def test_a_whole_answer_equals_the_same_answer_reduced_as_the_golden_is() -> None:
    case, name = store.open_case(GOLDENS / "alone-long-mix-classic"), "waveform.rmsmixed"
    whole = np.random.default_rng(0).standard_normal(270_000).astype(np.float32)
    reduced = case.as_stored(name, whole)
    assert reduced.shape == case[name].shape != whole.shape
    assert other_inputs.is_same(case, name, {name: reduced}, {name: whole})
    assert other_inputs.is_same(case, name, {name: whole}, {name: whole.copy()})
    assert not other_inputs.is_same(case, name, {name: reduced}, {name: np.where(whole > 2, 0, whole)})
