"""The realtime resampler against the formula written out, one output sample at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rvc.audio.resampling import resample


def by_formula(samples, source, target):
    """Each output sample as its own sum over the sinc, in float64."""
    common = math.gcd(source, target)
    o, n = source // common, target // common
    base = min(o, n) * 0.99
    width = math.ceil(6 * o / base)
    out = []
    for index in range(math.ceil(n * len(samples) / o)):
        step, phase = divmod(index, n)
        total = 0.0
        for k in range(-width, width + o):
            position = step * o + k
            if 0 <= position < len(samples):
                t = max(-6.0, min(6.0, (-phase / n + k / o) * base))
                sinc = 1.0 if t == 0 else math.sin(math.pi * t) / (math.pi * t)
                total += samples[position] * sinc * math.cos(math.pi * t / 12) ** 2 * base / o
        out.append(total)
    return np.array(out)


@pytest.mark.parametrize(
    ("source", "target", "length"),
    [(40000, 16000, 301), (48000, 16000, 480), (40000, 48000, 97), (400, 377, 900), (423, 400, 1000)],
)
def test_resampling_equals_the_formula(source, target, length):
    samples = np.random.default_rng(3).normal(size=length).astype(np.float32)
    resampled = resample(torch.from_numpy(samples), source, target).numpy()
    expected = by_formula(samples, source, target)
    assert resampled.shape == expected.shape
    # The kernel is float32: the phases j/n and k/o are rounded, and a period of the sinc is 1/base of a second.
    np.testing.assert_allclose(resampled, expected, atol=2e-4 if source < 1000 else 5e-6)


def test_equal_rates_return_the_input_itself():
    samples = torch.ones(7)
    assert resample(samples, 40000, 40000) is samples


def test_a_tone_keeps_its_frequency():
    time = np.arange(48000) / 48000
    tone = torch.from_numpy(np.sin(2 * np.pi * 440 * time).astype(np.float32))
    resampled = resample(tone, 48000, 44100).numpy()
    expected = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    assert resampled.shape == (44100,)
    np.testing.assert_allclose(resampled[500:-500], expected[500:-500], atol=2e-3)
