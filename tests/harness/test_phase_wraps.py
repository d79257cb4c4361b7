"""The two ways in which the sine's phase can wrap are both accepted; nothing between them is."""

import numpy as np
import pytest
from small_case import Player

from parity.goldens import store
from parity.judge import limits, verdict
from parity.judge.decisions import phase_wraps
from parity.judge.judgment import Judgment

GOLDEN = "goldens/cases/two-segments-rpy"


@pytest.fixture(scope="module")
def case() -> store.Case:
    return store.open_case(GOLDEN).check()


def judged(case: store.Case, **changes: np.ndarray) -> verdict.CaseVerdict:
    right = {name: case[name] for name in case}
    return verdict.judge(Judgment(case, limits.load(), candidate=Player(right | changes, right), only_stage="nsf"))


def other_way(case: store.Case) -> dict[str, np.ndarray]:
    names = [f"seg{number}.{tensor}" for number in (0, 1) for tensor in phase_wraps.TENSORS]
    return {name: result[0] for name in names if (result := phase_wraps.otherwise(case, name)) is not None}


def test_without_fused_multiply_add_a_constant_phase_wraps_hundreds_of_times(case: store.Case) -> None:
    result = phase_wraps.otherwise(case, "seg0.nsf.sine")
    assert result is not None
    assert result[1] == (
        "the phase wraps 727 times, in the golden 173: where the pitch is constant, the coarse phase "
        "falls by one rounding without fused multiply-add, as it does in the original on such a "
        "processor"
    )


def test_the_other_decision_is_explained_and_named(case: store.Case) -> None:
    result = judged(case, **other_way(case))
    assert result.state == "partial"  # one stage is judged
    assert {stage.blame for stage in result.stages} == {"knife-edge"}


def test_between_the_two_decisions_nothing_is_explained(case: store.Case) -> None:
    name = "seg0.nsf.sine"
    half = (case[name] + other_way(case)[name]) / 2
    result = judged(case, **{name: half})
    assert result.state == "differs"
    assert result.stages[0].blame == "origin"


def test_the_classic_sine_has_no_such_decision() -> None:
    assert phase_wraps.otherwise(store.open_case("goldens/cases/curve-classic"), "seg0.nsf.sine") is None


def test_a_recording_whose_lengths_do_not_fit_has_no_such_decision(case: store.Case) -> None:
    tensors = {name: np.array(case[name]) for name in case}
    tensors["seg0.nsf.sine"] = tensors["seg0.nsf.sine"][:, :-3]
    assert phase_wraps.otherwise(store.MemoryCase(case.meta, tensors), "seg0.nsf.sine") is None
