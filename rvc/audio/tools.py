"""Tools for audio as arrays: mono, resample, trim, normalize, and a description of a file.

Samples are float32, (N,) or (N, channels), with full scale at ±1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rvc.audio.output import resample as _resample
from rvc.audio.sound_file import open_sound
from rvc.errors import BadInput

Samples = npt.NDArray[np.float32]
WINDOW = 0.02  # seconds over which a level is measured
SILENT = -60.0  # dB of full scale; a lower level counts as silence
CLIPPED = 32766 / 32768  # relative to full scale; samples at or above it count as clipped


def mono(samples: Samples, law: str = "mean") -> Samples:
    """Mix channels down to one.

    Args:
        samples: float32 (N,) or (N, channels).
        law: "mean" divides the sum by the number of channels, "power" by its square root, as the originals do.
    Returns:
        float32 (N,).
    Raises:
        BadInput: there is no such law.
    """
    if samples.ndim == 1:
        return samples
    if law not in ("mean", "power"):
        raise BadInput(f"there is no law {law!r} for mixing channels; expected mean or power")
    channels = samples.shape[1]
    divisor = channels if law == "mean" else math.sqrt(channels)
    return np.asarray(samples.sum(axis=1) / np.float32(divisor), np.float32)


def resample(samples: Samples, source: int, target: int) -> Samples:
    """Resample with soxr's HQ filter: float32 (N,) at `source` Hz → (⌈N·target/source⌉,) at `target` Hz."""
    return _resample(np.ascontiguousarray(samples, np.float32), source, target)


def normalize(samples: Samples, target: float = -1.0, measure: str = "peak") -> Samples:
    """Scale samples to a level.

    Args:
        samples: float32 (N,) or (N, channels).
        target: the level in dB of full scale, 0 or less.
        measure: "peak" or "rms"; an RMS target is reduced where the peak would exceed full scale.
    Returns:
        float32 of the same shape; `samples` itself for silence.
    Raises:
        BadInput: there is no such measure, or the target is above 0.
    """
    if measure not in ("peak", "rms"):
        raise BadInput(f"there is no measure {measure!r}; expected peak or rms")
    if not math.isfinite(target) or target > 0:
        raise BadInput(f"the target is {target} dB of full scale; expected 0 or less")
    peak = float(np.abs(samples).max(initial=0))
    if peak == 0:
        return samples
    level = peak if measure == "peak" else float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
    return (samples * np.float32(min(10 ** (target / 20) / level, 1 / peak))).astype(np.float32)


def trim(samples: Samples, rate: int, threshold: float = SILENT, keep: float = 0.05) -> Samples:
    """Remove silence at both ends.

    Args:
        samples: float32 (N,) or (N, channels).
        rate: Hz.
        threshold: dB of full scale; a lower level is silence.
        keep: seconds of silence to keep at each end.
    Returns:
        The part of `samples` that is left; empty where all is silence.
    """
    levels = envelope(samples, rate)
    loud = np.flatnonzero(levels > threshold)
    if len(loud) == 0:
        return samples[:0]
    step, spare = max(round(WINDOW * rate), 1), round(keep * rate)
    return samples[max(loud[0] * step - spare, 0) : (loud[-1] + 1) * step + spare]


def envelope(samples: Samples, rate: int) -> npt.NDArray[np.float64]:
    """The RMS level of each 20 ms in dB of full scale: float64 (⌈N/(0.02·rate)⌉,); -200 where all samples are 0."""
    step = max(round(WINDOW * rate), 1)
    power = np.square(mono(samples), dtype=np.float64)
    full = len(power) // step * step
    means = power[:full].reshape(-1, step).mean(axis=1)
    if full < len(power):
        means = np.append(means, power[full:].mean())
    return np.asarray(10 * np.log10(np.maximum(means, 1e-20)), np.float64)


@dataclass(frozen=True)
class Description:
    """The contents of an audio file; levels are in dB of full scale, None where they are not defined."""

    file: str
    rate: int
    channels: int
    samples: int
    seconds: float
    peak: float | None
    rms: float | None
    dc: float  # mean of all samples
    clipped: int  # samples at full scale
    silent: float  # share of the time below −60 dB
    noise_floor: float | None  # the 10 % quantile of the levels
    not_finite: int  # samples that are NaN or infinite

    def remarks(self) -> list[str]:
        """Properties of the file that affect a conversion, one sentence each."""
        remarks = []
        if self.not_finite:
            remarks.append(f"{self.not_finite} samples are not finite numbers; a conversion refuses them")
        if self.peak is None and not self.not_finite:
            remarks.append("there is only silence")
        if self.clipped > 3:
            remarks.append(f"{self.clipped} samples are at full scale: it is clipped, and the voice will sound rough")
        if abs(self.dc) > 0.01:
            remarks.append(f"the mean is {self.dc:+.3f}; the conversion's high-pass removes that")
        if self.noise_floor is not None and self.rms is not None and -100 < self.noise_floor > self.rms - 20:
            remarks.append("noise is less than 20 dB below the sound; unvoiced parts will be noisy")
        if self.channels == 2:
            remarks.append("2 channels are mixed down as (L+R)/√2")
        elif self.channels > 2:
            remarks.append(f"{self.channels} channels are mixed down as ffmpeg does for their layout")
        return remarks


def describe(path: str | Path) -> Description:
    """Describe an audio file at its own rate, with its own channels.

    Raises:
        BadInput: the file is missing, empty or no audio.
    """
    path = Path(path)
    samples, rate = _read_all(path)
    finite = np.isfinite(samples)
    bad = samples.size - int(finite.sum())
    if bad:
        samples = np.where(finite, samples, np.float32(0))
    if len(samples) == 0:
        raise BadInput(f"{path} holds no samples; expected a file of sound")
    levels = envelope(samples, rate)
    audible = levels[levels > -190]
    power = math.sqrt(float(np.square(samples, dtype=np.float64).mean()))
    return Description(
        file=str(path),
        rate=rate,
        channels=samples.shape[1],
        samples=len(samples),
        seconds=round(len(samples) / rate, 6),
        peak=_decibels(float(np.abs(samples).max())),
        rms=_decibels(power),
        dc=round(float(samples.mean(dtype=np.float64)), 6),
        clipped=int((np.abs(samples) >= CLIPPED).sum()),
        silent=round(float((levels < SILENT).mean()), 4),
        noise_floor=round(float(np.quantile(audible, 0.1)), 2) if len(audible) else None,
        not_finite=bad,
    )


def _read_all(path: Path) -> tuple[Samples, int]:
    """All samples of a file, float32 (N, channels), and its rate in Hz."""
    sound = open_sound(path)
    pieces = list(sound.pieces())
    return np.concatenate(pieces) if pieces else np.zeros((0, sound.channels), np.float32), sound.rate


def _decibels(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude), 2) if amplitude > 0 else None
