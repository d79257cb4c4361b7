"""Decoding of an audio file to mono float32 at 16 kHz, as the originals do it (docs/spec/06 §6.3).

Lossless mono files at 16 kHz are not changed (int16 / 32768) and are read by libsndfile as far as it can read them. All
others go through the decoders and the resampler of ffmpeg where PyAV is installed, with the same bits as the originals'
own ffmpeg. Without PyAV, and for formats that only libsndfile reads, libsndfile and soxr are used, whose resampling
filter differs; docs/divergences.md gives the measured difference.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rvc.audio import ffmpeg, libsndfile
from rvc.audio.sound_file import SoundFile, open_sound
from rvc.errors import BadInput, MissingExtra
from rvc.scratch import blocks, join

RATE = 16000  # Hz
TAIL_WITHOUT_FLUSH = 16  # samples that ffmpeg's resampler holds at the end of a 44.1 or 48 kHz file (docs/spec/06 §6.3)

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
        BadInput: the file is missing, empty or no audio, its rate is below 1000 Hz or above 4 MHz, or a sample is not
            finite.
        MissingExtra: the file has more than two channels and PyAV is not installed.
    """
    sound = open_sound(path, with_av=with_av)
    samples = _read_plain(sound)
    if samples is None and sound.with_av:
        samples = _through_ffmpeg(sound, flush)
    elif samples is None:
        samples = _through_soxr(
            sound, flush, "PyAV is not installed; in the project's folder: pip install '.[decoding]'"
        )
    if len(samples) == 0:
        raise BadInput(f"{path} holds no samples; expected a file of sound")
    refuse_nonfinite(samples, RATE, str(path))
    return samples


def refuse_nonfinite(samples: Samples, rate: int, name: str) -> None:
    """Check that all samples are finite numbers.

    Args:
        samples: float32 (N,).
        rate: Hz, for the time in the message.
        name: the name of the sound, for the message.
    Raises:
        BadInput: a sample is NaN or infinite; the message has their number and the time of the first.
    """
    if all(np.isfinite(block).all() for block in blocks(samples)):
        return
    finite = np.isfinite(samples)
    first = int(np.argmin(finite))
    raise BadInput(
        f"{name} has {len(samples) - int(finite.sum())} samples that are not finite numbers, the first at "
        f"{first / rate:.3f} s; write the file again as finite floats or integers"
    )


def _read_plain(sound: SoundFile) -> Samples | None:
    """The samples of a lossless mono file at 16 kHz; None for other files, and where ffmpeg reads more of the file."""
    header = sound.header
    if header is None or not header.is_lossless or (sound.rate, sound.channels) != (RATE, 1):
        return None
    try:
        samples = join(piece[:, 0] for piece in libsndfile.pieces(sound.path))
    except BadInput as error:
        log.debug("%s", error)
        return None
    return samples if 0 < len(samples) >= header.frames else None


def _through_ffmpeg(sound: SoundFile, flush: bool) -> Samples:
    """Decode a file with ffmpeg; with libsndfile and soxr in the rare formats that only libsndfile reads."""
    try:
        return join(ffmpeg.pieces_at(sound.path, RATE, flush))
    except BadInput as refusal:
        if sound.header is None or not sound.header.frames or sound.channels > 2:
            raise
        log.debug("%s", refusal)
        try:
            samples = _through_soxr(replace(sound, with_av=False), flush, "ffmpeg does not read its format")
        except BadInput:
            raise refusal from None
        if not len(samples):
            raise
        return samples


def _through_soxr(sound: SoundFile, flush: bool, reason: str) -> Samples:
    """Decode a mono or stereo file without ffmpeg, with soxr's resampling filter; the note ends with `reason`."""
    import soxr

    path, rate, channels = sound.path, sound.rate, sound.channels
    if channels > 2:
        raise MissingExtra("decoding", f"mixing {channels} channels down ({path})")
    half = np.float32(math.sqrt(0.5))
    mono = join(piece[:, 0] if channels == 1 else (piece[:, 0] + piece[:, 1]) * half for piece in sound.pieces())
    if rate == RATE:
        return mono
    refuse_nonfinite(mono, rate, str(path))
    log.warning(
        "note: %s is resampled by soxr, whose filter differs from that of the originals' ffmpeg "
        "(docs/divergences.md): %s",
        path,
        reason,
    )
    resampled: Samples = soxr.resample(mono, rate, RATE, quality="HQ")
    return resampled if flush else resampled[: max(len(resampled) - TAIL_WITHOUT_FLUSH, 0)]
