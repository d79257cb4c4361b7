"""The distance of the goldens from exact arithmetic."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from parity import stages
from parity.calibration import exact_arithmetic
from parity.cli import main as command_line
from parity.errors import ParityError
from parity.goldens import store
from parity.judge.states import Mode

GOLDENS = Path(__file__).parents[2] / "goldens" / "cases"
CASES = ("retrieval-loudness-2026", "two-segments-rpy", "v2-48k-nof0-classic")  # the farthest, and one with segments


def test_filter_state_solves_its_system_exactly() -> None:
    """In the settled state a constant input of 1 leaves every delay of the direct form II transposed unchanged."""
    state = exact_arithmetic.filter_state()
    b = [Fraction(value) for value in exact_arithmetic.NUMERATOR]
    a = [Fraction(value) for value in exact_arithmetic.DENOMINATOR]
    output = b[0] + state[0]
    following = [*state[1:], Fraction(0)]
    assert [b[i + 1] - a[i + 1] * output + following[i] for i in range(5)] == list(state)


def test_exact_highpass_agrees_with_scipy_to_the_condition_of_its_state() -> None:
    samples = np.random.default_rng(3).standard_normal(2000).astype(np.float32)
    b, a = exact_arithmetic.NUMERATOR, exact_arithmetic.DENOMINATOR
    difference = signal.filtfilt(b, a, samples) - exact_arithmetic.highpass(samples)
    assert 0 < np.abs(difference).max() < 1.2e11 * np.finfo(np.float64).eps


def test_exact_fill_is_the_line_between_voiced_neighbors() -> None:
    track = np.array([0, 100, 0, 0, 0, 200, 0], np.float64)
    assert exact_arithmetic.fill(track).tolist() == [100, 100, 125, 150, 175, 200, 200]
    assert exact_arithmetic.fill(np.zeros(3)).tolist() == [0, 0, 0]


def test_quiet_profile_sums_160_samples() -> None:
    profile = exact_arithmetic.quiet_profile(np.ones(500))
    assert profile.shape == (500,) and set(profile.tolist()) == {160}


def test_goldens_are_as_far_from_exact_arithmetic_as_documented() -> None:
    """docs/spec/06 §6.4 gives 3.2e-8 to 4.6e-8 for the high-pass; copies are exact."""
    for name in CASES:
        case = store.open_case(GOLDENS / name)
        rows = list(exact_arithmetic.spread.values(case, exact_arithmetic.results(case), Mode.ISOLATED))
        assert {metric for _, metric, _ in rows} == {"relative_rms", "worst_frame"}
        distances = {(tensor, metric): value for tensor, metric, value in rows}
        assert 3.2e-8 < distances["highpassed", "relative_rms"] < 4.6e-8
        assert distances["padded", "worst_frame"] == distances["seg0.audio", "worst_frame"] == 0


def test_every_float64_stage_has_a_formula() -> None:
    names = [tensor.name for stage in stages.offline() for tensor in stage.makes if tensor.dtypes == ("float64",)]
    assert names and set(names) <= set(exact_arithmetic.FORMULAS)


def test_a_limit_below_the_distance_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = exact_arithmetic.Distance("highpassed", "relative_rms", 4.6e-8, 1e-9, "some-case", 1)
    monkeypatch.setattr(exact_arithmetic, "distances", lambda goldens, in_force: [row])
    assert exact_arithmetic.report(GOLDENS) == 1
    printed = capsys.readouterr().out
    assert "LIMIT BELOW THE DISTANCE" in printed and "0 of 1 limits admit the exact result" in printed


def test_exact_needs_goldens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["exact", "--goldens", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"parity: there is no case below {tmp_path}; give the folder of goldens\n"


def test_a_longdouble_no_wider_than_float64_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_arithmetic, "MANTISSA", 1000)
    bits = np.finfo(np.longdouble).nmant
    with pytest.raises(ParityError) as refusal:
        exact_arithmetic.results(store.open_case(GOLDENS / CASES[0]))
    assert str(refusal.value) == (
        f"longdouble has {bits} bits of mantissa on this machine, expected 1000 at least; measure exact arithmetic on "
        "an x86-64 processor"
    )
