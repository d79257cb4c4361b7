"""Cases that no golden has: sounds, options and voices drawn from a seed.

Every draw is one random number of Python's own generator, whose sequence is the same in every version.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from parity import voices
from parity.goldens.arrays import Array
from parity.goldens.store import MemoryCase
from parity.stages import SR16
from parity.stages.profile_table import PROFILES
from parity.voices import drawn

_Choice = TypeVar("_Choice")

# Samples at 16 kHz around which lengths are drawn: the hops of HuBERT and F0, and block sizes of public programs.
_UNITS = (160, 320, 512, 1024)
_OFFSETS = (-1, 0, 0, 1, 79, 80)  # samples beside a multiple of the unit
_SHORTEST, _LONGEST = 4800, 16000  # samples: 0.3 to 1 s
_WINDOWS = (  # seconds: pad, query, center, max; the third cuts a file of 0.5 s
    (0.1, 6.0, 38.0, 41.0),
    (0.25, 6.0, 38.0, 41.0),
    (0.15, 0.1, 0.4, 0.45),
)
_LONGER = 1920  # samples: six frames of HuBERT
_STEP = 1 / 32768  # a step of a 16-bit sample
_HARMONICS = 12


def draw(seed: str, number: int, profiles: Sequence[str], folder: Path) -> MemoryCase:
    """One case: a sound with options, and a voice with weights of its own.

    Args:
        seed: any text; the same seed and number give the same case.
        number: the number of the case.
        profiles: names of profiles to choose from.
        folder: an existing folder that receives the weights of the voice.
    Returns:
        the case with its audio; a conversion by a proven program adds the other tensors.
    """
    source = random.Random(f"{seed}/{number}")
    version, rate, f0 = _pick(source, ("v1", "v2")), _pick(source, (32, 40, 48)), source.random() < 0.8
    kind = f"{version}-{rate}k-{'f0' if f0 else 'nof0'}"
    index = _pick(source, (None, *(name for name in voices.INDEXES if name.startswith(version))))
    profile = _pick(source, profiles)
    options: dict[str, Any] = {
        "f0_method": _pick(source, PROFILES[profile].methods),
        "transpose": int(source.random() * 25) - 12,
        "index_rate": _pick(source, (0.25, 0.5, 0.75, 1.0)) if index else 0.0,
        "protect": _pick(source, (0.0, 0.1, 0.33, 0.5)),
        "rms_mix_rate": _pick(source, (0.0, 0.25, 0.6, 1.0)),
        "resample_rate": _pick(source, (0, 0, 16000, 44100, 48000)),
        "filter_radius": _pick(source, (0, 2, 3, 7)),
        "speaker": int(source.random() * 109),
        "window": list(_pick(source, _WINDOWS)),
    }
    name = f"fresh-{seed}-{number}"
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    voice = {"kind": kind, "rate": rate * 1000, "version": version, "f0": f0, "index": index}
    voice["file"] = str(drawn.write_voice(kind, f"fresh/{seed}/{number}", place))
    meta = {
        "name": name,
        "why": "drawn: no golden has this sound, these options or this voice",
        "profile": profile,
        "input": {"file": "drawn", "sha256": "0" * 64},
        "voice": voice,
        "options": options,
        "seed": name,
        "original": {"name": "rvc", "version": "no original"},
        "environment": {},
    }
    return MemoryCase(meta, {"audio16k.raw": sound(source, options["window"])})


def _pick(source: random.Random, values: Sequence[_Choice]) -> _Choice:
    return values[int(source.random() * len(values))]


def _length(source: random.Random, window: Sequence[float]) -> int:
    """Samples: near a multiple of a block size, on it or beside it, and so long that no segment is empty."""
    unit, offset = _pick(source, _UNITS), _pick(source, _OFFSETS)
    wanted = _SHORTEST + source.random() * (_LONGEST - _SHORTEST)
    samples = max(_SHORTEST, round(wanted / unit) * unit + offset)
    _, query, center, _ = (round(SR16 * seconds) for seconds in window)
    return samples + (_LONGER if samples % center <= query else 0)


def sound(source: random.Random, window: Sequence[float]) -> Array:
    """A glide of a harmonic tone with a pause, a noise burst and a noise floor.

    Args:
        source: the random numbers.
        window: seconds (pad, query, center, max) by which a conversion cuts the sound.
    Returns:
        float32 (samples,) at 16 kHz, in steps of 16 bits.
    """
    samples = _length(source, window)
    noise = np.random.default_rng(int(source.random() * 2**32))
    first, last = 90 + source.random() * 250, 90 + source.random() * 350  # Hz
    time = np.arange(samples) / samples
    phase = 2 * np.pi * np.cumsum(first * (last / first) ** time) / SR16
    wave = sum(np.sin(k * phase) / k ** (1 + source.random()) for k in range(1, _HARMONICS + 1))
    pause = source.random() * 0.8
    wave = wave * ~((time > pause) & (time < pause + 0.15))
    burst = source.random() * 0.9
    wave = wave + 0.5 * noise.standard_normal(samples) * ((time > burst) & (time < burst + 0.1))
    loudness = 10 ** (-source.random() * 1.5)  # full scale to -30 dB
    wave = wave / np.abs(wave).max() * loudness + 1e-3 * noise.standard_normal(samples)
    steps = np.round(np.clip(wave, -1, 1 - _STEP) / _STEP)
    return np.asarray(steps * _STEP, np.float32)
