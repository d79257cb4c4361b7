"""Signal processing of a block, compared with its definition computed by loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.signal import get_window

from rvc.realtime.dsp.denoise import reduce_noise
from rvc.realtime.dsp.gate import Gate
from rvc.realtime.dsp.loudness import gain, loudness
from rvc.realtime.dsp.sola import correlation, crossfade, phase_vocoder, ramp


def noise(length, seed=0):
    return np.random.default_rng(seed).normal(size=length).astype(np.float32)


# loudness -------------------------------------------------------------------------------------------------------------


def test_loudness_is_the_root_mean_square_of_centered_frames():
    samples = noise(1000)
    values = loudness(samples, 100)
    assert values.shape == (11,)
    for index, value in enumerate(values):
        frame = [samples[i] if 0 <= i < 1000 else 0.0 for i in range(100 * index - 200, 100 * index + 200)]
        assert value == pytest.approx(math.sqrt(np.mean(np.square(frame))), rel=1e-5)


def test_rate_one_keeps_the_loudness_and_zero_takes_the_inputs():
    quiet, loud = np.full(5, 0.1, np.float32), np.full(5, 0.4, np.float32)
    np.testing.assert_allclose(gain(quiet, loud, 1.0, 400), 1.0)
    np.testing.assert_allclose(gain(quiet, loud, 0.0, 400), 0.25, rtol=1e-6)
    np.testing.assert_allclose(gain(quiet, loud, 0.5, 400), 0.5, rtol=1e-6)


def test_silence_is_amplified_at_most_by_the_floor():
    factor = gain(np.full(5, 0.1, np.float32), np.zeros(5, np.float32), 0.0, 400)
    np.testing.assert_allclose(factor, 100.0, rtol=1e-5)


def test_gain_runs_linearly_with_its_ends_aligned():
    before = np.array([0.0, 1.0, 0.5], np.float32)
    factor = gain(before, np.ones(3, np.float32), 0.0, 8).numpy()
    expected = np.interp(np.arange(9) * 2 / 8, [0, 1, 2], before)[:-1]
    np.testing.assert_allclose(factor, expected, atol=1e-6)


# gate -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zc", [320, 400, 441, 480])
def test_gate_zeroes_the_pieces_below_the_threshold(zc):
    gate, past = Gate(zc), np.zeros(4 * zc, np.float32)
    for number in range(3):
        block = noise(10 * zc, number) * np.repeat(np.float32([1e-4, 1, 1] + [1e-4] * 7), zc)
        samples = np.concatenate([past, block])
        padded = np.pad(samples, 2 * zc)
        columns = [np.sqrt(np.mean(padded[i * zc : (i + 4) * zc] ** 2)) for i in range(len(samples) // zc + 1)][2:]
        level = 20 * np.log10(np.maximum(columns, 1e-5))
        expected = samples[2 * zc - zc // 2 :].copy()
        for index, value in enumerate(np.maximum(level, level.max() - 80)):
            if value < -10:
                expected[index * zc : (index + 1) * zc] = 0
        before = block.copy()
        gated = gate(block, -10.0)
        assert gated.shape == (12 * zc,)
        assert 0 < np.count_nonzero(gated) < gated.size
        np.testing.assert_array_equal(gated, expected[zc // 2 :])
        np.testing.assert_array_equal(block, before)
        past = samples[-4 * zc :]


def test_gate_at_minus_sixty_is_off():
    block = np.full(1000, 1e-9, np.float32)
    assert Gate(100)(block, -60.0) is block


def test_gate_switched_on_late_uses_the_newest_input():
    gate = Gate(100)
    gate(noise(1000, 1), -60.0)
    newest = noise(1000, 2)
    gate(newest, -60.0)
    np.testing.assert_array_equal(gate(noise(1000, 3), -59.0)[:200], newest[-200:])


# noise reduction ------------------------------------------------------------------------------------------------------


def reduced_by_loops(samples, reference, zc):
    """The spectral gate by plain float64 Fourier sums and loops."""
    size, window = 4 * zc, get_window("hann", 4 * zc)

    def spectrum(x):
        x = np.pad(x.astype(np.float64), 2 * zc)
        return np.array([np.fft.rfft(x[i : i + size] * window) for i in range(0, len(x) - size + 1, zc)]).T

    def level(bins):
        decibels = 20 * np.log10(np.abs(bins) + 2.220446049250313e-16)
        return np.maximum(decibels, decibels.max(axis=1, keepdims=True) - 40)

    bins, quiet = spectrum(samples), level(spectrum(reference))
    threshold = quiet.mean(axis=1) + 1.5 * quiet.std(axis=1, ddof=1)
    mask = np.where(level(bins) > threshold[:, None], 1.0, 0.1)
    half_f, half_t = int(500 / (100 * zc / (2 * zc))), 5
    kernel = np.outer(
        [(half_f + 1 - abs(i)) / (half_f + 1) for i in range(-half_f, half_f + 1)],
        [(half_t + 1 - abs(i)) / (half_t + 1) for i in range(-half_t, half_t + 1)],
    )
    kernel /= kernel.sum()
    padded = np.pad(mask, ((half_f, half_f), (half_t, half_t)))
    smooth = np.zeros_like(mask)
    for f in range(mask.shape[0]):
        for t in range(mask.shape[1]):
            smooth[f, t] = (padded[f : f + 2 * half_f + 1, t : t + 2 * half_t + 1] * kernel).sum()
    out, weight = np.zeros(len(samples) + size), np.zeros(len(samples) + size)
    for t, column in enumerate((bins * smooth).T):
        out[t * zc : t * zc + size] += np.fft.irfft(column, size) * window
        weight[t * zc : t * zc + size] += window**2
    return (out / np.maximum(weight, 1e-12))[2 * zc : 2 * zc + len(samples)]


def test_noise_reduction_equals_its_definition():
    zc = 80
    reference = noise(30 * zc, 5) * 0.1
    samples = (reference[-12 * zc :] + np.sin(np.arange(12 * zc) * 0.3)).astype(np.float32)
    result = reduce_noise(torch.from_numpy(samples), torch.from_numpy(reference), zc).numpy()
    assert result.shape == samples.shape
    np.testing.assert_allclose(result, reduced_by_loops(samples, reference, zc), atol=1e-5)


def test_noise_reduction_of_silence_is_silence():
    silent = torch.zeros(4000)
    assert torch.count_nonzero(reduce_noise(silent, torch.zeros(8000), 100)) == 0


# SOLA ------------------------------------------------------------------------------------------------------------


def test_correlation_peaks_at_the_true_offset():
    new = torch.from_numpy(noise(500))
    assert int(correlation(new, new[37:437]).argmax()) == 37


def test_correlation_is_the_sum_over_the_energy():
    new, held = noise(130).astype(np.float64), noise(100, 1).astype(np.float64)
    result = correlation(torch.from_numpy(new.astype(np.float32)), torch.from_numpy(held.astype(np.float32))).numpy()
    expected = [(new[i : i + 100] * held).sum() / math.sqrt((new[i : i + 100] ** 2).sum() + 1e-8) for i in range(31)]
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_zeros_held_give_the_offset_zero():
    assert int(correlation(torch.from_numpy(noise(500)), torch.zeros(400)).argmax()) == 0


def test_fades_add_up_to_one_and_reach_their_ends():
    fade = ramp(1600)
    assert fade[0] == 0
    assert fade[-1] == 1
    ones = torch.ones(1600)
    torch.testing.assert_close(crossfade(ones, ones, fade), ones)


@pytest.mark.parametrize("length", [160, 161])
def test_phase_vocoder_equals_its_definition(length):
    held, new = noise(length, 1).astype(np.float64), noise(length, 2).astype(np.float64)
    rise = np.sin(np.pi / 2 * np.linspace(0, 1, length)) ** 2
    window = np.sqrt(rise * (1 - rise))
    before, after = np.fft.rfft(held * window), np.fft.rfft(new * window)
    expected = np.zeros(length)
    for k in range(length // 2 + 1):
        amplitude = abs(before[k]) + abs(after[k])
        if k > 0 and not (length % 2 == 0 and k == length // 2):
            amplitude *= 2
        turn = np.angle(after[k]) - np.angle(before[k])
        turn -= 2 * np.pi * np.floor(turn / (2 * np.pi) + 0.5)
        phase = (2 * np.pi * k + turn) * np.arange(length) / length + np.angle(before[k])
        expected += amplitude * np.cos(phase)
    expected = held * (1 - rise) ** 2 + new * rise**2 + expected * window / length
    result = phase_vocoder(*(torch.from_numpy(part.astype(np.float32)) for part in (held, new, rise)))
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-4)
