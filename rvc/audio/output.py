"""From the synthesized waveform to a file: loudness, rate, integers, writing (docs/spec/06 §6.7 to §6.10)."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from rvc.errors import BadInput, RvcError
from rvc.scratch import blocks, new_signal, release
from rvc.weights.whole_files import atomically

Samples = npt.NDArray[np.float32]
BLOCK = 1 << 18  # samples processed at a time, to limit the memory of intermediate arrays
FRAMES_HELD = 32  # frames of half a second whose samples are in memory while their loudness is measured
QUIETEST = 1e-6  # RMS; the voice's own envelope is raised to it, so that the gain stays finite (docs/spec/06 §6.7)
PEAK = 0.99  # relative to full scale; a higher peak is scaled down to it (docs/spec/06 §6.9)
FORMATS = {".wav": "WAV", ".flac": "FLAC"}


def rms(samples: npt.NDArray[np.floating], frame: int, hop: int) -> Samples:
    """The root mean square of centered frames, with zeros beyond both ends, as librosa.feature.rms computes it.

    Args:
        samples: float (N,).
        frame: samples in a frame, an even number.
        hop: samples from one frame to the next.
    Returns:
        float32 (1 + N // hop,); squares and means are float32 for any input, as in librosa.
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
        if i % FRAMES_HELD == 0:
            release(samples)
    return np.sqrt(values)


@dataclass(frozen=True)
class Loudness:
    """The envelope of the input.

    Attributes:
        values: float32 (1 + N // 8000,), RMS over one second every half second.
    """

    values: Samples


def loudness(highpassed: npt.NDArray[np.float64]) -> Loudness:
    """Measure the envelope of the input: float64 (N,) at 16 kHz, RMS over one second every half second."""
    return Loudness(rms(highpassed, 16000, 8000))


def mix_loudness(waveform: Samples, source: npt.NDArray[np.float64] | Loudness, rate: int, mix: float) -> Samples:
    """`waveform.rmsmixed`: the waveform with its envelope moved towards the input's.

    Args:
        waveform: float32 (M,) at `rate`.
        source: `highpassed`, float64 (N,) at 16 kHz, or its loudness, where the array has been released.
        rate: Hz.
        mix: 1 keeps the waveform's own envelope and returns `waveform` itself, 0 takes the input's.
    Returns:
        float32 (M,).
    """
    if mix == 1 or len(waveform) == 0:
        return waveform
    import torch

    target = (source if isinstance(source, Loudness) else loudness(source)).values
    own = rms(waveform, rate // 2 * 2, rate // 2)
    mixed = new_signal(len(waveform), np.float32)
    for first in range(0, len(waveform), BLOCK):
        last = min(first + BLOCK, len(waveform))
        target_here = torch.from_numpy(stretch(target, len(waveform), first, last))
        own_here = torch.from_numpy(np.maximum(stretch(own, len(waveform), first, last), np.float32(QUIETEST)))
        gain = torch.pow(target_here, 1 - mix) * torch.pow(own_here, mix - 1)
        mixed[first:last] = waveform[first:last] * gain.numpy()
        release(waveform)
        release(mixed)
    return mixed


def stretch(values: Samples, length: int, first: int, last: int) -> Samples:
    """Resize an envelope linearly, with the bits of torch.nn.functional.interpolate in mode "linear".

    Each fused multiply-add of torch's kernel is computed in float64 and rounded once.

    Args:
        values: float32 (K,).
        length: the number of samples of the whole result.
        first, last: the part of the result that is computed.
    Returns:
        float32 (last - first,).
    """
    scale = float(np.float32(len(values)) / np.float32(length))
    center = np.arange(first, last).astype(np.float32) + np.float32(0.5)
    position = np.maximum(center.astype(np.float64) * scale - 0.5, 0).astype(np.float32)
    left = np.minimum(position.astype(np.int64), len(values) - 1)
    right = np.minimum(left + 1, len(values) - 1)
    fraction = np.minimum(position - left.astype(np.float32), np.float32(1))
    stretched = (np.float32(1) - fraction).astype(np.float64) * values[left] + fraction * values[right]
    result: Samples = stretched.astype(np.float32)
    return result


def resample(samples: Samples, source: int, target: int) -> Samples:
    """Resample as librosa does by default, with soxr's HQ filter (docs/spec/06 §6.8).

    Args:
        samples: float32 (M,).
        source, target: Hz.
    Returns:
        float32 (⌈M·target/source⌉,); `samples` itself where the rates are equal.
    """
    if source == target:
        return samples
    import soxr

    length = math.ceil(len(samples) * (target / source))
    stream = soxr.ResampleStream(source, target, 1, quality="HQ")  # in pieces it returns the bits of soxr.resample
    resampled: Samples = new_signal(length, np.float32)
    written = done = 0
    for block in blocks(samples):
        done += len(block)
        piece = stream.resample_chunk(block, last=done == len(samples))[: length - written]
        resampled[written : written + len(piece)] = piece
        written += len(piece)
        release(resampled)
    resampled[written:] = 0
    return resampled


def refuse_nonfinite(waveform: Samples) -> None:
    """Raise RvcError for a synthesized waveform, float32 (M,), that holds NaN or infinity."""
    if not all(np.isfinite(block.max()) and np.isfinite(block.min()) for block in blocks(waveform)):
        raise RvcError("the voice's waveform is not finite; its weights are damaged: inspect the voice file")


def to_int16(waveform: Samples) -> npt.NDArray[np.int16]:
    """`waveform.final`: float32 (M,) → int16 (M,), truncated toward zero; a peak above 0.99 is scaled down first."""
    if len(waveform) == 0:
        return np.zeros(0, np.int16)
    scale = _scale(waveform)
    final: npt.NDArray[np.int16] = new_signal(len(waveform), np.int16)
    with np.errstate(invalid="ignore"):  # NaN is present only if the option exact_hits is "nan"
        for target, block in zip(blocks(final), blocks(waveform), strict=True):
            target[:] = (block * scale).astype(np.int16)
    return final


def guard(waveform: Samples) -> Samples:
    """The peak limit of `to_int16` alone: float32 (M,) with a peak of at most 0.99."""
    if len(waveform) == 0:
        return waveform
    gain = _scale(waveform) / np.float32(32768)
    guarded = new_signal(len(waveform), np.float32)
    for target, block in zip(blocks(guarded), blocks(waveform), strict=True):
        target[:] = block * gain
    return guarded


def _scale(waveform: Samples) -> np.float32:
    peak = np.max([max(block.max(), -block.min()) for block in blocks(waveform)]) / np.float32(PEAK)
    return np.float32(32768) / peak if peak > 1 else np.float32(32768)


def check_target(path: Path, what: str = "OUT", formats: dict[str, str] | None = FORMATS) -> None:
    """Check that a file can be written.

    Args:
        path: the file.
        what: its name in messages.
        formats: the extensions that are allowed; None allows any.
    Raises:
        BadInput: the folder is missing or write-protected, `path` is a folder, or the extension is not known.
    """
    if path.is_dir():
        raise BadInput(f"{what} {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise BadInput(f"{what}'s folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise BadInput(f"{what}'s folder {path.parent} cannot be written to; choose another")
    if formats is not None and path.suffix.lower() not in formats:
        raise BadInput(f"{what} {path.name} ends in {path.suffix or 'nothing'}; expected {' or '.join(formats)}")


def write_audio(path: str | Path, samples: npt.NDArray[np.int16] | Samples, rate: int) -> None:
    """Write a WAV or FLAC file; on an error no file is left behind.

    Args:
        path: a .wav or .flac file.
        samples: (M,); int16 is written with 16 bits, float32 as floats in WAV and with 24 bits in FLAC.
        rate: Hz.
    Raises:
        BadInput: the file cannot be written.
    """
    path = Path(path)
    check_target(path)
    kind = FORMATS[path.suffix.lower()]
    subtype = "PCM_16" if samples.dtype == np.int16 else "FLOAT" if kind == "WAV" else "PCM_24"

    def write(part: str) -> None:
        with soundfile.SoundFile(part, "w", rate, 1, subtype, format=kind) as file:
            for block in blocks(samples):
                file.write(block)

    atomically(path, write)
