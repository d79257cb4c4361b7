"""The recursive filter is scipy's, with or without its front door."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import lfilter, lfilter_zi

from rvc.audio import preparation, recursive_filter


@pytest.fixture(params=["compiled", "public"])
def run(request, monkeypatch):
    recursive_filter.linear_filter.cache_clear()
    if request.param == "public":
        monkeypatch.setattr(recursive_filter, "_compiled", lambda: None)
    elif recursive_filter._compiled() is None:
        pytest.skip("this scipy keeps its kernel elsewhere; the public function is used")
    yield recursive_filter.linear_filter()
    recursive_filter.linear_filter.cache_clear()


def test_both_doors_lead_to_the_same_bits(run):
    samples = np.random.default_rng(0).standard_normal(1000)
    expected = lfilter(preparation.B, preparation.A, samples, zi=preparation.SETTLED)
    for found, wanted in zip(run(preparation.B, preparation.A, samples, preparation.SETTLED), expected, strict=True):
        assert np.array_equal(found, wanted)


def test_backwards_views_are_filtered_too(run):
    samples = np.random.default_rng(0).standard_normal(1000)[::-1]
    expected = lfilter(preparation.B, preparation.A, samples, zi=preparation.SETTLED)
    assert np.array_equal(run(preparation.B, preparation.A, samples, preparation.SETTLED)[0], expected[0])


def test_the_settled_state_is_scipys():
    assert lfilter_zi(preparation.B, preparation.A) == pytest.approx(preparation.SETTLED, rel=1e-9)


def test_scipy_signal_is_not_imported():
    if recursive_filter._compiled() is None:
        pytest.skip("this scipy keeps its kernel elsewhere; the public function is used")
    code = (
        "import sys, numpy, rvc.audio.preparation; rvc.audio.preparation.highpass(numpy.ones(100, numpy.float32)); "
        "sys.exit('scipy.signal' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
