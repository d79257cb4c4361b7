"""Singing whose pitch is known exactly: harmonics of a given F0 under the formants of vowels, with breath between."""

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


def sing(hz: Floats, rate: int, path: list[str], *, tilt: float = 0.5, brightness: float = 0.02) -> Floats:
    """A voice whose fundamental at sample n is `hz[n]`, moving through the vowels of `path`: (N,), peak 1.

    tilt       : harmonic h is weakened by h**-tilt
    brightness : what is left of a harmonic between the formants
    """
    cycles = np.cumsum(hz / rate)
    place = np.linspace(0, len(path) - 1, len(hz)) if len(path) > 1 else np.zeros(len(hz))
    sound = np.zeros(len(hz))
    for h in range(1, int(0.49 * rate / hz.min()) + 1):
        frequency = h * hz
        gains = [_formants(frequency, VOWELS[vowel]) + brightness for vowel in path]
        gain = sum((np.clip(1 - np.abs(place - i), 0, 1) * g for i, g in enumerate(gains)), np.zeros(len(hz)))
        gain *= frequency < 0.49 * rate
        sound += gain * h**-tilt * np.sin(2 * np.pi * h * cycles + h * h)  # any fixed phase; these spread the peak
    return np.asarray(sound / np.abs(sound).max())


def _formants(frequency: Floats, centres: tuple[int, ...]) -> Floats:
    loudness = (1.0, 0.5, 0.25)
    pairs = zip(loudness, centres, strict=True)
    peaks = [a * np.exp(-(((frequency - c) / (120 * (k + 1))) ** 2)) for k, (a, c) in enumerate(pairs)]
    return np.asarray(np.sum(peaks, axis=0))


def gate(spans: list[tuple[float, float]], samples: int, rate: int) -> Floats:
    """1 inside the spans of seconds, 0 outside, with edges of 20 ms: (samples,)."""
    inside = np.zeros(samples)
    for start, stop in spans:
        inside[int(start * rate) : int(stop * rate)] = 1
    edge = np.hanning(int(0.02 * rate) | 1)
    return np.asarray(np.convolve(inside, edge / edge.sum(), "same"))


def known(hz: Floats, voiced: Floats, rate: int) -> Floats:
    """The pitch every 10 ms, 0 where the voice is more than half gone; frame j lies at j x 10 ms: (frames,)."""
    places = np.arange(int(len(hz) / rate / FRAME) + 1) * FRAME * rate
    places = np.minimum(np.rint(places).astype(int), len(hz) - 1)
    return np.where(voiced[places] > 0.5, hz[places], 0.0)


def vibrato(seconds: Floats, rate: float = 5.5, cents: float = 40) -> Floats:
    """The factor by which a vibrato moves the pitch: (N,)."""
    return np.asarray(2 ** (cents / 1200 * np.sin(2 * np.pi * rate * seconds)))
