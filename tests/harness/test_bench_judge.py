"""The judge of speed and memory, judged."""

import pytest

from bench.judge import curvature, interval, slope, verdict


def test_interval_holds_the_median():
    found = interval([5, 1, 4, 2, 3])
    assert (found.low, found.middle, found.high) == (1, 3, 5)
    assert found.confidence == pytest.approx(1 - 2 / 32)


def test_many_runs_narrow_the_interval():
    found = interval([float(i) for i in range(21)])
    assert 0 < found.low < 10 < found.high < 20
    assert found.confidence >= 0.9


@pytest.mark.parametrize(("budget", "word"), [(0.9, "fail"), (1.5, "inconclusive"), (2.0, "pass")])
def test_verdict_has_three_words(budget, word):
    assert verdict(interval([1.0, 1.4, 1.6, 2.0]), budget) == word


@pytest.mark.parametrize("values", [[], [float("nan")], [1.0, float("inf")]])
def test_nothing_timed_is_no_pass(values):
    with pytest.raises(ValueError, match="was anything timed"):
        interval(values)


def test_a_square_buffer_bends_the_line():
    lengths = [1.0, 2.0, 4.0]
    assert slope(lengths, [11.0, 12.0, 14.0]) == pytest.approx(1)
    assert curvature(lengths, [11.0, 12.0, 14.0]) == pytest.approx(0)
    assert curvature(lengths, [10 + x * x for x in lengths]) > 2
