"""The peak limit and the high-pass filter give the bits of the specification."""

import numpy as np
import pytest
from scipy.signal import butter, lfilter

from rvc.audio import preparation
from rvc.errors import BadInput


def noise(count, seed=0):
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def filtered_both_ways(samples):
    """scipy's filtfilt from the printed initial state; scipy computes its own from ill-conditioned equations, see
    test_recursive."""
    left = 2 * samples[0] - samples[18:0:-1]
    right = 2 * samples[-1] - samples[-2:-20:-1]
    signal = np.concatenate((left, samples, right)).astype(np.float64)
    for _ in range(2):
        signal, _ = lfilter(preparation.B, preparation.A, signal, zi=preparation.SETTLED * signal[0])
        signal = signal[::-1]
    return signal[18:-18]


@pytest.mark.parametrize("count", [19, 20, 160, 16001])
def test_the_highpass_equals_scipys_filter_run_forward_and_backward(count):
    samples = noise(count)
    assert np.array_equal(preparation.highpass(samples), filtered_both_ways(samples))


def test_filtering_in_blocks_changes_no_bit(monkeypatch):
    monkeypatch.setattr(preparation, "BLOCK", 1000)
    samples = noise(12345)
    assert np.array_equal(preparation.highpass(samples), filtered_both_ways(samples))


def test_the_coefficients_are_those_of_a_butterworth_filter():
    b, a = butter(5, 48, btype="high", fs=16000)
    assert pytest.approx(b, rel=1e-12) == preparation.B
    assert pytest.approx(a, rel=1e-12) == preparation.A


def test_eighteen_samples_are_refused():
    with pytest.raises(BadInput, match=r"the audio is 18 samples \(1.1 ms\) long; expected more than 18"):
        preparation.highpass(noise(18))


def test_a_loud_file_is_scaled_to_a_peak_of_0_95():
    guarded = preparation.guard_peak(np.array([0.1, -1.9, 0.5], np.float32))
    assert guarded == pytest.approx([0.05, -0.95, 0.25], rel=1e-6)
    assert guarded.dtype == np.float32


def test_a_quiet_file_is_not_changed():
    samples = np.array([0.1, -0.94], np.float32)
    assert preparation.guard_peak(samples) is samples


def test_no_stage_changes_its_input():
    samples = noise(1000) * 3
    before = samples.copy()
    preparation.highpass(samples)
    preparation.guard_peak(samples)
    assert np.array_equal(samples, before)
