"""Sound files as arrays: every kind that libsndfile reads, recognized by its first bytes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from parity.errors import UsageError
from parity.goldens.arrays import Array
from parity.goldens.store import Case

# The first bytes of a sound file: WAV (RIFF, RF64, Sony's riff), AIFF, FLAC, Ogg, CAF, AU, Matroska and WebM, and MP3
# with a tag or without one. MP4 has its word behind four bytes of a length.
_MAGICS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"caff", b".snd", b"\x1aE\xdf\xa3", b"ID3")
_MP3 = (b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xf1", b"\xff\xf9")  # also AAC
_MP4 = b"ftyp"
FINAL = "waveform.final"
LOWEST_RATE = 1000  # Hz; at a lower rate the pieces of 1 ms to 40 ms that are compared hold no sample
LEAST_RESAMPLED = 16000  # Hz: below it the option resample_rate is ignored (docs/spec/06)
PIECE = 1 << 20  # samples that are read at a time, because a header may state any number of them
SHORTEST = 0.05  # seconds of sound that can be compared: one frame of 40 ms and its neighbors


@dataclass(frozen=True)
class Sound:
    """A sound.

    Attributes:
        name: its file or golden, for messages.
        samples: float64 (samples, channels), full scale at 1.
        rate: Hz.
        form: the format of its samples, such as PCM_16.
    """

    name: str
    samples: Array
    rate: int
    form: str

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return len(self.samples) / self.rate


def is_sound(path: Path) -> bool:
    """Whether a file begins as a sound file does."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            return head.startswith((*_MAGICS, *_MP3)) or head[4:] == _MP4
    except OSError:
        return False


def of_case(case: Case, name: str) -> Sound:
    """The final waveform of a golden.

    Raises:
        UsageError: the golden holds none, as those of streams and of stages recorded alone.
    """
    if FINAL not in case:
        raise UsageError(f"{name} holds no {FINAL}; compare the sound with the golden of a file's conversion")
    samples = np.asarray(case[FINAL], np.float64).reshape(-1, 1) / 32768.0
    requested = int(case.options.get("resample_rate", 0) or 0)
    rate = requested if requested >= LEAST_RESAMPLED else int(case.voice["rate"])
    return Sound(name, samples, rate, "PCM_16")


def _samples(file: soundfile.SoundFile) -> Array:
    """All samples, float64 (samples, channels), however many the header states."""
    pieces: list[Array] = []
    while not pieces or len(pieces[-1]) == PIECE:
        pieces.append(file.read(PIECE, dtype="float64", always_2d=True))
    return np.concatenate(pieces)


def read(path: Path) -> Sound:
    """Read a sound file.

    Raises:
        UsageError: it cannot be read, has a rate below LOWEST_RATE, holds NaN or infinity, or is shorter than SHORTEST.
    """
    try:
        with soundfile.SoundFile(path) as file:
            samples = _samples(file)
            sound = Sound(str(path), samples, int(file.samplerate), str(file.subtype))
    except (soundfile.LibsndfileError, RuntimeError, OSError, ValueError) as error:
        reason = str(error).splitlines()[-1] if str(error) else type(error).__name__
        raise UsageError(f"{path} cannot be read as a sound ({reason}); give a WAV or FLAC file") from None
    if sound.rate < LOWEST_RATE:
        raise UsageError(f"{path} is sampled at {sound.rate} Hz; expected {LOWEST_RATE} Hz or more")
    if not np.isfinite(samples).all():
        raise UsageError(f"{path} holds samples that are NaN or infinite; a sound has finite samples only")
    if sound.seconds < SHORTEST:
        raise UsageError(f"{path} holds {sound.seconds:.3f} s of sound; at least {SHORTEST} s can be compared")
    return sound
