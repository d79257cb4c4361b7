"""F0 of a waveform by YIN (de Cheveigné and Kawahara, J. Acoust. Soc. Am. 111, 2002), equal for every judged program.

It measures how two outputs differ. It is not one of RVC's F0 methods, so that it also shows an error of a port's F0.
"""

import numpy as np

from parity.goldens.arrays import Array, Curve

LOWEST, HIGHEST = 50.0, 1100.0  # Hz, the range of RVC's F0 (docs/spec/03)
APERIODICITY = 0.2  # YIN's threshold: the part of a frame's power that does not repeat after one period
SILENCE = 1e-4  # RMS relative to full scale (-80 dB); a frame below it is unvoiced
_BATCH = 512  # frames that are transformed together


def track(sound: Array, rate: int, hop: float) -> Curve:
    """F0 of every frame.

    Args:
        sound: float (samples,).
        rate: Hz.
        hop: seconds between frames; frame i is centered at i·hop.
    Returns:
        float64 (1 + samples // (hop·rate),), Hz, 0 where unvoiced.
    """
    step, longest, shortest = round(hop * rate), int(rate / LOWEST), int(rate / HIGHEST)
    width = longest  # samples whose repetition is examined
    before = (width + longest // 4) // 2  # samples before the center of a window and its repetition at 200 Hz
    count = 1 + len(sound) // step
    padded = np.pad(np.asarray(sound, np.float64), (before, 2 * longest + step))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width + longest)[::step][:count]
    return np.concatenate(
        [_frames(windows[first : first + _BATCH], width, shortest, longest, rate) for first in range(0, count, _BATCH)]
    )


def _frames(windows: Array, width: int, shortest: int, longest: int, rate: int) -> Curve:
    """F0 of a batch of windows of `width + longest` samples."""
    size = 1 << (2 * width + longest - 1).bit_length()
    head = np.fft.rfft(windows[:, :width], size)
    products = np.fft.irfft(head.conj() * np.fft.rfft(windows, size), size)[:, : longest + 1]
    squares = np.concatenate([np.zeros((len(windows), 1)), np.cumsum(windows**2, axis=1)], axis=1)
    powers = squares[:, width : width + longest + 1] - squares[:, : longest + 1]
    powers = np.concatenate([powers, np.zeros((len(windows), longest + 1 - powers.shape[1]))], axis=1)
    difference = np.maximum(powers[:, :1] + powers - 2 * products, 0.0)
    mean = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, longest + 1)
    normalized = difference[:, 1:] / np.maximum(mean, 1e-12)  # column k belongs to the lag k + 1
    below = normalized[:, shortest - 1 :] < APERIODICITY
    first = shortest - 1 + np.argmax(below, axis=1)
    hertz = np.zeros(len(windows))
    loud = np.sqrt(powers[:, 0] / width) > SILENCE
    for row in np.flatnonzero(below.any(axis=1) & loud):
        lag = int(first[row])
        while lag + 1 < longest and normalized[row, lag + 1] < normalized[row, lag]:
            lag += 1
        hertz[row] = rate / (lag + 1 + _vertex(normalized[row], lag))
    return hertz


def _vertex(values: Array, place: int) -> float:
    """The offset of the vertex of the parabola through a minimum and its two neighbors, -1 to 1."""
    if not 0 < place < len(values) - 1:
        return 0.0
    before, here, after = values[place - 1 : place + 2]
    bend = before - 2 * here + after
    return float(0.5 * (before - after) / bend) if bend > 0 else 0.0
