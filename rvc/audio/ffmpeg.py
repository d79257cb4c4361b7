"""Reading of sound files with ffmpeg's decoders and resampler, through the optional package PyAV."""

from __future__ import annotations

import errno
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc.audio import wav_chunks
from rvc.errors import BadInput

Samples = npt.NDArray[np.float32]
LOWEST_RATE = 1000  # Hz; at a lower rate a small file would become an enormous one at 16 kHz
# Hz, a choice far above the 768 kHz of recorders. For small files whose damaged headers stated more than 1 GHz, ffmpeg
# ran for more than 20 s or asked for more than 2 GiB (docs/reliability.md).
HIGHEST_RATE = 4_000_000
MISSING = 0.1  # seconds; encoders add or remove less than this at the ends of a file
ESTIMATED = ("mp3", "aac", "mpeg", "mpegts")  # containers without a duration, for which ffmpeg estimates one

log = logging.getLogger(__name__)


class Undecodable(BadInput):
    """A file that ffmpeg takes for no recording, or for a damaged one."""


def is_installed() -> bool:
    """Whether PyAV is installed; it is not imported."""
    return importlib.util.find_spec("av") is not None


def refuse_rate(path: Path, rate: int) -> None:
    """Check that a file of sound has a possible rate, in Hz.

    Raises:
        BadInput: it is below LOWEST_RATE or above HIGHEST_RATE.
    """
    if rate < LOWEST_RATE:
        raise BadInput(f"{path} is sampled at {rate} Hz; expected {LOWEST_RATE} Hz or more")
    if rate > HIGHEST_RATE:
        raise BadInput(
            f"{path} states a rate of {rate} Hz; expected {HIGHEST_RATE} Hz or less; its header is damaged, so "
            "download or record it again"
        )


def native_rate(path: Path) -> tuple[int, int]:
    """The rate in Hz and the number of channels of a file's first audio track.  Raises BadInput."""
    with _opened(path) as (_, stream):
        return int(stream.rate), int(stream.codec_context.layout.nb_channels)


def native_pieces(path: Path) -> Iterator[Samples]:
    """Decode a file at its own rate with its own channels: float32 (n, channels).

    Raises:
        BadInput: ffmpeg cannot decode the file.
    """
    with _opened(path) as (container, stream):
        channels = int(stream.codec_context.layout.nb_channels)
        for piece in _resampled(path, container, stream, stream.codec_context.layout.name, int(stream.rate), True):
            yield piece.reshape(-1, channels)


def pieces_at(path: Path, rate: int, flush: bool) -> Iterator[Samples]:
    """Decode a file to mono; stereo is mixed down as (L+R)/√2, without normalization.

    Args:
        path: a sound file.
        rate: Hz, of the result.
        flush: False loses the samples that the resampler holds at the end of the file.
    Yields:
        float32 (n,).
    Raises:
        BadInput: ffmpeg cannot decode the file, or its rate is not from LOWEST_RATE to HIGHEST_RATE.
    """
    with _opened(path) as (container, stream):
        yield from _resampled(path, container, stream, "mono", rate, flush)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container of a file and its first audio track; ffmpeg's errors inside the block become BadInput."""
    import av  # optional

    wav_chunks.refuse_oversized(path)
    try:
        # The prefix keeps ffmpeg from taking a name with a colon for an address of another protocol. Tags in a file may
        # have any encoding; they are not used.
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            if not container.streams.audio:
                raise BadInput(f"{path} has no audio track; give a recording")
            stream = container.streams.audio[0]
            if stream.codec_context is None or not stream.rate:
                raise BadInput(f"{path} has an audio track that ffmpeg cannot decode; convert it to WAV or FLAC first")
            refuse_rate(path, stream.rate)
            yield container, stream
    except (av.FFmpegError, ValueError, OSError) as error:
        raise Undecodable(f"{path} cannot be decoded as sound: {_reason(error, av)}") from None


def _resampled(path: Path, container: Any, stream: Any, layout: str, rate: int, flush: bool) -> Iterator[Samples]:
    """Decode a track to interleaved float32 of another layout and rate, in pieces of shape (n·channels,).

    Damaged packets are skipped, and an error of the container ends the file, as in the ffmpeg program.
    """
    import av  # optional

    resampler: Any = None
    shape = None
    skipped, decoded = 0, 0.0
    packets = iter(container.demux(stream))
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            if not decoded:
                raise
            log.debug("%s: ffmpeg stops: %s", path, error)
            packet = None
        if packet is None:
            break
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            skipped += 1
            continue
        for frame in frames:
            if shape != (frame.format.name, frame.layout.name, frame.rate):
                if resampler is not None:  # the track changes in its middle: a radio stream, joined recordings
                    yield from (out.to_ndarray().ravel() for out in resampler.resample(None))
                shape = (frame.format.name, frame.layout.name, frame.rate)
                refuse_rate(path, frame.rate)
                resampler = av.AudioResampler(format="flt", layout=layout, rate=rate)
            decoded += frame.samples / frame.rate
            frame.pts = None  # without time stamps, gaps are not filled with silence
            yield from (out.to_ndarray().ravel() for out in resampler.resample(frame))
    if flush and resampler is not None:
        yield from (out.to_ndarray().ravel() for out in resampler.resample(None))
    if skipped:
        log.warning("note: %s is damaged: packets that cannot be decoded are skipped (%d)", path, skipped)
    if not decoded and skipped:
        raise BadInput(f"{path} is damaged: none of its {skipped} packets can be decoded; download or record it again")
    names = container.format.name.split(",")
    if stream.duration is not None and not any(name in ESTIMATED for name in names):
        warn_if_short(path, decoded, float(stream.duration * stream.time_base))


def warn_if_short(path: Path, seconds: float, declared: float) -> None:
    """Log a warning where a file holds less sound than its header declares."""
    if seconds and seconds < declared - MISSING:
        log.warning(
            "note: %s is cut or damaged: it holds %.2f s of the %.2f s that its header declares",
            path,
            seconds,
            declared,
        )


def _reason(error: Exception, av: Any) -> str:
    """Why ffmpeg cannot decode a file, in the words of a user."""
    if isinstance(error, av.InvalidDataError):
        return "it is no recording that ffmpeg knows, or its start is missing or damaged; download or record it again"
    if isinstance(error, av.DecoderNotFoundError | av.DemuxerNotFoundError | av.PatchWelcomeError):
        return "it is in a format that ffmpeg lacks; convert it to WAV or FLAC first"
    if isinstance(error, PermissionError):
        return "it may not be read; change its permissions"
    if isinstance(error, av.ArgumentError):
        return "ffmpeg cannot mix its channels or its format; convert it to a mono or stereo WAV first"
    if isinstance(error, EOFError) or getattr(error, "errno", None) == errno.EIO:
        return "it ends before its first sample; download or record it again"
    message = getattr(error, "strerror", None) or str(error)
    return message.strip().splitlines()[0].rstrip(".") if message.strip() else type(error).__name__
