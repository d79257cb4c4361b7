"""F0: methods by graph or library, and post-processing (docs/spec/03)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx.errors import OnnxVoiceError

Track = npt.NDArray[np.floating[Any]]

LIBRARIES = ("pm", "harvest")  # methods without a graph
BINS = 360  # pitch bins of 20 cents each
CENTS_LOWEST = 1997.3794084376191  # cents above 10 Hz of the first bin (docs/spec/03 §3.5)
LOWEST_BIN, END_BIN = 39, 308  # the first bin at or above 50 Hz, and the first at or above 1100 Hz
BATCH = 512  # frames whose path is searched separately
SILENCE = 0.1  # periodicity below which CREPE's frame is unvoiced
BLOCK_FLOOR = 65.0  # Hz, the lowest F0 of pm in the realtime originals
BLOCK_CONTEXT, RMVPE_STEP = 800, 5120  # samples before a block that are tracked; rmvpe's grid (docs/spec/07 §7.5)
WIDEST_MOVE = 12  # bins; wider moves have probability 0


def pm(samples: Track) -> Track:
    """Praat's autocorrelation: float64 (L // 160,), Hz, 0 where unvoiced.  Raises OnnxVoiceError."""
    f0 = _praat(samples, 50.0).selected_array["frequency"]
    frames = len(samples) // 160
    left = (frames - len(f0) + 1) // 2
    right = frames - len(f0) - left
    return np.pad(f0, (left, right)) if left > 0 or right > 0 else np.asarray(f0)


def pm_block(samples: Track) -> Track:
    """The same for a stream's newest samples, padded so that the first frame is centered at the first sample.

    Returns:
        float64 (L // 160 + 1,), Hz, 0 where unvoiced.
    Raises:
        OnnxVoiceError: parselmouth is not installed, or its first frame lies elsewhere.
    """
    margin = 1.5 / BLOCK_FLOOR  # seconds, half of the window of three periods
    left = math.ceil(margin * 16000)
    track = _praat(np.pad(samples, (left, left + 1)), BLOCK_FLOOR)
    if abs(track.t1 - margin) >= 0.001:
        raise OnnxVoiceError(f"Praat's first frame lies at {track.t1:.4f} s instead of {margin:.4f}; another version?")
    frames = len(samples) // 160 + 1
    f0 = track.selected_array["frequency"][:frames]
    return np.pad(f0, (0, frames - len(f0)))


def _praat(samples: Track, floor: float) -> Any:
    try:
        import parselmouth
    except ImportError:
        raise OnnxVoiceError("the F0 method pm needs praat-parselmouth; pip install 'rvc-onnx[pm]'") from None
    if len(samples) < 48000 / floor:
        raise OnnxVoiceError(f"pm needs at least {3000 / floor:.0f} ms of sound, found {len(samples) / 16:.0f}")
    sound = parselmouth.Sound(np.asarray(samples, np.float64), 16000)
    return sound.to_pitch_ac(time_step=0.01, voicing_threshold=0.6, pitch_floor=floor, pitch_ceiling=1100.0)


def harvest(samples: Track, filter_radius: int) -> Track:
    """WORLD's Harvest, refined by StoneMask: float64 (L // 160 + 1,).  Raises OnnxVoiceError without pyworld."""
    world, audio = _pyworld(), np.ascontiguousarray(samples, np.float64)
    f0 = world.stonemask(audio, *_plain_harvest(world, audio), 16000)
    return np.asarray(_of_three_with_zeros(f0) if filter_radius > 2 else f0)


def harvest_block(samples: Track) -> Track:
    """Harvest without StoneMask, always with the median, for a stream's newest samples: float64 (L // 160 + 1,)."""
    return _of_three_with_zeros(_plain_harvest(_pyworld(), np.ascontiguousarray(samples, np.float64))[0])


def _pyworld() -> Any:
    try:
        import pyworld
    except ImportError:
        raise OnnxVoiceError("the F0 method harvest needs pyworld; pip install 'rvc-onnx[harvest]'") from None
    return pyworld


def _plain_harvest(world: Any, audio: Track) -> tuple[Track, Track]:
    f0, times = world.harvest(audio, fs=16000, f0_ceil=1100.0, f0_floor=50.0, frame_period=10)
    return f0, times


def _of_three_with_zeros(f0: Track) -> Track:
    """The median of each value and its neighbors, with zeros beyond both ends."""
    padded = np.pad(f0, 1)
    return np.asarray(np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0))


def block_length(block16: int, method: str) -> int:
    """How many of a stream's newest samples are tracked for a block; rmvpe tracks a multiple of 32 frames."""
    length = block16 + BLOCK_CONTEXT
    return RMVPE_STEP * ((length - 1) // RMVPE_STEP + 1) - 160 if method == "rmvpe" else length


def decode_crepe(
    saliences: Iterable[npt.NDArray[np.float32]], dither: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """CREPE's F0: a path search, dither (F,) in cents, and smoothing (docs/spec/03 §3.4).

    Args:
        saliences: float32 (B, 360) each, B a multiple of 512 in all but the last.
        dither: float32 (F,).
    """
    bins, periodicity = [], []
    for part in (salience[i : i + BATCH] for salience in saliences for i in range(0, len(salience), BATCH)):
        path = best_path(part)
        bins.append(path)
        periodicity.append(part[np.arange(len(part)), path])
    cents = (20 * np.concatenate(bins)).astype(np.float32) + np.float32(CENTS_LOWEST) + dither.astype(np.float32)
    f0 = _of_three(np.float32(10) * np.float32(2) ** (cents / np.float32(1200)), "mean")
    f0[_of_three(np.concatenate(periodicity), "median") < SILENCE] = 0
    return f0


def best_path(salience: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The most probable path through the bins from 50 to 1100 Hz: (B, 360) → int64 (B,)."""
    allowed = salience.astype(np.float32).copy()
    allowed[:, :LOWEST_BIN] = -np.inf
    allowed[:, END_BIN:] = -np.inf
    exponent = np.exp(allowed - allowed.max(axis=1, keepdims=True))
    probabilities = exponent / exponent.sum(axis=1, keepdims=True, dtype=np.float32)
    distance = np.abs(np.arange(BINS)[:, None] - np.arange(BINS)[None, :])
    near = np.maximum(WIDEST_MOVE - distance, 0).astype(np.float64)
    incoming = np.log(near / near.sum(axis=1, keepdims=True) + np.finfo(np.float32).tiny).T
    observed = np.log(probabilities + np.finfo(np.float32).tiny)
    steps = len(salience)
    best, previous = np.empty((steps, BINS)), np.empty((steps, BINS), np.int64)
    best[0] = observed[0] + np.log(np.full(BINS, 1.0 / BINS) + np.finfo(np.float32).tiny)
    for t in range(1, steps):
        reached = best[t - 1] + incoming
        previous[t] = reached.argmax(axis=1)
        best[t] = observed[t] + reached[np.arange(BINS), previous[t]]
    path = np.empty(steps, np.int64)
    path[-1] = best[-1].argmax()
    for t in range(steps - 2, -1, -1):
        path[t] = previous[t + 1, path[t + 1]]
    return path


def _of_three(values: npt.NDArray[np.float32], how: str) -> npt.NDArray[np.float32]:
    """Mean or median of each value and its two neighbors; at an end, of two values (of the median, the lower)."""
    if len(values) < 2:
        return values.copy()
    function = np.mean if how == "mean" else np.median
    stacked = np.stack([values[:-2], values[1:-1], values[2:]])
    middle = function(stacked, axis=0).astype(np.float32)
    ends = [values[:2], values[-2:]]
    first, last = (np.float32(end.mean() if how == "mean" else end.min()) for end in ends)
    return np.concatenate(([first], middle, [last])).astype(np.float32)


def fill_unvoiced(f0: Track) -> Track:
    """Unvoiced frames interpolated linearly between voiced ones; at both ends the nearest value is held."""
    filled, unvoiced = f0.copy(), f0 == 0
    if unvoiced.all():
        return filled
    frames = np.arange(len(f0))
    filled[unvoiced] = np.interp(frames[unvoiced], frames[~unvoiced], f0[~unvoiced])
    return filled


def overlay_curve(f0: Track, curve: npt.NDArray[np.float32], start: int) -> Track:
    """Part of the track replaced by a curve (K, 2) of seconds and Hz, as docs/spec/03 §3.9 states it."""
    seconds, hertz = curve[:, 0], curve[:, 1]
    span = np.round((seconds.max() - seconds.min()) * 100 + 1)
    length = (int(span) + 2**15) % 2**16 - 2**15  # the originals' int16
    overlaid = f0.copy()
    part = overlaid[start : start + max(length, 0)]
    part[:] = np.interp(np.arange(len(part)), seconds * 100, hertz)
    return overlaid


def transpose(f0: Track, semitones: float) -> Track:
    """A track transposed by semitones; 0 stays 0, and the dtype stays."""
    return np.asarray(f0 * 2.0 ** (semitones / 12))


def quantize(f0: Track, lowest: float, highest: float, count: int) -> npt.NDArray[np.int64]:
    """The F0 bin of each frame: F0 in Hz (frames,) → int64 (frames,), 1 … count, 1 where unvoiced (docs/spec/03 §3.10).

    Bins are evenly spaced in mel from `lowest` to `highest` Hz.
    """
    low, high = (np.float64(1127 * np.log(1 + hz / 700)) for hz in (lowest, highest))
    mels = 1127 * np.log(1 + f0 / 700)
    voiced = mels > 0
    mels[voiced] = (mels[voiced] - low) * (count - 1) / (high - low) + 1
    mels[mels <= 1] = 1
    mels[mels > count] = count
    return np.asarray(np.rint(mels), np.int64)


def quantize_block(f0: npt.NDArray[np.float32], lowest: float, highest: float, count: int) -> npt.NDArray[np.int64]:
    """`quantize` of a stream, in float32 throughout as the realtime originals compute it."""
    low, high = (float(1127 * np.log(1 + hz / 700)) for hz in (lowest, highest))
    mels = np.float32(1127) * np.log(np.float32(1) + f0 / np.float32(700))
    scaled = (mels - np.float32(low)) * np.float32(count - 1) / np.float32(high - low) + np.float32(1)
    clipped = np.clip(np.where(mels > 0, scaled, mels), 1, count)
    return np.asarray(np.rint(clipped), np.int64)
