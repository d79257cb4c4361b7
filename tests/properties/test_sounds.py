"""Properties that hold for any sound, any window and any F0 track."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import sounds, windows

from rvc.audio import output, preparation, segments
from rvc.content import alignment
from rvc.retrieval import search

settings.register_profile("quick", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("quick")


@given(sounds())
def test_the_peak_limit_keeps_the_dtype_and_its_peak(samples):
    guarded = preparation.guard_peak(samples)
    assert guarded.dtype == np.float32
    assert np.abs(guarded).max() <= 0.95 * (1 + 1e-6)


@given(sounds(shortest=19))
def test_the_highpass_removes_a_constant(samples):
    filtered = preparation.highpass(np.full_like(samples, 0.5))
    assert np.abs(filtered).max() < 1e-6
    assert len(preparation.highpass(samples)) == len(samples)


@given(sounds(shortest=200, longest=8000), windows())
def test_every_sample_lies_in_a_segment_and_cuts_ascend(samples, window):
    signal = samples.astype(np.float64)
    _, cuts = segments.cut_points(signal, window)
    assert (cuts >= 0).all() and (cuts < len(signal)).all()
    assert (np.diff(cuts) >= 0).all() or window.query > window.center / 2
    if not (np.diff(cuts // 160) > 0).all():
        return  # overlapping search ranges may cut twice at one sample, which the originals accept
    spans = segments.spans(len(signal), cuts, window)
    padded = segments.pad(signal, window)
    assert spans[0].first == 0
    assert spans[-1].last == len(padded)
    for before, after in pairwise(spans):
        assert after.first <= before.last
        assert before.frames.stop * 160 <= before.last
        assert after.frames.start * 160 == after.first


@given(sounds(shortest=200, longest=8000), windows())
def test_a_cut_is_at_the_quietest_sample_of_its_range(samples, window):
    profile, cuts = segments.cut_points(samples.astype(np.float64), window)
    for k, cut in enumerate(cuts):
        center = (k + 1) * window.samples("center")
        near = profile[center - window.samples("query") : center + window.samples("query")]
        assert profile[cut] == near.min()


@given(sounds())
def test_integers_are_within_one_step_and_never_overflow(samples):
    final = output.to_int16(samples)
    assert final.dtype == np.int16
    assert np.abs(final.astype(np.int32)).max() <= 32440
    if np.abs(samples).max() <= 0.99:
        assert np.abs(final / 32768 - samples).max() < 1 / 32768
        assert (np.abs(final / 32768) <= np.abs(samples)).all()


@given(sounds(longest=3000), st.sampled_from([(40000, 16000), (32000, 48000), (48000, 44100)]))
def test_resampled_length_is_rounded_up(samples, rates):
    assert len(output.resample(samples, *rates)) == int(np.ceil(len(samples) * (rates[1] / rates[0])))


distances = st.lists(
    st.lists(st.floats(0, 2.0**100, width=32), min_size=8, max_size=8).map(sorted), min_size=1, max_size=6
).map(lambda rows: np.array(rows, np.float32))


@given(distances)
def test_weights_sum_to_one_whatever_the_distances(rows):
    weights = search.weights(rows)
    assert np.isfinite(weights).all()
    assert np.abs(weights.sum(axis=1) - 1).max() < 1e-5
    assert (np.diff(weights, axis=1) <= 1e-6).all()  # nearer neighbors have larger weights


@given(st.lists(st.floats(0, 1000, width=32), min_size=1, max_size=20), st.floats(0, 0.49))
def test_protect_returns_values_between_its_two_inputs(track, amount):
    hz = np.array([track], np.float32)
    blended, unblended = np.ones((1, len(track), 1), np.float32), np.zeros((1, len(track), 1), np.float32)
    mixed = alignment.protect(blended, unblended, hz, amount)[0, :, 0]
    assert (mixed >= 0).all() and (mixed <= 1).all()
    assert (mixed[hz[0] >= 1] == 1).all()


@given(sounds(longest=2000))
def test_no_stage_changes_its_input(samples):
    before = samples.copy()
    preparation.guard_peak(samples)
    output.to_int16(samples)
    output.mix_loudness(samples, samples.astype(np.float64), 40000, 0.5)
    output.guard(samples)
    assert np.array_equal(samples, before)
