"""Sound files: WAV, RF64, W64, FLAC, MP3, Ogg Vorbis, Opus and M4A."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

from reliability.fuzz.mutation import raw, sounds
from reliability.fuzz.reader import NotFinite, Reader
from rvc.audio.decoding import decode
from rvc.audio.tools import describe

RATE, COUNT = 16000, 1600  # Hz and samples of a valid input
MODULES = ("rvc.audio.sound_file", "rvc.audio.decoding", "rvc.audio.libsndfile", "rvc.audio.ffmpeg", "rvc.audio.tools")
LONGEST = 120.0  # seconds of sound that an input of a few kilobytes may become


def read(path: Path) -> None:
    """Decode a file as a conversion does, and measure it."""
    samples = decode(path)
    if not np.isfinite(samples).all():
        raise NotFinite(f"{path.name} decodes to samples that are not finite")
    describe(path)


def _tone(rate: int, channels: int) -> Any:
    time = np.arange(COUNT * rate // RATE) / rate
    return np.stack([0.3 * np.sin(2 * np.pi * (220 + 20 * channel) * time) for channel in range(channels)], axis=1)


def _written(form: str, subtype: str | None = None, rate: int = RATE, channels: int = 1) -> bytes:
    target = io.BytesIO()
    soundfile.write(target, _tone(rate, channels), rate, format=form, subtype=subtype)
    return target.getvalue()


def _wav() -> Sequence[bytes]:
    subtypes = ("PCM_16", "PCM_24", "FLOAT", "PCM_U8", "ULAW", "IMA_ADPCM", "MS_ADPCM", "GSM610")
    return [_written("WAV", subtype) for subtype in subtypes] + [_written("WAVEX", "PCM_16", 44100, 2)]


def _other_pcm() -> Sequence[bytes]:
    return [_written("RF64", "PCM_16"), _written("W64", "PCM_16"), _written("AIFF"), _written("AU"), _written("CAF")]


def _flac() -> Sequence[bytes]:
    return [_written("FLAC", "PCM_16"), _written("FLAC", "PCM_24", 44100, 2)]


def _mp3() -> Sequence[bytes]:
    return [_written("MP3"), _written("MP3", None, 44100, 2)]


def _ogg() -> Sequence[bytes]:
    return [_written("OGG", "VORBIS"), _written("OGG", "OPUS", 48000), _written("OGG", "VORBIS", 44100, 2)]


def _m4a() -> Sequence[bytes]:
    return [_encoded("mp4", "aac"), _encoded("adts", "aac"), _encoded("matroska", "aac"), _encoded("mp4", "alac")]


def _encoded(container: str, codec: str) -> bytes:
    """A tone of 0.1 s written by ffmpeg."""
    target = io.BytesIO()
    with av.open(target, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=RATE)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(_tone(RATE, 1).T.astype(np.float32), format="fltp", layout="mono")
        frame.rate = RATE
        resampler = av.AudioResampler(
            format=stream.format.name, layout="mono", rate=RATE, frame_size=stream.frame_size or 1024
        )
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return target.getvalue()


READERS = (
    Reader("sound, WAV", "song.wav", _wav, sounds.riff, read, MODULES),
    Reader("sound, RF64, W64, AIFF", "song.w64", _other_pcm, sounds.riff, read, MODULES),
    Reader("sound, FLAC", "song.flac", _flac, raw.with_words(*sounds.FLAC_WORDS), read, MODULES),
    Reader("sound, MP3", "song.mp3", _mp3, raw.with_words(*sounds.MPEG_WORDS), read, MODULES),
    Reader("sound, Ogg", "song.ogg", _ogg, sounds.ogg, read, MODULES),
    Reader("sound, M4A", "song.m4a", _m4a, sounds.mp4, read, MODULES),
)
