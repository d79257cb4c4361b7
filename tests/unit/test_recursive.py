"""The recursive filter is scipy's, with or without its front door."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import lfilter, lfilter_zi

from rvc import audio, recursive


@pytest.fixture(params=["compiled", "public"])
def run(request, monkeypatch):
    recursive.linear_filter.cache_clear()
    if request.param == "public":
        monkeypatch.setattr(recursive, "_compiled", lambda: None)
    elif recursive._compiled() is None:
        pytest.skip("this scipy keeps its kernel elsewhere; the public function is used")
    yield recursive.linear_filter()
    recursive.linear_filter.cache_clear()


def test_both_doors_lead_to_the_same_bits(run):
    samples = np.random.default_rng(0).standard_normal(1000)
    expected = lfilter(audio.B, audio.A, samples, zi=audio.SETTLED)
    for found, wanted in zip(run(audio.B, audio.A, samples, audio.SETTLED), expected, strict=True):
        assert np.array_equal(found, wanted)


def test_backwards_views_are_filtered_too(run):
    samples = np.random.default_rng(0).standard_normal(1000)[::-1]
    expected = lfilter(audio.B, audio.A, samples, zi=audio.SETTLED)
    assert np.array_equal(run(audio.B, audio.A, samples, audio.SETTLED)[0], expected[0])


def test_the_settled_state_is_scipys():
    assert lfilter_zi(audio.B, audio.A) == pytest.approx(audio.SETTLED, rel=1e-9)


def test_scipy_signal_is_not_imported():
    if recursive._compiled() is None:
        pytest.skip("this scipy keeps its kernel elsewhere; the public function is used")
    code = (
        "import sys, numpy, rvc.audio; rvc.audio.highpass(numpy.ones(100, numpy.float32)); "
        "sys.exit('scipy.signal' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
