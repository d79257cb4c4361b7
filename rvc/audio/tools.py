"""Small tools for sound as arrays: mono, resample, trim, normalise, and what there is to hear in it.

Samples are float32, (N,) or (N, channels), with full scale at ±1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rvc.audio.decoding import read_sndfile
from rvc.audio.output import resample as _resample
from rvc.errors import BadInput

Samples = npt.NDArray[np.float32]
WINDOW = 0.02  # seconds over which levels are measured
SILENT = -60.0  # dB of full scale
CLIPPED = 32766 / 32768  # the last step but one of 16 bits


def mono(samples: Samples, law: str = "mean") -> Samples:
    """One channel of several, (N,).

    law : "mean", or "power" for the sum over √channels, as the originals hear stereo
    """
    if samples.ndim == 1:
        return samples
    if law not in ("mean", "power"):
        raise BadInput(f"there is no law {law!r} for mixing channels; expected mean or power")
    channels = samples.shape[1]
    divisor = channels if law == "mean" else math.sqrt(channels)
    return np.asarray(samples.sum(axis=1) / np.float32(divisor), np.float32)


def resample(samples: Samples, source: int, target: int) -> Samples:
    """(N,) at `source` Hz → (⌈N·target/source⌉,) at `target` Hz, soxr's high quality."""
    return _resample(np.ascontiguousarray(samples, np.float32), source, target)


def normalize(samples: Samples, target: float = -1.0, measure: str = "peak") -> Samples:
    """Scale to a level in dB of full scale; silence is given back as it is.

    measure : "peak" or "rms"; an RMS target that would lift the peak over full scale stops there
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
    """Without what is below `threshold` dB at both ends, but for `keep` seconds; all silence gives an empty array."""
    levels = envelope(samples, rate)
    loud = np.flatnonzero(levels > threshold)
    if len(loud) == 0:
        return samples[:0]
    step, spare = max(round(WINDOW * rate), 1), round(keep * rate)
    return samples[max(loud[0] * step - spare, 0) : (loud[-1] + 1) * step + spare]


def envelope(samples: Samples, rate: int) -> npt.NDArray[np.float64]:
    """RMS in dB of full scale of each 20 ms, (⌈N/(0.02·rate)⌉,); −200 where there is nothing."""
    step = max(round(WINDOW * rate), 1)
    power = np.square(mono(samples), dtype=np.float64)
    whole = len(power) // step * step
    means = power[:whole].reshape(-1, step).mean(axis=1)
    if whole < len(power):
        means = np.append(means, power[whole:].mean())
    return np.asarray(10 * np.log10(np.maximum(means, 1e-20)), np.float64)


@dataclass(frozen=True)
class Description:
    """What a file of sound holds; levels in dB of full scale, None where there is none to state."""

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
    noise_floor: float | None  # level that the quietest tenth of the time stays under
    not_finite: int

    def remarks(self) -> list[str]:
        """What somebody who wants to convert this should know."""
        found = []
        if self.not_finite:
            found.append(f"{self.not_finite} samples are not finite numbers; a conversion refuses them")
        if self.peak is None and not self.not_finite:
            found.append("there is only silence")
        if self.clipped > 3:
            found.append(f"{self.clipped} samples are at full scale: it is clipped, and the voice will sound rough")
        if abs(self.dc) > 0.01:
            found.append(f"the mean is {self.dc:+.3f}; the conversion's high-pass removes that")
        if self.noise_floor is not None and self.rms is not None and -100 < self.noise_floor > self.rms - 20:
            found.append("noise is less than 20 dB below the sound; unvoiced parts will be noisy")
        if self.channels == 2:
            found.append("2 channels are mixed down as (L+R)/√2")
        elif self.channels > 2:
            found.append(f"{self.channels} channels are mixed down as ffmpeg does for their layout")
        return found


def describe(path: str | Path) -> Description:
    """Measure a file that libsndfile reads, or any other through PyAV at 16 kHz.  Raises BadInput."""
    path = Path(path)
    samples, rate = _any_sound(path)
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


def _any_sound(path: Path) -> tuple[Samples, int]:
    import soundfile

    if path.is_file() and path.stat().st_size:
        try:
            soundfile.info(path)
        except (soundfile.SoundFileError, OSError, ValueError):
            pass
        else:
            return read_sndfile(path)
    from rvc.audio.decoding import RATE, decode

    return decode(path)[:, None], RATE


def _decibels(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude), 2) if amplitude > 0 else None
