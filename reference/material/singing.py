"""Synthetic singing of exactly known pitch: harmonics of an F0 contour, weighted by the formants of vowels."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

VOWELS = {  # the first three formants in Hz
    "a": (800, 1200, 2500),
    "i": (350, 2200, 2900),
    "o": (450, 800, 2600),
    "e": (500, 1700, 2500),
    "u": (300, 900, 2300),
}
FRAME = 0.01  # seconds between two values of the known pitch


def sing(hz: Floats, rate: int, vowels: list[str], *, tilt: float = 0.5, brightness: float = 0.02) -> Floats:
    """Synthesize a voice with a given F0 contour.

    Args:
        hz: F0 in Hz at each sample, (N,).
        rate: sample rate in Hz.
        vowels: keys of `VOWELS`, spread evenly over the contour and interpolated between.
        tilt: harmonic h is scaled by h**-tilt.
        brightness: gain of a harmonic far from every formant.
    Returns:
        float64 (N,), peak 1.
    """
    cycles = np.cumsum(hz / rate)
    position = np.linspace(0, len(vowels) - 1, len(hz)) if len(vowels) > 1 else np.zeros(len(hz))
    sound = np.zeros(len(hz))
    for h in range(1, int(0.49 * rate / hz.min()) + 1):
        frequency = h * hz
        gains = [_formants(frequency, VOWELS[vowel]) + brightness for vowel in vowels]
        gain = sum((np.clip(1 - np.abs(position - i), 0, 1) * g for i, g in enumerate(gains)), np.zeros(len(hz)))
        gain *= frequency < 0.49 * rate
        sound += gain * h**-tilt * np.sin(2 * np.pi * h * cycles + h * h)  # phase h² spreads the peaks
    return np.asarray(sound / np.abs(sound).max())


def _formants(frequency: Floats, centers: tuple[int, ...]) -> Floats:
    """Gain of three Gaussian formants at the centers (Hz); each is weaker and wider than the one below."""
    gains = (1.0, 0.5, 0.25)
    pairs = zip(gains, centers, strict=True)
    peaks = [a * np.exp(-(((frequency - c) / (120 * (k + 1))) ** 2)) for k, (a, c) in enumerate(pairs)]
    return np.asarray(np.sum(peaks, axis=0))


def gate(spans: list[tuple[float, float]], samples: int, rate: int) -> Floats:
    """1 inside the spans (start and end in seconds), 0 outside, with edges of 20 ms: (samples,)."""
    inside = np.zeros(samples)
    for start, stop in spans:
        inside[int(start * rate) : int(stop * rate)] = 1
    edge = np.hanning(int(0.02 * rate) | 1)
    return np.asarray(np.convolve(inside, edge / edge.sum(), "same"))


def reference_pitch(hz: Floats, voiced: Floats, rate: int) -> Floats:
    """The pitch in Hz at every 10 ms, (frames,); 0 where the gate `voiced` is at most 0.5."""
    positions = np.arange(int(len(hz) / rate / FRAME) + 1) * FRAME * rate
    positions = np.minimum(np.rint(positions).astype(int), len(hz) - 1)
    return np.where(voiced[positions] > 0.5, hz[positions], 0.0)


def vibrato(seconds: Floats, rate: float = 5.5, cents: float = 40) -> Floats:
    """The factor on F0 of a sinusoidal vibrato (`rate` in Hz, depth in cents): (N,)."""
    return np.asarray(2 ** (cents / 1200 * np.sin(2 * np.pi * rate * seconds)))
