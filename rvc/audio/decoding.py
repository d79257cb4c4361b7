"""A file of sound to mono float32 at 16 kHz, as the originals hear it.

Mono files at 16 kHz are read by libsndfile and pass unchanged (int16 / 32768). Anything else goes through ffmpeg's
decoders and resampler where PyAV is installed, which is bit for bit what the originals' own ffmpeg gives. Without PyAV,
libsndfile and soxr do the same work with another filter: docs/divergences.md has the difference measured.
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

RATE = 16000
TAIL_WITHOUT_FLUSH = 16  # samples that swresample still holds at the end of a 44.1 or 48 kHz file
LOWEST_RATE, HIGHEST_RATE = 8000, 192000

Samples = npt.NDArray[np.float32]
log = logging.getLogger(__name__)


def decode(path: str | Path, *, flush: bool = True, with_av: bool | None = None) -> Samples:
    """The file as float32 (N,) at 16 kHz.

    flush   : False loses what the resampler still holds at the end, as rvc-python does
    with_av : None uses PyAV if it is installed
    Raises BadInput for a file that is missing, empty, no audio, of another rate than 8 to 192 kHz, or not finite.
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
    refuse_odd_values(samples, RATE, str(path))
    return samples


def read_sndfile(path: str | Path) -> tuple[Samples, int]:
    """What libsndfile reads, float32 (N, channels), and the rate; of a file cut short what is there, with a warning."""
    try:
        with soundfile.SoundFile(path) as file:
            samples = file.read(dtype="float32", always_2d=True)
            if 0 <= len(samples) < file.frames:
                log.warning("%s ends after %d of the %d samples it claims", path, len(samples), file.frames)
            return samples, file.samplerate
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read as sound: {_reason(error)}") from None


def refuse_odd_values(samples: Samples, rate: int, name: str) -> None:
    """Raises BadInput when `samples` (N,) holds NaN or infinity, with how many and where the first one is."""
    finite = np.isfinite(samples)
    if finite.all():
        return
    first = int(np.argmin(finite))
    raise BadInput(
        f"{name} has {len(samples) - int(finite.sum())} samples that are not finite numbers, the first at "
        f"{first / rate:.3f} s; write the file again as finite floats or integers"
    )


def _header(path: Path) -> Any:
    """What libsndfile says of the file, or None when it cannot tell."""
    try:
        return soundfile.info(path)
    except (soundfile.SoundFileError, OSError, ValueError):
        return None


def _is_lossless(info: Any) -> bool:
    """Where libsndfile and ffmpeg cannot differ: plain numbers. MPEG and Vorbis decoders each have their own delays."""
    return str(info.subtype).startswith(("PCM", "FLOAT", "DOUBLE"))


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error)
    text = said.strip().splitlines()[0] if said.strip() else type(error).__name__
    return text.rstrip(".")


def _through_ffmpeg(path: Path, flush: bool) -> Samples:
    import av

    try:
        pieces = list(_resampled(path, flush, av))
    except (av.FFmpegError, ValueError, OSError) as error:
        raise BadInput(f"{path} cannot be decoded as sound: {_reason(error)}") from None
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _resampled(path: Path, flush: bool, av: Any) -> Iterator[Samples]:
    """Pieces of the decoded file at 16 kHz mono; swresample's down-mix to float is (L+R)/√2, and not normalised."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            raise BadInput(f"{path} has no track of sound")
        stream = container.streams.audio[0]
        _refuse_rate(path, stream.rate or RATE)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        skipped = 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:  # as the ffmpeg program does: go on after a damaged packet
                skipped += 1
                continue
            for frame in frames:
                frame.pts = None  # gaps in the clock are not filled with silence
                yield from (out.to_ndarray().ravel() for out in resampler.resample(frame))
        if flush:
            yield from (out.to_ndarray().ravel() for out in resampler.resample(None))
        if skipped:
            log.warning("%s: %d damaged packets were skipped", path, skipped)


def _through_soxr(path: Path, flush: bool) -> Samples:
    """The same path without ffmpeg: mono or stereo, soxr's filter."""
    import soxr

    samples, rate = read_sndfile(path)
    _refuse_rate(path, rate)
    channels = samples.shape[1]
    if channels > 2:
        raise MissingExtra("decoding", f"mixing {channels} channels down ({path})")
    mono = samples[:, 0] if channels == 1 else (samples[:, 0] + samples[:, 1]) * np.float32(math.sqrt(0.5))
    if rate == RATE:
        return np.ascontiguousarray(mono)
    refuse_odd_values(mono, rate, str(path))
    resampled: Samples = soxr.resample(mono, rate, RATE, quality="HQ")
    return resampled if flush else resampled[: max(len(resampled) - TAIL_WITHOUT_FLUSH, 0)]


def _refuse_rate(path: Path, rate: int) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise BadInput(f"{path} is sampled at {rate} Hz; expected {LOWEST_RATE} to {HIGHEST_RATE} Hz")
