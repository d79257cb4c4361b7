"""Values that are no measurement (NaN, infinity, the distance of a missing neighbor) hide no error beside them."""

import warnings

import numpy as np
import pytest
from small_case import META

from parity import stages
from parity.goldens import store
from parity.goldens.arrays import Array
from parity.judge import ledger, limits, metrics
from parity.judge.states import CellState, Metric, Mode
from parity.stages import Tensor, TensorKind

MARKERS = {"missing neighbor": metrics.FLT_MAX, "nan": np.nan, "infinity": np.inf, "minus infinity": -np.inf}
FLOATS = [
    name
    for name in stages.names(["seg0.", "rt.1."])
    if stages.tensor(name).kind in (TensorKind.FLOAT, TensorKind.WAVE, TensorKind.HZ)
]


def value_of(row: Tensor) -> Array:
    """Numbers between 100 and 200 in the tensor's dtype and number of axes, 40 along its time axis."""
    shape = [4 if axis != row.time_axis else 40 for axis in range(len(row.axes))]
    numbers = np.random.default_rng(3).uniform(100, 200, shape)
    return numbers.astype(row.dtypes[-1])


def judged(name: str, golden: Array, ours: Array) -> dict[Metric, CellState]:
    document = {**META, "segments": 1, "blocks": 0}
    case = store.MemoryCase(document, {name: golden})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cells, _ = ledger.judge_tensor(case, name, Mode.ISOLATED, ours, limits.Limits())
    return {cell.metric: cell.state for cell in cells}


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("marker", MARKERS.values(), ids=MARKERS)
def test_an_error_beside_a_marker_is_measured(name: str, marker: float) -> None:
    golden = value_of(stages.tensor(name))
    golden.flat[-1] = marker
    assert set(judged(name, golden, golden.copy()).values()) == {CellState.SAME}
    ours = golden.copy()
    ours.flat[0] *= 2
    states = judged(name, golden, ours)
    assert states.pop(Metric.FORM) is CellState.SAME
    assert states and set(states.values()) == {CellState.DIFFERS}


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("marker", MARKERS.values(), ids=MARKERS)
def test_a_misplaced_marker_differs(name: str, marker: float) -> None:
    right = value_of(stages.tensor(name))
    golden, ours = right.copy(), right.copy()
    golden.flat[0], ours.flat[1] = marker, marker
    for one, other in ((golden, right), (right, ours), (golden, ours)):
        assert any(state.failed for state in judged(name, one, other).values())


def test_an_error_is_measured_as_without_the_marker() -> None:
    name, golden = "seg0.retrieval.distances", np.full((3, 8), 100, np.float32)
    ours = golden.copy()
    ours[0, 0] = 101
    plain = metrics.compare(name, golden[:2], ours[:2])
    golden[2], ours[2] = metrics.FLT_MAX, metrics.FLT_MAX
    marked = metrics.compare(name, golden, ours)
    assert marked.values == plain.values
    assert marked.worst == plain.worst
    assert list(marked.frames[:2]) == list(plain.frames) and marked.frames[2] == 0


def test_the_sentence_names_the_misplaced_marker() -> None:
    name, golden = "seg0.retrieval.distances", np.full((3, 8), 100, np.float32)
    golden[1, 7] = metrics.FLT_MAX
    case = store.MemoryCase({**META, "segments": 1, "blocks": 0}, {name: golden})
    cells, _ = ledger.judge_tensor(case, name, Mode.ISOLATED, np.full((3, 8), 100, np.float32), limits.Limits())
    assert cells[1].sentence == (
        "seg0.retrieval.distances differs in small (isolated): 1 values are a number where the golden holds a marker "
        "(NaN, infinity, or the largest float32 of a missing neighbor) or the reverse; first at [1, 7], ours 100, "
        "golden 3.40282e+38"
    )
    assert cells[1].document()["value"] is None


@pytest.mark.parametrize("name", [name for name in FLOATS if stages.tensor(name).kind is TensorKind.HZ])
def test_another_voicing_differs_however_low_its_pitch(name: str) -> None:
    golden = value_of(stages.tensor(name))
    golden.flat[5:9] = 0
    ours = golden.copy()
    ours.flat[5] = 1e-6
    assert any(state.failed for state in judged(name, golden, ours).values())
    assert judged(name, ours, golden)[Metric.RELATIVE_RMS] is CellState.DIFFERS
