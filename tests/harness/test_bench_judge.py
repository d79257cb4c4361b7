"""The judge of speed and memory, judged: by plain numbers, then by faults planted into real conversions."""

import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.checks import budget, same_output
from bench.judge import figures
from bench.judge.verdict import Figure, curvature, drift, interval, slope, verdict
from bench.measure import leak, unit
from bench.measure.workload import speech
from bench.publish import table
from bench.sections import offline, rivals, stream
from tests.unit.tiny import write_hubert, write_voice

BUDGETS = tomllib.loads(budget.BUDGETS.read_text(encoding="utf-8"))
PLANTED = Path(__file__).with_name("planted.py")


def test_interval_holds_the_median():
    found = interval([5, 1, 4, 2, 3])
    assert (found.low, found.middle, found.high) == (1, 3, 5)
    assert found.confidence == pytest.approx(1 - 2 / 32)


def test_one_run_is_as_wide_as_the_noise():
    single = interval([3.6]).at_least_as_wide(0.05)
    assert verdict(single, 3.5, at_least=True) == "inconclusive"
    assert interval([3.5, 3.7]).at_least_as_wide(0.5).high == 3.7
    assert str(interval([3384.2])) == "3384 (3384 to 3384)"


def test_many_runs_narrow_the_interval():
    found = interval([float(i) for i in range(21)])
    assert 0 < found.low < 10 < found.high < 20
    assert found.confidence >= 0.9


@pytest.mark.parametrize(("bound", "word"), [(0.9, "fail"), (1.5, "inconclusive"), (2.0, "pass")])
def test_verdict_has_three_words(bound, word):
    assert verdict(interval([1.0, 1.4, 1.6, 2.0]), bound) == word


@pytest.mark.parametrize(("bound", "word"), [(0.9, "pass"), (1.0, "pass"), (1.5, "inconclusive"), (2.1, "fail")])
def test_a_goal_to_be_reached_is_judged_from_below(bound, word):
    assert verdict(interval([1.0, 1.4, 1.6, 2.0]), bound, at_least=True) == word


@pytest.mark.parametrize("values", [[], [float("nan")], [1.0, float("inf")]])
def test_nothing_timed_is_no_pass(values):
    with pytest.raises(ValueError, match="was anything timed"):
        interval(values)


def test_a_square_buffer_bends_the_line():
    line = [(x, [10 + x]) for x in (1.0, 2.0, 4.0)]
    assert slope(line).middle == pytest.approx(1)
    assert curvature(line).middle == pytest.approx(0)
    assert curvature([(x, [10 + x * x]) for x, _ in line]).low > 2


def test_a_single_run_is_as_uncertain_as_the_others_were():
    found = slope([(1.0, [10.0, 14.0]), (5.0, [12.0])])
    assert (found.low, found.middle, found.high) == (-1.0, 0.0, 1.0)


def test_a_drift_is_neither_a_step_nor_noise():
    noise = np.random.default_rng(0).normal(0, 0.2, 18)
    assert drift(list(600 + noise)).high < BUDGETS["memory"]["leak"]
    step = [*([600.0] * 9), *([601.0] * 9)]
    assert verdict(drift(step), BUDGETS["memory"]["leak"]) == "pass"
    assert verdict(drift(list(600 + noise + np.arange(18))), BUDGETS["memory"]["leak"]) == "fail"
    with pytest.raises(ValueError, match="9 runs at least"):
        drift([1.0] * 8)


def test_a_quarter_slower_is_over_the_budget_in_numbers():
    cost = BUDGETS["time"]["units"][next(iter(BUDGETS["time"]["units"]))]
    processor = next(iter(BUDGETS["time"]["units"]))
    spread = np.array([0.97, 1.0, 1.03])

    def judged(times):
        return budget.judge(list(cost * times * spread), [700.0], BUDGETS, processor)[0].verdict

    assert judged(1.0) == "pass"
    assert judged(1.25) == "fail"


def test_a_budget_of_zero_is_no_budget():
    with pytest.raises(ValueError, match="budget of 0"):
        budget.allowed_units({"original": {"units": 0}, "time": {"units": {}, "ours_over_original": 1.0}}, "any")


def test_an_unknown_processor_is_held_to_the_original():
    share = BUDGETS["time"]["ours_over_original"] * BUDGETS["original"]["units"]
    assert budget.allowed_units(BUDGETS, "a processor of tomorrow") == pytest.approx(share)


def test_a_leak_is_caught_in_a_living_process():
    kept, fixed = [], []

    def honest():
        fixed[:] = [b"x" * 2**20]

    plain = leak.after_each(honest, leak.RUNS)
    leaking = leak.after_each(lambda: kept.append(b"x" * 2**20), leak.RUNS)
    assert budget.judge_leak(plain, BUDGETS)[0].verdict == "pass"
    assert budget.judge_leak(leaking, BUDGETS)[0].verdict == "fail"


def test_a_stream_that_grows_by_two_megabytes_a_minute_is_caught():
    noise = np.random.default_rng(0).normal(0, 0.3, 120)
    flat = stream.rise(list(500 + noise), 600.0)
    rising = stream.rise(list(500 + noise + np.arange(120) / 12 * 2), 600.0)
    goal = figures.GOALS["stream"]["mib_per_minute"]
    assert verdict(flat, goal) == "pass"
    assert verdict(rising, goal) == "fail"


def test_exactness_is_measured_in_decibels():
    sound = np.sin(np.arange(1000.0))
    assert same_output.snr(sound, sound) == float("inf")
    assert same_output.snr(sound, sound * 1.01) == pytest.approx(40)
    with pytest.raises(ValueError, match="expected the same"):
        same_output.snr(sound, sound[1:])
    assert same_output.near("bfloat16", 31.0, 41.0)["exact"]
    assert not same_output.near("bfloat16", 29.0, 41.0)["exact"]
    assert not same_output.near("bfloat16", 31.0, 39.0)["exact"]


def test_a_fast_wrong_answer_does_not_count():
    fast = Figure("end to end", interval([9.0]), "×", 3.5, at_least=True)
    assert figures.Line(fast).verdict == "pass"
    assert figures.Line(fast, exact=False, why="the timed output is not the traced run's").verdict == "not counted"


def test_every_run_of_ours_stands_between_two_of_the_originals():
    assert offline.order(["a", "b"], 2) == ["original", "a", "b", "original", "b", "a", "original"]


def test_runs_of_several_sittings_come_to_one_ratio():
    def run(who, seconds):
        return {"who": who, "seconds": seconds, "peak_mib": 500.0, "stages": {"synthesizer": seconds / 2}}

    sittings = [
        [run("original", 40.0), run("float32", 10.0), run("original", 44.0)],
        [run("original", 30.0), run("float32", 10.0), run("original", 30.0)],
    ]
    found = offline.summary(sittings, "webui-2026", {"float32": {"exact": True, "why": ""}})
    assert found["noise"] == pytest.approx(0.1)  # within a sitting: between them the machine may have changed
    (row,) = found["ours"]
    assert (row["faster"]["low"], row["faster"]["high"]) == pytest.approx((3.0, 4.2))
    assert row["stages_faster"]["synthesizer"]["middle"] == pytest.approx(3.6)


def test_the_rival_is_slower_by_the_ratio():
    found = rivals.faster({"ours-float32": [1.0, 2.0], "onnxruntime": [3.0, 6.0], "torch": [1.0, 1.0]})
    assert found["float32"]["onnxruntime"]["middle"] == 3
    assert set(found) == {"float32"}


def test_a_table_says_what_missed_and_why():
    figure = Figure("peak memory, int8", interval([600.0]), "MiB", 476.8)
    text = table.goals([figures.Line(figure), figures.Line(figure, exact=False, why="waveform 12.0 dB")])
    assert "≤ 477 MiB" in text and "| fail " in text and "not counted" in text and "12.0 dB" in text


@pytest.fixture
def small(tmp_path):
    """The options that name a voice and a HuBERT of a few channels: real conversions in a second or two."""
    write_voice(tmp_path / "voice.pth")
    write_hubert(tmp_path / "hubert_base")
    return ["--model", str(tmp_path / "voice.pth"), "--hubert", str(tmp_path / "hubert_base"), "--f0-method", "pm"]


def conversions(fault: str, small: list[str], folder: Path) -> dict[float, list[str]]:
    """Commands that convert 8, 16 and 32 s with a fault, or without one."""
    start = [sys.executable, str(PLANTED), fault, "convert"]
    return {
        seconds: [*start, str(speech(seconds, folder)), str(folder / f"{fault}.wav"), *small]
        for seconds in (8.0, 16.0, 32.0)
    }


def test_a_quarter_slower_is_caught_in_processes(monkeypatch):
    """Processes that only wait, a unit that never changes: whatever else the machine does, a quarter is a quarter."""
    monkeypatch.setattr(unit, "measure", lambda threads: 0.01)

    def judged(seconds):
        command = [sys.executable, "-I", "-S", "-c", f"import time; time.sleep({seconds})"]
        budgets = {**BUDGETS, "time": {"units": {"here": 100.0}, "slower": BUDGETS["time"]["slower"]}}
        return budget.judge(*budget.measure(command, 3), budgets, "here")[0].verdict

    assert judged(0.95) == "pass"
    assert judged(1.25) == "fail"


def test_a_square_buffer_is_caught_in_real_conversions(small, tmp_path):
    def verdicts(fault):
        runs = zip(*(budget.peaks(conversions(fault, small, tmp_path)) for _ in range(2)), strict=True)
        least = [(length, [min(one + other)]) for (length, one), (_, other) in runs]  # less of the page cache's luck
        found = budget.judge_growth(least, BUDGETS)
        return [figure.verdict for figure in found], found

    said, found = verdicts("none")
    assert said == ["pass", "pass"], found
    said, found = verdicts("square")
    assert said == ["fail", "fail"], found


def test_a_megabyte_a_run_is_caught_in_real_conversions(small, tmp_path):
    from rvc.api import load_voice

    voice, kept = load_voice(small[1], hubert=small[3]), []
    sound, _ = soundfile.read(speech(2.0, tmp_path), dtype="float32")

    def convert():
        voice.convert(sound, f0_method="pm")

    def leaking():
        convert()
        kept.append(b"x" * 2**20)

    honest = leak.after_each(convert, leak.RUNS)
    assert budget.judge_leak(honest, BUDGETS)[0].verdict == "pass", honest
    kept_too = leak.after_each(leaking, leak.RUNS)
    assert budget.judge_leak(kept_too, BUDGETS)[0].verdict == "fail", kept_too
