"""Damage to any tensor of the golden or of the candidate never passes."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_case import META, golden, judge, tensors

from parity import stages
from parity.errors import GoldenError
from parity.goldens import store
from parity.judge import ledger as cells
from parity.judge import limits
from parity.judge import metrics as compare

MADE = [name for name in tensors() if stages.stage_of(name) is not None]
FOLDER = Path(tempfile.mkdtemp(prefix="rvc-parity-test-"))
CASE = golden(FOLDER)


def truncate(value: Any, where: int) -> Any:
    axis = where % value.ndim
    return np.delete(value, -1, axis)


def zero(value: Any, where: int) -> Any:
    return np.zeros_like(value)


def nan(value: Any, where: int) -> Any:
    spoiled = value.astype(np.float64 if value.dtype == np.float64 else np.float32)
    spoiled.reshape(-1)[where % value.size] = np.nan
    return spoiled


def retype(value: Any, where: int) -> Any:
    return value.astype(np.float32 if value.dtype == np.float64 else np.float64)


def empty(value: Any, where: int) -> Any:
    return value.reshape(-1)[:0].reshape(*(0 for _ in value.shape))


def moved(value: Any, where: int) -> Any:
    spoiled, at = value.copy(), where % value.size
    flat = spoiled.reshape(-1)
    if value.dtype == np.int16:  # sound: one step is what the originals differ by from themselves
        flat[at] = -32768 if flat[at] >= 0 else 32767
    else:
        flat[at] += 1 if value.dtype.kind == "i" else np.abs(value).max()
    return spoiled


def transposed(value: Any, where: int) -> Any:
    return value.swapaxes(0, -1) if value.ndim > 1 else np.roll(value, 1)


DAMAGE = [truncate, zero, nan, retype, empty, moved]
RELAXED = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@RELAXED
@given(
    name=st.sampled_from(MADE),
    damage=st.sampled_from(DAMAGE),
    where=st.integers(0, 10**6),
    mode=st.sampled_from(["isolated", "chained", "both"]),
)
def test_a_damaged_tensor_never_passes(name: str, damage: Any, where: int, mode: str) -> None:
    right = tensors()
    spoiled = {**right, name: damage(right[name], where)}
    isolated = spoiled if mode != "chained" else right
    chained = spoiled if mode != "isolated" else right
    assert judge(CASE, isolated, chained).state == "differs"


@RELAXED
@given(name=st.sampled_from(MADE), rename=st.booleans(), mode=st.sampled_from(["isolated", "chained"]))
def test_a_lost_or_renamed_tensor_never_passes(name: str, rename: bool, mode: str) -> None:
    right = tensors()
    spoiled = {key: value for key, value in right.items() if key != name}
    if rename:
        spoiled[name + "x"] = right[name]
    result = judge(CASE, *((spoiled, right) if mode == "isolated" else (right, spoiled)))
    stage = stages.stage_of(name)
    assert stage is not None
    prefix = stages.TensorName.parse(name).prefix
    if mode == "isolated" and sum(prefix + row.name in right for row in stage.makes) == 1:
        assert result.state == "differs"  # a declared stage that makes nothing
        assert any(cell.state == "missing" for cell in result.ledger.cells)
    else:
        assert result.state == "partial"
        assert any(cell.state == "not provided" for cell in result.ledger.cells)
        assert not any(cell.failed for cell in result.ledger.cells)


@RELAXED
@given(
    name=st.sampled_from(sorted(tensors())),
    damage=st.sampled_from([truncate, zero, nan, retype, empty, moved]),
    where=st.integers(0, 10**6),
)
def test_a_golden_recorded_from_damaged_tensors_never_passes(name: str, damage: Any, where: int) -> None:
    right = tensors()
    with tempfile.TemporaryDirectory() as folder:
        try:
            case = store.save_case(Path(folder) / "small", {**right, name: damage(right[name], where)}, META)
        except GoldenError:
            return  # not saved
        result = judge(case, right)
        state = result.state if name in MADE else "differs"  # damage to an input shows in the chain only
        assert state == "differs"


@RELAXED
@given(name=st.sampled_from(sorted(tensors())))
def test_a_golden_that_lost_a_tensor_never_passes(name: str) -> None:
    right = tensors()
    del right[name]
    with tempfile.TemporaryDirectory() as folder, pytest.raises(GoldenError, match="lacks"):
        store.save_case(Path(folder) / "small", right, META)


def test_every_expected_cell_is_in_the_ledger() -> None:
    result = judge(CASE, tensors())
    names = cells.expected_tensors(CASE)
    expected = {
        (name, mode, metric)
        for name in names
        for mode in ("isolated", "chained")
        for metric in ("form", *compare.metrics(name))
    }
    entered = [(cell.tensor, cell.mode, cell.metric) for cell in result.ledger.cells]
    assert len(entered) == len(set(entered))
    assert set(entered) == expected
    counts = result.ledger.counts()
    assert counts["expected"] == counts["compared"] + counts["waived"] + counts["not_tested"] == len(expected)


def test_nan_is_never_close() -> None:
    row = limits.Limits().find("seg0.flow.z", "isolated", "relative_rms", False)
    golden_value = tensors()["seg0.flow.z"]
    spoiled = golden_value.copy()
    spoiled[0, 0, 0] = np.nan
    value = compare.compare("seg0.flow.z", golden_value, spoiled).values["relative_rms"]
    assert not value <= row.limit


def test_an_added_offset_counts_as_an_error() -> None:
    right = tensors()
    spoiled = right["waveform.concat"] + np.float32(0.01)
    assert judge(CASE, {**right, "waveform.concat": spoiled}).state == "differs"


def test_any_error_on_a_golden_of_zeros_is_infinite() -> None:
    zeros = np.zeros((1, 12, 98), np.float32)
    wrong = zeros.copy()
    wrong[0, 0, 0] = 1e-20
    assert compare.compare("seg0.flow.z", zeros, zeros).values["relative_rms"] == 0
    assert compare.compare("seg0.flow.z", zeros, wrong).values["relative_rms"] == float("inf")
