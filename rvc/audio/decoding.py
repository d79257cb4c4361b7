"""Decoding of an audio file to mono float32 at 16 kHz, as the originals do it (docs/spec/06 §6.3).

Mono files at 16 kHz are read by libsndfile and not changed (int16 / 32768). All others go through the decoders and the
resampler of ffmpeg where PyAV is installed, with the same bits as the originals' own ffmpeg. Without PyAV, libsndfile
and soxr are used, whose resampling filter differs; docs/divergences.md gives the measured difference.
"""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from rvc.errors import BadInput, MissingExtra

RATE = 16000  # Hz
TAIL_WITHOUT_FLUSH = 16  # samples that ffmpeg's resampler holds at the end of a 44.1 or 48 kHz file (docs/spec/06 §6.3)
LOWEST_RATE, HIGHEST_RATE = 8000, 192000  # Hz, of input files

Samples = npt.NDArray[np.float32]
log = logging.getLogger(__name__)


def decode(path: str | Path, *, flush: bool = True, with_av: bool | None = None) -> Samples:
    """Decode a file.

    Args:
        path: an audio file.
        flush: False loses the samples that the resampler holds at the end of the file, as rvc-python does.
        with_av: whether to use PyAV; None uses it if it is installed.
    Returns:
        float32 (N,) at 16 kHz.
    Raises:
        BadInput: the file is missing, empty or no audio, its rate is not within 8 to 192 kHz, or a
            sample is not finite.
        MissingExtra: the file has more than two channels and PyAV is not installed.
    """
    path = Path(path)
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name a file of sound in it, or give convert a folder as OUT too")
    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise BadInput(f"{path} is empty; expected a file of sound")
    has_av = importlib.util.find_spec("av") is not None if with_av is None else with_av
    info = _header(path)
    if info is None and not has_av:
        raise BadInput(f"{path} is no sound that libsndfile reads; more formats come with the extra 'decoding'")
    if info is not None and info.channels == 1 and info.samplerate == RATE and _is_lossless(info):
        samples = read_sndfile(path)[0][:, 0]
    elif has_av:
        samples = _through_ffmpeg(path, flush)
    else:
        samples = _through_soxr(path, flush)
    if len(samples) == 0:
        raise BadInput(f"{path} holds no samples; expected a file of sound")
    refuse_nonfinite(samples, RATE, str(path))
    return samples


def read_sndfile(path: str | Path) -> tuple[Samples, int]:
    """Read a file with libsndfile: float32 (N, channels) and the rate in Hz.

    A file that is shorter than its header declares is read up to its end, with a warning.

    Raises:
        BadInput: libsndfile cannot read the file.
    """
    try:
        with soundfile.SoundFile(path) as file:
            samples = file.read(dtype="float32", always_2d=True)
            if 0 <= len(samples) < file.frames:
                log.warning(
                    "%s ends after %d of the %d samples that its header declares", path, len(samples), file.frames
                )
            return samples, file.samplerate
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read as sound: {_reason(error)}") from None


def refuse_nonfinite(samples: Samples, rate: int, name: str) -> None:
    """Check that all samples are finite numbers.

    Args:
        samples: float32 (N,).
        rate: Hz, for the time in the message.
        name: of the sound, for the message.
    Raises:
        BadInput: a sample is NaN or infinite; the message has their number and the time of the first.
    """
    finite = np.isfinite(samples)
    if finite.all():
        return
    first = int(np.argmin(finite))
    raise BadInput(
        f"{name} has {len(samples) - int(finite.sum())} samples that are not finite numbers, the first at "
        f"{first / rate:.3f} s; write the file again as finite floats or integers"
    )


def _header(path: Path) -> Any:
    """libsndfile's description of the file, or None for a file that it cannot read."""
    try:
        return soundfile.info(path)
    except (soundfile.SoundFileError, OSError, ValueError):
        return None


def _is_lossless(info: Any) -> bool:
    """Whether the samples are stored as numbers, which every decoder reads alike; MPEG and Vorbis decoders differ."""
    return str(info.subtype).startswith(("PCM", "FLOAT", "DOUBLE"))


def _reason(error: Exception) -> str:
    message = getattr(error, "strerror", None) or str(error)
    first_line = message.strip().splitlines()[0] if message.strip() else type(error).__name__
    return first_line.rstrip(".")


def _through_ffmpeg(path: Path, flush: bool) -> Samples:
    import av

    try:
        pieces = list(_resampled(path, flush, av))
    except (av.FFmpegError, ValueError, OSError) as error:
        raise BadInput(f"{path} cannot be decoded as sound: {_reason(error)}") from None
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _resampled(path: Path, flush: bool, av: Any) -> Iterator[Samples]:
    """Pieces of the decoded file, float32 at 16 kHz; ffmpeg mixes stereo down as (L+R)/√2, without normalization."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            raise BadInput(f"{path} has no audio track")
        stream = container.streams.audio[0]
        _refuse_rate(path, stream.rate or RATE)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        skipped = 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:  # skip a damaged packet, as the ffmpeg program does
                skipped += 1
                continue
            for frame in frames:
                frame.pts = None  # without time stamps, gaps are not filled with silence
                yield from (out.to_ndarray().ravel() for out in resampler.resample(frame))
        if flush:
            yield from (out.to_ndarray().ravel() for out in resampler.resample(None))
        if skipped:
            log.warning("%s: %d damaged packets were skipped", path, skipped)


def _through_soxr(path: Path, flush: bool) -> Samples:
    """Decode a mono or stereo file without ffmpeg, with soxr's resampling filter."""
    import soxr

    samples, rate = read_sndfile(path)
    _refuse_rate(path, rate)
    channels = samples.shape[1]
    if channels > 2:
        raise MissingExtra("decoding", f"mixing {channels} channels down ({path})")
    mono = samples[:, 0] if channels == 1 else (samples[:, 0] + samples[:, 1]) * np.float32(math.sqrt(0.5))
    if rate == RATE:
        return np.ascontiguousarray(mono)
    refuse_nonfinite(mono, rate, str(path))
    resampled: Samples = soxr.resample(mono, rate, RATE, quality="HQ")
    return resampled if flush else resampled[: max(len(resampled) - TAIL_WITHOUT_FLUSH, 0)]


def _refuse_rate(path: Path, rate: int) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise BadInput(f"{path} is sampled at {rate} Hz; expected {LOWEST_RATE} to {HIGHEST_RATE} Hz")
