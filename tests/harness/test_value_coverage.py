"""The coverage of values: which goldens reach each class, a failure for each class that none reaches, and ranges."""

import json
from pathlib import Path

import numpy as np
import pytest

from parity.calibration import value_classes, value_coverage
from parity.calibration.value_classes import Place, ValueClass
from parity.goldens import store
from parity.goldens.store import MemoryCase
from parity.mutants.catalog import values
from parity.mutants.fault import fits
from tests.harness import small_case

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
SMALLEST = "alone-silence-fcpe-2026"


def test_the_goldens_reach_every_class_that_does_not_state_why_not():
    coverage = value_coverage.measure(GOLDENS)
    assert [f"{one.stage}: {one.name}" for one in coverage.missing] == []
    assert [f"{one.stage}: {one.name}" for one in coverage.outdated] == []
    assert coverage.ranges["f0.raw"].longest > 1024
    assert coverage.ranges["waveform.final"].longest > 262_144


def measured(reached, tmp_path, not_recorded=None):
    """The coverage of one class by one golden."""
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / SMALLEST).symlink_to(GOLDENS / SMALLEST)
    return value_coverage.measure(tmp_path, [ValueClass("f0.raw", "toy values", reached, not_recorded)])


def test_a_class_that_no_golden_reaches_is_missing(tmp_path):
    coverage = measured(lambda place: False, tmp_path)
    assert [one.name for one in coverage.missing] == ["toy values"]
    assert "NOT REACHED" in "\n".join(value_coverage.lines(coverage))


def test_a_class_about_a_tensor_that_no_golden_has_is_missing(tmp_path):
    assert measured(lambda place: bool(place.value("quiet.profile").any()), tmp_path).missing


def test_a_reason_is_shown_and_is_outdated_once_a_golden_reaches_the_class(tmp_path):
    assert not measured(lambda place: False, tmp_path / "one", "too long").missing
    coverage = measured(lambda place: True, tmp_path / "two", "too long")
    assert [one.name for one in coverage.outdated] == ["toy values"]


def test_a_stage_that_only_reads_a_tensor_does_not_widen_its_range(tmp_path):
    coverage = measured(lambda place: True, tmp_path)
    assert set(coverage.ranges) == {"f0.raw", "f0.filled"}  # the golden holds `padded` as an input only


def test_the_report_writes_json_and_returns_1_for_a_missing_class(tmp_path, monkeypatch, capsys):
    (tmp_path / "goldens").mkdir()
    (tmp_path / "goldens" / SMALLEST).symlink_to(GOLDENS / SMALLEST)
    classes = [ValueClass("f0.raw", "silence", lambda place: not place.value("padded").any())]
    monkeypatch.setattr(value_classes, "CLASSES", classes)
    out = tmp_path / "coverage.json"
    assert value_coverage.report(tmp_path / "goldens", out) == 0
    document = json.loads(out.read_text())
    assert document["values"] == [{"stage": "f0.raw", "class": "silence", "goldens": [SMALLEST], "not_recorded": None}]
    assert document["ranges"][0]["tensor"] == "f0.raw"
    classes.append(ValueClass("f0.raw", "thunder", lambda place: False))
    assert value_coverage.report(tmp_path / "goldens") == 1
    assert "not reached: f0.raw: thunder\n" in capsys.readouterr().out


def test_a_class_of_an_unknown_stage_or_of_a_known_name_is_refused():
    with pytest.raises(ValueError, match=r"there is no stage 'f0\.rw'"):
        value_classes.register("f0.rw", "silence", lambda place: True)
    with pytest.raises(ValueError, match="has the values 'no frame is voiced' already"):
        value_classes.register("f0.filled", "no frame is voiced", lambda place: True)


def test_f0_at_each_end_of_its_range_belongs_to_one_class():
    tensors = small_case.tensors()
    reached = {one.name: one.reached for one in value_classes.of_stage("f0.hz")}
    for hz, name in ((0.5, "between 0 and 1 Hz"), (5, "1 to 10 Hz"), (50, "exactly 50 Hz"), (1101, "above 1100 Hz")):
        track = np.full_like(tensors["f0.raw"], hz)
        place = Place(MemoryCase(small_case.META | {"segments": 1}, {**tensors, "f0.raw": track}), "")
        assert [each for each, holds in reached.items() if holds(place)] == [f"F0 {name}"]


@pytest.mark.parametrize("fault", values.FAULTS, ids=lambda fault: fault.name)
def test_a_golden_shows_each_fault_that_only_some_values_show(fault):
    cases = [store.open_case(folder) for folder in store.cases(GOLDENS)]
    fitting = [case for case in cases if fits(fault, case)]
    assert fitting and len(fitting) < len(cases) / 2
