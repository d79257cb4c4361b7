"""The judge of speed and memory: tested with numbers, then with faults planted into real conversions."""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.checks import budget, same_output
from bench.judge import goals
from bench.judge.intervals import Measurement, compare, curvature, drift, interval, slope
from bench.measure import leak, unit
from bench.measure.workload import speech
from bench.publish import table
from bench.sections import conversions, generators, stream_memory
from bench.sections.conversions import TimedRun
from tests.unit.tiny import write_hubert, write_voice

BUDGETS = tomllib.loads(budget.BUDGETS.read_text(encoding="utf-8"))
PLANTED = Path(__file__).with_name("planted.py")


def test_interval_contains_the_median():
    median = interval([5, 1, 4, 2, 3])
    assert (median.low, median.middle, median.high) == (1, 3, 5)
    assert median.confidence == pytest.approx(1 - 2 / 32)


def test_interval_of_one_run_is_as_wide_as_the_noise():
    single = interval([3.6]).at_least_as_wide(0.05)
    assert compare(single, 3.5, at_least=True) == "inconclusive"
    assert interval([3.5, 3.7]).at_least_as_wide(0.5).high == 3.7
    assert str(interval([3384.2])) == "3384 (3384 to 3384)"


def test_many_runs_narrow_the_interval():
    many = interval([float(i) for i in range(21)])
    assert 0 < many.low < 10 < many.high < 20
    assert many.confidence >= 0.9


@pytest.mark.parametrize(("bound", "outcome"), [(0.9, "fail"), (1.5, "inconclusive"), (2.0, "pass")])
def test_comparison_has_three_outcomes(bound, outcome):
    assert compare(interval([1.0, 1.4, 1.6, 2.0]), bound) == outcome


@pytest.mark.parametrize(("bound", "outcome"), [(0.9, "pass"), (1.0, "pass"), (1.5, "inconclusive"), (2.1, "fail")])
def test_lower_bound_is_compared_from_below(bound, outcome):
    assert compare(interval([1.0, 1.4, 1.6, 2.0]), bound, at_least=True) == outcome


@pytest.mark.parametrize("values", [[], [float("nan")], [1.0, float("inf")]])
def test_empty_or_infinite_measurements_are_an_error(values):
    with pytest.raises(ValueError, match="was anything timed"):
        interval(values)


def test_a_quadratic_buffer_shows_in_the_curvature():
    line = [(x, [10 + x]) for x in (1.0, 2.0, 4.0)]
    assert slope(line).middle == pytest.approx(1)
    assert curvature(line).middle == pytest.approx(0)
    assert curvature([(x, [10 + x * x]) for x, _ in line]).low > 2


def test_a_single_run_gets_the_spread_of_the_others():
    rise = slope([(1.0, [10.0, 14.0]), (5.0, [12.0])])
    assert (rise.low, rise.middle, rise.high) == (-1.0, 0.0, 1.0)


def test_drift_ignores_a_step_and_noise():
    noise = np.random.default_rng(0).normal(0, 0.2, 18)
    assert drift(list(600 + noise)).high < BUDGETS["memory"]["leak"]
    step = [*([600.0] * 9), *([601.0] * 9)]
    assert compare(drift(step), BUDGETS["memory"]["leak"]) == "pass"
    assert compare(drift(list(600 + noise + np.arange(18))), BUDGETS["memory"]["leak"]) == "fail"
    with pytest.raises(ValueError, match="9 runs at least"):
        drift([1.0] * 8)


def test_costs_a_quarter_higher_exceed_the_budget():
    cost = BUDGETS["time"]["units"][next(iter(BUDGETS["time"]["units"]))]
    processor = next(iter(BUDGETS["time"]["units"]))
    spread = np.array([0.97, 1.0, 1.03])

    def judged(times):
        return budget.judge(list(cost * times * spread), [700.0], BUDGETS, processor)[0].outcome

    assert judged(1.0) == "pass"
    assert judged(1.25) == "fail"


def test_a_budget_of_zero_is_an_error():
    with pytest.raises(ValueError, match="budget of 0"):
        budget.allowed_units({"original": {"units": 0}, "time": {"units": {}, "ours_over_original": 1.0}}, "any")


def test_budget_of_an_unknown_processor_is_a_share_of_the_original():
    share = BUDGETS["time"]["ours_over_original"] * BUDGETS["original"]["units"]
    assert budget.allowed_units(BUDGETS, "an unknown processor") == pytest.approx(share)


def test_figures_of_another_check_stay_in_the_verdict(tmp_path):
    path = tmp_path / "verdict.json"
    path.write_text(json.dumps({"state": "pass"}))
    names = ("peak memory", "memory kept per run")
    time, leaks = (Measurement(what, interval([1.0, 2.0]), "MiB", 3.0) for what in names)
    for written in ([time], [leaks], [Measurement("peak memory", interval([2.5]), "MiB", 3.0)]):
        budget.write(path, written)
    document = json.loads(path.read_text())
    assert document["state"] == "pass"
    assert [(figure["what"], figure["value"]) for figure in document["speed"]["figures"]] == [
        ("peak memory", 2.5),
        ("memory kept per run", 1.5),
    ]


def test_every_check_of_the_budget_has_a_name(tmp_path):
    assert tuple(budget.checks(1, tmp_path, BUDGETS)) == budget.CHECKS


def test_a_leak_is_detected_in_a_process():
    leaked, fixed = [], []

    def replace():
        fixed[:] = [b"x" * 2**20]

    plain = leak.after_each(replace, leak.RUNS)
    leaking = leak.after_each(lambda: leaked.append(b"x" * 2**20), leak.RUNS)
    assert budget.judge_leak(plain, BUDGETS)[0].outcome == "pass"
    assert budget.judge_leak(leaking, BUDGETS)[0].outcome == "fail"


def test_a_stream_that_grows_by_two_megabytes_a_minute_fails():
    noise = np.random.default_rng(0).normal(0, 0.3, 120)
    flat = stream_memory.rise(list(500 + noise), 600.0)
    rising = stream_memory.rise(list(500 + noise + np.arange(120) / 12 * 2), 600.0)
    goal = goals.GOALS["stream"]["mib_per_minute"]
    assert compare(flat, goal) == "pass"
    assert compare(rising, goal) == "fail"


def test_exactness_is_measured_in_decibels():
    sound = np.sin(np.arange(1000.0))
    assert same_output.snr(sound, sound) == float("inf")
    assert same_output.snr(sound, sound * 1.01) == pytest.approx(40)
    with pytest.raises(ValueError, match="expected the same"):
        same_output.snr(sound, sound[1:])
    assert same_output.near("bfloat16", 31.0, 41.0).exact
    assert not same_output.near("bfloat16", 29.0, 41.0).exact
    assert not same_output.near("bfloat16", 31.0, 39.0).exact


def test_a_fast_run_with_wrong_output_is_not_counted():
    fast = Measurement("end to end", interval([9.0]), "×", 3.5, at_least=True)
    assert goals.JudgedMeasurement(fast).outcome == "pass"
    assert (
        goals.JudgedMeasurement(fast, exact=False, why="the timed output is not the traced run's").outcome
        == "not counted"
    )


def test_each_run_of_rvc_is_between_two_of_the_original():
    assert conversions.order(["a", "b"], 2) == ["original", "a", "b", "original", "b", "a", "original"]


def test_runs_of_several_series_give_one_ratio():
    def run(who, seconds):
        return TimedRun(who, seconds, peak_mib=500.0, stages={"synthesizer": seconds / 2})

    series = [
        [run("original", 40.0), run("float32", 10.0), run("original", 44.0)],
        [run("original", 30.0), run("float32", 10.0), run("original", 30.0)],
    ]
    section = conversions.summary(series, "webui-2026", {"float32": {"exact": True, "why": ""}})
    assert section["noise"] == pytest.approx(
        0.1
    )  # changes within a series; between series the machine may have changed
    (row,) = section["ours"]
    assert (row["faster"]["low"], row["faster"]["high"]) == pytest.approx((3.0, 4.2))
    assert row["stages_faster"]["synthesizer"]["middle"] == pytest.approx(3.6)


def test_ratio_of_another_program_to_rvc():
    ratios = generators.faster({"ours-float32": [1.0, 2.0], "onnxruntime": [3.0, 6.0], "torch": [1.0, 1.0]})
    assert ratios["float32"]["onnxruntime"]["middle"] == 3
    assert set(ratios) == {"float32"}


def test_table_of_goals_shows_outcome_and_reason():
    measurement = Measurement("peak memory, int8", interval([600.0]), "MiB", 476.8)
    text = table.goals(
        [
            goals.JudgedMeasurement(measurement),
            goals.JudgedMeasurement(measurement, exact=False, why="waveform 12.0 dB"),
        ]
    )
    assert "≤ 477 MiB" in text and "| fail " in text and "not counted" in text and "12.0 dB" in text


@pytest.fixture
def small(tmp_path):
    """Options of a voice and a HuBERT of a few channels, which convert in a second or two."""
    write_voice(tmp_path / "voice.pth")
    write_hubert(tmp_path / "hubert_base")
    return ["--model", str(tmp_path / "voice.pth"), "--hubert", str(tmp_path / "hubert_base"), "--f0-method", "pm"]


def conversion_commands(fault: str, small: list[str], folder: Path) -> dict[float, list[str]]:
    """Commands that convert 8, 16 and 32 s with a fault, or without one."""
    start = [sys.executable, str(PLANTED), fault, "convert"]
    return {
        seconds: [*start, str(speech(seconds, folder)), str(folder / f"{fault}.wav"), *small]
        for seconds in (8.0, 16.0, 32.0)
    }


def test_processes_a_quarter_slower_fail(monkeypatch):
    """Processes that only wait, with a constant unit, so that the load of the machine has no influence."""
    monkeypatch.setattr(unit, "measure", lambda threads: 0.01)

    def judged(seconds):
        command = [sys.executable, "-I", "-S", "-c", f"import time; time.sleep({seconds})"]
        budgets = {**BUDGETS, "time": {"units": {"here": 100.0}, "slower": BUDGETS["time"]["slower"]}}
        return budget.judge(*budget.measure(command, 3), budgets, "here")[0].outcome

    assert judged(0.95) == "pass"
    assert judged(1.25) == "fail"


def test_a_quadratic_buffer_in_conversions_fails(small, tmp_path):
    def outcomes_of(fault, times):
        runs = [budget.peaks(conversion_commands(fault, small, tmp_path)) for _ in range(times)]
        least = [
            (points[0][0], [min(peak for _, peaks in points for peak in peaks)]) for points in zip(*runs, strict=True)
        ]
        measurements = budget.judge_growth(least, BUDGETS)
        return [measurement.outcome for measurement in measurements], measurements

    outcomes, measurements = outcomes_of("none", 2)  # the smaller of two peaks, since the page cache varies
    assert outcomes == ["pass", "pass"], measurements
    outcomes, measurements = outcomes_of("square", 1)
    assert outcomes == ["fail", "fail"], measurements


def test_a_leak_of_a_megabyte_per_conversion_fails(small, tmp_path):
    from rvc.api import load_voice

    voice, leaked = load_voice(small[1], hubert=small[3]), []
    sound, _ = soundfile.read(speech(2.0, tmp_path), dtype="float32")

    def convert():
        voice.convert(sound, f0_method="pm")

    def leaking():
        convert()
        leaked.append(b"x" * 2**20)

    plain = leak.after_each(convert, leak.RUNS)
    assert budget.judge_leak(plain, BUDGETS)[0].outcome == "pass", plain
    leaking_runs = leak.after_each(leaking, leak.RUNS)
    assert budget.judge_leak(leaking_runs, BUDGETS)[0].outcome == "fail", leaking_runs
