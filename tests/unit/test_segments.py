"""Where long audio is cut, and the range of each segment."""

import numpy as np
import pytest

from rvc.audio import segments
from rvc.audio.segments import Window
from rvc.errors import BadInput

SMALL = Window(pad=0.5, query=0.2, center=1.0, max=1.2)


def kept(length, window=SMALL, cuts=None, upp=400):
    """Output samples for `length` samples of input."""
    spans = segments.spans(length, np.array(cuts if cuts is not None else [], np.int64), window)
    return sum((span.content_frames - 2 * window.pad_frames) * upp for span in spans)


@pytest.mark.parametrize(
    ("length", "samples"), [(16000, 39200), (16079, 39200), (16080, 40000), (16160, 40000), (20001, 49600)]
)
def test_lengths_are_those_of_the_specification(length, samples):
    assert kept(length, Window()) == samples


def test_short_audio_is_not_cut():
    profile, cuts = segments.cut_points(np.ones(round(1.2 * 16000) - 160), SMALL)
    assert profile is None
    assert cuts.shape == (0,)
    assert cuts.dtype == np.int64


def test_the_cut_is_at_the_first_of_equally_quiet_samples():
    signal = np.ones(30000)
    signal[15000:15400] = 0  # two equally quiet parts, both in the search range around second 1
    signal[17000:17400] = 0
    profile, cuts = segments.cut_points(signal, SMALL)
    assert list(cuts) == [15080]
    assert profile[15080] == 0
    assert profile[15079] > 0


def test_the_profile_sums_160_samples_in_order():
    signal = np.random.default_rng(0).standard_normal(40000)
    edge = np.pad(signal, 80, mode="reflect")
    expected = np.zeros(40000)
    for i in range(160):
        expected += np.abs(edge[i : i + 40000])
    assert np.array_equal(segments.loudness(signal), expected)


def test_segments_overlap_by_their_padding_and_cover_the_audio():
    spans = segments.spans(50000, np.array([16123, 31999]), SMALL)
    assert [span.first for span in spans] == [0, 16000, 31840]
    assert [span.last for span in spans] == [32160, 48000, 66000]  # 10 ms more than the F0 of the segment
    assert [span.frames for span in spans] == [slice(0, 200), slice(100, 299), slice(199, 412)]


def test_an_odd_number_of_frames_loses_one():
    even, odd = segments.spans(32000, np.array([16000]), SMALL)[0], segments.spans(32000, np.array([16160]), SMALL)[0]
    assert even.content_frames - 100 == 100
    assert odd.content_frames - 100 == 100  # 101 rounded down to an even number


def test_padding_reflects_short_audio_repeatedly():
    padded = segments.pad(np.arange(3.0), Window(pad=0.01, query=1, center=1, max=1))
    assert len(padded) == 3 + 320
    assert list(padded[158:165]) == [2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"pad": 0}, "the window's pad is 0 s; expected more than 0"),
        ({"pad": 0.005}, "the window's pad is 0.005 s; expected whole frames of 0.01 s"),
        ({"query": 50}, "the window's query (50 s) exceeds its center (38.0 s); make it smaller"),
        ({"max": float("nan")}, "the window's max is nan s; expected more than 0"),
    ],
)
def test_an_impossible_window_is_refused(values, sentence):
    with pytest.raises(BadInput) as refused:
        Window(**values)
    assert str(refused.value) == sentence
