"""From the voice's waveform to what is written: loudness, rate, integers, a file (docs/spec/06 §6.7 to §6.10)."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from rvc.errors import BadInput

Samples = npt.NDArray[np.float32]
BLOCK = 1 << 18
QUIETEST = 1e-6  # the voice's own envelope is never taken as quieter
PEAK = 0.99
FORMATS = {".wav": "WAV", ".flac": "FLAC"}


def rms(samples: npt.NDArray[np.floating], frame: int, hop: int) -> Samples:
    """Root mean square of centred frames, zeros beyond the ends: float32 (1 + N // hop,).

    Squares and means are float32 whatever comes in, as librosa's are; `frame` is even.
    """
    half = frame // 2
    count = len(samples)
    values = np.empty(1 + count // hop, np.float32)
    window = np.empty(frame, np.float32)
    for i in range(len(values)):
        first, last = i * hop - half, i * hop + half
        window[:] = 0
        window[max(-first, 0) : frame - max(last - count, 0)] = samples[max(first, 0) : last]
        values[i] = np.square(window).mean()
    return np.sqrt(values)


@dataclass(frozen=True)
class Loudness:
    """The input's envelope, all that the mix needs of it: float32 (1 + N // 8000,)."""

    values: Samples


def loudness(highpassed: npt.NDArray[np.float64]) -> Loudness:
    """Of float64 (N,) at 16 kHz, measured over a second every half second."""
    return Loudness(rms(highpassed, 16000, 8000))


def mix_loudness(waveform: Samples, heard: npt.NDArray[np.float64] | Loudness, rate: int, mix: float) -> Samples:
    """`waveform.rmsmixed`: the voice with its loudness moved towards the input's.

    waveform : float32 (M,) at `rate`
    heard    : `highpassed` float64 (N,) at 16 kHz, or its loudness, measured before it was let go
    mix      : 1 keeps the voice's own loudness and returns `waveform` itself, 0 takes the input's
    """
    if mix == 1 or len(waveform) == 0:
        return waveform
    import torch

    theirs = (heard if isinstance(heard, Loudness) else loudness(heard)).values
    ours = rms(waveform, rate // 2 * 2, rate // 2)
    mixed = np.empty_like(waveform)
    for first in range(0, len(waveform), BLOCK):
        last = min(first + BLOCK, len(waveform))
        wanted = torch.from_numpy(stretch(theirs, len(waveform), first, last))
        found = torch.from_numpy(np.maximum(stretch(ours, len(waveform), first, last), np.float32(QUIETEST)))
        gain = torch.pow(wanted, 1 - mix) * torch.pow(found, mix - 1)
        mixed[first:last] = waveform[first:last] * gain.numpy()
    return mixed


def stretch(values: Samples, length: int, first: int, last: int) -> Samples:
    """Positions first…last of `values` resized to `length` by lines between half-pixel centres.

    float32; each fused multiply-add of torch's kernel is done in float64 and rounded once: the bits of its interpolate.
    """
    scale = float(np.float32(len(values)) / np.float32(length))
    center = np.arange(first, last).astype(np.float32) + np.float32(0.5)
    position = np.maximum(center.astype(np.float64) * scale - 0.5, 0).astype(np.float32)
    left = np.minimum(position.astype(np.int64), len(values) - 1)
    right = np.minimum(left + 1, len(values) - 1)
    part = np.minimum(position - left.astype(np.float32), np.float32(1))
    stretched = (np.float32(1) - part).astype(np.float64) * values[left] + part * values[right]
    result: Samples = stretched.astype(np.float32)
    return result


def resample(samples: Samples, source: int, target: int) -> Samples:
    """float32 (M,) at `source` Hz → (⌈M·target/source⌉,) at `target` Hz, as librosa does by default: soxr's HQ."""
    if source == target:
        return samples
    import soxr

    length = math.ceil(len(samples) * (target / source))
    resampled: Samples = soxr.resample(samples, source, target, quality="HQ")
    return np.pad(resampled[:length], (0, max(length - len(resampled), 0)))


def to_int16(waveform: Samples) -> npt.NDArray[np.int16]:
    """`waveform.final`: int16 (M,), truncated towards zero, scaled down first where the peak exceeds 0.99."""
    if len(waveform) == 0:
        return np.zeros(0, np.int16)
    scale = _scale(waveform)
    final = np.empty(len(waveform), np.int16)
    with np.errstate(invalid="ignore"):  # NaN only comes this far where it was asked for
        for first in range(0, len(waveform), BLOCK):
            final[first : first + BLOCK] = (waveform[first : first + BLOCK] * scale).astype(np.int16)
    return final


def guard(waveform: Samples) -> Samples:
    """The same limiter without the integers: float32 (M,) with its peak at 0.99 or below."""
    return waveform * (_scale(waveform) / np.float32(32768)) if len(waveform) else waveform


def _scale(waveform: Samples) -> np.float32:
    peak = max(waveform.max(), -waveform.min()) / np.float32(PEAK)
    return np.float32(32768) / peak if peak > 1 else np.float32(32768)


def check_target(path: Path, what: str = "OUT", formats: dict[str, str] | None = FORMATS) -> None:
    """Raises BadInput unless a file can be written at `path`: a folder that exists, an extension that is known."""
    if path.is_dir():
        raise BadInput(f"{what} {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise BadInput(f"{what}'s folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise BadInput(f"{what}'s folder {path.parent} cannot be written to; choose another")
    if formats is not None and path.suffix.lower() not in formats:
        raise BadInput(f"{what} {path.name} ends in {path.suffix or 'nothing'}; expected {' or '.join(formats)}")


def write_audio(path: str | Path, samples: npt.NDArray[np.int16] | Samples, rate: int) -> None:
    """A WAV or FLAC file of exactly these samples (M,): int16 as 16 bits; float32 as floats, or 24 bits in FLAC.

    The file appears whole or not at all.  Raises BadInput when it cannot be written.
    """
    path = Path(path)
    check_target(path)
    kind = FORMATS[path.suffix.lower()]
    subtype = "PCM_16" if samples.dtype == np.int16 else "FLOAT" if kind == "WAV" else "PCM_24"
    atomically(path, lambda part: soundfile.write(part, samples, rate, format=kind, subtype=subtype))


def write_wav(path: str | Path, samples: npt.NDArray[np.int16], rate: int) -> None:
    """`write_audio` for 16-bit WAV."""
    write_audio(path, samples, rate)


def atomically(path: Path, write: Callable[[str], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in place.  Raises BadInput on an error of the system."""
    try:
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
    try:
        write(part)
        os.chmod(part, 0o666 & ~_umask())
        os.replace(part, path)
    except (OSError, soundfile.SoundFileError) as error:
        raise BadInput(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _umask() -> int:
    """What this process masks; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
