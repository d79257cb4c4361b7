"""Signal processing of a stream: gate, noise reduction, loudness, resampling and SOLA (docs/spec/07)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

GATE_OFF = -60.0  # dB; the gate is off at this threshold and below
# Levels are raised to the amplitude GATE_FLOOR, and to GATE_RANGE dB below the loudest piece (docs/spec/07 §7.3).
GATE_FLOOR, GATE_RANGE = 1e-5, 80.0
QUIETEST = 1e-3  # amplitude; the output's loudness is raised to this before the division (docs/spec/07 §7.6)
SILENT_ENERGY = 1e-8  # added under SOLA's root, so that silence has the correlation 0 (docs/spec/07 §7.6)
# The resampler's sinc: zero crossings on either side, and cutoff as a share of the lower Nyquist frequency
# (docs/spec/07 §7.4).
ZERO_CROSSINGS, ROLLOFF = 6, 0.99
# Noise reduction (docs/spec/07 §7.8): the gain of a bin below its threshold, the standard deviations between the mean
# level and the threshold, and the dB below the loudest frame of a bin to which levels are raised.
REDUCED_GAIN, DEVIATIONS, NOISE_RANGE = 0.1, 1.5, 40.0
SMOOTH_HZ, SMOOTH_MS = 500, 50  # half widths of the triangle that smooths its gains


@lru_cache(maxsize=16)
def sinc_kernel(source: int, target: int) -> tuple[Samples, int]:
    """The resampling kernel of two rates without a common divisor: float32 (taps, target), and the zeros on the left.

    It is computed in float32, as the originals do.
    """
    base = min(source, target) * ROLLOFF
    width = math.ceil(ZERO_CROSSINGS * source / base)
    tap = np.arange(-width, width + source, dtype=np.float32) / np.float32(source)
    phase = np.arange(0, -target, -1, dtype=np.float32) / np.float32(target)
    time = np.clip((phase[:, None] + tap[None]) * np.float32(base), -ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = np.square(np.cos(time * np.float32(math.pi) / np.float32(ZERO_CROSSINGS) / np.float32(2)))
    angle = time * np.float32(math.pi)
    sinc = np.where(angle == 0, np.float32(1), np.sin(angle) / np.where(angle == 0, np.float32(1), angle))
    return np.ascontiguousarray((sinc * (window * np.float32(base / source))).T, np.float32), width


def resample(samples: Samples, source: int, target: int) -> Samples:
    """Resample float32 (N,) to ⌈N·target/source⌉ samples with a windowed sinc; equal rates return the samples."""
    if source == target:
        return samples
    common = math.gcd(source, target)
    source, target = source // common, target // common
    kernel, width = sinc_kernel(source, target)
    padded = np.pad(samples, (width, width + source))
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel))[::source]
    length = -(-target * len(samples) // source)
    return np.ascontiguousarray((windows @ kernel).reshape(-1)[:length])


def loudness(samples: Samples, zc: int) -> Samples:
    """Root mean square of 40 ms every 10 ms, centered, zeros beyond the ends: (N,) → (1 + N//zc,)."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, 2 * zc), 4 * zc)[::zc]
    return np.asarray(np.sqrt(np.mean(np.square(frames), axis=1)), np.float32)


def stretch(values: Samples, length: int) -> Samples:
    """Interpolate linearly to length + 1 values with aligned ends, and drop the last: (K,) → (length,)."""
    position = np.arange(length, dtype=np.float32) * np.float32((len(values) - 1) / length)
    left = np.minimum(position.astype(np.int64), len(values) - 1)
    right = np.minimum(left + 1, len(values) - 1)
    share = position - left.astype(np.float32)
    return np.asarray((np.float32(1) - share) * values[left] + share * values[right], np.float32)


def loudness_gain(before: Samples, after: Samples, rate: float, length: int) -> Samples:
    """The factors that give the output a share 1 − rate of the input's loudness: float32 (length,)."""
    ratio = stretch(before, length) / np.maximum(stretch(after, length), np.float32(QUIETEST))
    return np.asarray(np.power(ratio, np.float32(1 - rate)), np.float32)


class Gate:
    """Pieces of 10 ms below a threshold become zeros; the last 20 ms are decided again with the next block."""

    def __init__(self, zc: int) -> None:
        self.zc, self.past = zc, np.zeros(4 * zc, np.float32)

    def __call__(self, block: Samples, threshold: float) -> Samples:
        """The block (B,) where the gate is off, else (B + 2·zc,): the 20 ms before it, and the block, gated."""
        zc = self.zc
        samples = np.concatenate([self.past, block])
        self.past = samples[-4 * zc :].copy()
        if threshold <= GATE_OFF:
            return block
        level = np.maximum(loudness(samples, zc)[2:], np.float32(GATE_FLOOR))
        decibels = (20.0 * np.log10(level)).astype(np.float32)
        decibels = np.maximum(decibels, decibels.max() - np.float32(GATE_RANGE))
        gated = samples[2 * zc - zc // 2 :].copy()
        for piece in np.flatnonzero(decibels < threshold):
            gated[piece * zc : (piece + 1) * zc] = 0
        return gated[zc // 2 :]


def _spectrum(samples: Samples, zc: int) -> npt.NDArray[np.complex64]:
    """Centered transform, zeros beyond the ends: (N,) → (2·zc + 1, 1 + N//zc)."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, 2 * zc), 4 * zc)[::zc]
    return np.asarray(np.fft.rfft(frames * _hann(zc), axis=1).T, np.complex64)


@lru_cache(maxsize=4)
def _hann(zc: int) -> Samples:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4 * zc) / (4 * zc))).astype(np.float32)


def _level(bins: npt.NDArray[np.complex64]) -> Samples:
    decibels = np.float32(20) * np.log10(np.abs(bins) + np.float32(np.finfo(np.float64).eps))
    return np.asarray(np.maximum(decibels, decibels.max(axis=1, keepdims=True) - np.float32(NOISE_RANGE)), np.float32)


def _triangle(half: int) -> Samples:
    rising = np.arange(1, half + 2, dtype=np.float32) / np.float32(half + 1)
    kernel = np.concatenate([rising, rising[:-1][::-1]])
    return np.asarray(kernel / kernel.sum(), np.float32)


def _smooth(plane: Samples, kernel: Samples, axis: int) -> Samples:
    """Correlate one axis with a symmetric kernel, zeros beyond the ends."""
    half = len(kernel) // 2
    padded = np.pad(plane, [(half, half) if i == axis else (0, 0) for i in range(2)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=axis)
    return np.asarray(windows @ kernel, np.float32)


def reduce_noise(samples: Samples, reference: Samples, zc: int) -> Samples:
    """Attenuate what is no louder than the mean level of a reference: (N,) → (N,), N a multiple of zc."""
    signal, noise = _spectrum(samples, zc), _level(_spectrum(reference, zc))
    deviation = noise.std(axis=1, ddof=1, keepdims=True, dtype=np.float32)
    threshold = noise.mean(axis=1, keepdims=True) + np.float32(DEVIATIONS) * deviation
    mask = np.where(_level(signal) > threshold, np.float32(1), np.float32(REDUCED_GAIN))
    rate = 100 * zc
    mask = _smooth(mask, _triangle(int(SMOOTH_HZ / (rate / (2 * zc)))), 0)
    mask = _smooth(mask, _triangle(int(SMOOTH_MS / (zc / rate * 1000))), 1)
    window = _hann(zc)
    frames = np.fft.irfft((signal * mask).T, 4 * zc, axis=1).astype(np.float32) * window
    total = np.zeros(len(samples) + 4 * zc, np.float32)
    weight = np.zeros_like(total)
    for i, frame in enumerate(frames):
        total[i * zc : i * zc + 4 * zc] += frame
        weight[i * zc : i * zc + 4 * zc] += np.square(window)
    inside = slice(2 * zc, 2 * zc + len(samples))
    return np.asarray(total[inside] / weight[inside], np.float32)


def ramp(length: int) -> Samples:
    """The fade-in of a block, float32 (length,): sin² from 0 to 1, both ends included."""
    return np.asarray(np.square(np.sin(np.float32(math.pi / 2) * np.linspace(0, 1, length, dtype=np.float32))))


def correlation(new: Samples, held: Samples) -> Samples:
    """Correlation of the held samples (Y,) with a block's start (Y + S,) at each lag: float32 (S + 1,)."""
    windows = np.lib.stride_tricks.sliding_window_view(new, len(held))
    energy = np.lib.stride_tricks.sliding_window_view(np.square(new), len(held)).sum(axis=1)
    return np.asarray((windows @ held) / np.sqrt(energy + np.float32(SILENT_ENERGY)), np.float32)


def crossfade(held: Samples, new: Samples, fade_in: Samples) -> Samples:
    """`held` faded out and `new` faded in, (Y,) each."""
    return np.asarray(new * fade_in + held * (np.float32(1) - fade_in), np.float32)


def phase_vocoder(held: Samples, new: Samples, fade_in: Samples) -> Samples:
    """Crossfade with each partial's phase interpolated from `held` to `new`, all float32 (n,) (docs/spec/07 §7.7)."""
    length = len(held)
    fade_out = np.float32(1) - fade_in
    window = np.sqrt(fade_out * fade_in)
    before, after = (np.fft.rfft(part * window).astype(np.complex64) for part in (held, new))
    amplitude = np.abs(before) + np.abs(after)
    amplitude[1 : -1 if length % 2 == 0 else None] *= 2
    phase = np.angle(before)
    change = np.angle(after) - phase
    turn = np.float32(2 * math.pi)
    change = change - turn * np.floor(change / 2 / np.float32(math.pi) + np.float32(0.5))
    advance = turn * np.arange(length // 2 + 1, dtype=np.float32) + change
    time = np.arange(length, dtype=np.float32)[:, None] / np.float32(length)
    partials = (amplitude * np.cos(advance * time + phase)).sum(axis=1) * window / np.float32(length)
    return np.asarray(held * np.square(fade_out) + new * np.square(fade_in) + partials, np.float32)


CROSSFADES = {"fade": crossfade, "phase-vocoder": phase_vocoder}
