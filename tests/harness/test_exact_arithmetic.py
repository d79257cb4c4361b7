"""The distance of the goldens from exact arithmetic."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soxr
from scipy import signal

from parity import stages
from parity.calibration import exact_arithmetic, exact_resampling
from parity.cli import main as command_line
from parity.errors import ParityError
from parity.goldens import store
from parity.judge import limits
from parity.judge.states import Mode
from parity.voices import synthesizer

DOCS = Path(__file__).parents[2] / "docs"
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
        assert {metric for _, metric, _ in rows} == {"relative_rms", "worst_frame", "steps"}
        distances = {(tensor, metric): value for tensor, metric, value in rows}
        assert 3.2e-8 < distances["highpassed", "relative_rms"] < 4.6e-8
        assert distances["padded", "worst_frame"] == distances["seg0.audio", "worst_frame"] == 0


def test_every_float64_stage_has_a_formula() -> None:
    names = [tensor.name for stage in stages.offline() for tensor in stage.makes if tensor.dtypes == ("float64",)]
    assert names and set(names) <= set(exact_arithmetic.FORMULAS)


def test_a_limit_below_the_distance_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = exact_arithmetic.Distance("highpassed", Mode.ISOLATED, "relative_rms", 4.6e-8, 1e-9, "some-case", 1)
    monkeypatch.setattr(exact_arithmetic, "distances", lambda goldens, in_force: [row])
    assert exact_arithmetic.report(GOLDENS) == 1
    printed = capsys.readouterr().out
    assert "LIMIT BELOW THE DISTANCE" in printed and "0 of 1 limits admit the exact result" in printed


def test_specification_prints_the_exact_state_of_the_filter() -> None:
    specification = (DOCS / "spec" / "06-offline.md").read_text(encoding="utf-8")
    printed = ", ".join(repr(float(value)).replace("-", "−") for value in exact_arithmetic.filter_state())
    assert f"[{printed}]" in specification


def test_documented_table_states_the_limits_in_force() -> None:
    lines = (DOCS / "exact-arithmetic.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    assert {row[0].strip("`") for row in rows} == {*exact_arithmetic.FORMULAS, "f0.raw"}
    for tensor, mode, metric, distance, limit, _ in rows:
        name = limits.any_name(tensor.strip("`"))
        in_force = [limits.load().find(name, mode, metric, network).limit for network in (False, True)]
        assert float(limit) in [float(f"{value:.3g}") for value in in_force]
        assert float(distance) <= float(limit)


def test_every_typed_limit_of_a_file_has_a_formula_or_is_of_no_golden() -> None:
    typed = exact_arithmetic.typed_without_formula(limits.load())
    assert typed == ["hubert.conv", "hubert.hidden0"]
    assert exact_arithmetic.held_by_no_golden([*typed, "spk.g"], GOLDENS) == typed


@pytest.mark.parametrize("source", [32000, 40000, 48000])
def test_exact_resampling_is_soxrs_to_the_rounding_of_float32(source: int) -> None:
    """From 40 to 16 kHz, soxr weighs the first samples otherwise than later ones."""
    target = 16000
    samples = np.random.default_rng(8).standard_normal(6000).astype(np.float32)
    exact = exact_resampling.resampled(samples, source, target)
    made = soxr.resample(samples, source, target, quality="HQ")
    assert exact.shape == made.shape
    assert np.abs(made[:50] - exact[:50]).max() < 1e-6
    assert 0 < np.sqrt(np.mean((made - exact) ** 2)) / made.std() < 3e-7


def test_a_response_longer_than_expected_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_resampling, "REACH", 100)
    with pytest.raises(
        ParityError,
        match=r"^soxr's response from 48000 to 16000 Hz is longer than 100 samples; raise REACH in "
        r"parity/calibration/exact_resampling\.py$",
    ):
        exact_resampling.responses.__wrapped__(48000, 16000)


def test_an_embedding_is_the_row_of_the_checkpoint() -> None:
    tensors = {name: value for name, value in synthesizer.tensors("v1-32k-nof0") if name == "emb_g.weight"}
    assert np.array_equal(synthesizer.speaker("v1-32k-nof0", 5), tensors["emb_g.weight"][5])


def test_exact_arithmetic_alone_raises_a_typed_limit_and_never_lowers_it() -> None:
    def limit_of(tensor: str, metric: str, distance: float) -> float:
        entry = {"tensor": tensor, "mode": "isolated", "metric": metric, "network_f0": False, "cases": 1}
        spread = {"variants": [], "entries": [{**entry, "by_variant": {limits.EXACT: distance}}]}
        return limits.Limits(spread).find(limits.any_name(tensor), "isolated", metric, False).limit

    typed = limits.Limits().find("waveform.rmsmixed", "isolated", "relative_rms", False).limit
    assert limit_of("waveform.rmsmixed", "relative_rms", 1e-8) == typed
    assert limit_of("waveform.rmsmixed", "relative_rms", typed) == limits.MARGIN * typed
    assert limit_of("waveform.final", "steps", 1.0) == 1.0  # an integer of one step is no measurement with a margin


def test_exact_chain_does_not_widen_the_limit_of_a_pitch_method_run_alone() -> None:
    """Run alone, a method reads the golden's own audio; only in a chain does it read the exact one."""
    alone, chained = (limits.load().find("f0.raw", mode, "relative_rms", False).limit for mode in Mode)
    assert alone == limits.FLOORS["float64"] < chained


def test_a_copy_is_allowed_what_its_source_is_allowed() -> None:
    for mode in Mode:
        source, copy = (limits.load().find(name, mode, "relative_rms", False) for name in ("highpassed", "padded"))
        assert copy.limit >= source.limit and copy.because.startswith("a copy of highpassed")


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
