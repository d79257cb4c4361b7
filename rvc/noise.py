"""Where random numbers come from: every draw has a name, and is made from a seed or replayed from a tape.

Draws do not depend on their order, so a stage may run earlier, later or twice and still be given the same numbers.

    seg{i}.noise.z      float32 (1, 192, p)      standard normal, the prior's sample
    seg{i}.noise.nsf    float32 (1, p·upp, 1)    standard normal, the source's noise
    seg{i}.noise.phase  float32 (1, 1)           uniform [0, 1), drawn by the originals and unused
    noise.crepe         float32 (frames,)        cents in (−20, 20), triangular: CREPE's dither
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from rvc.errors import BadInput

Kind = Literal["normal", "uniform", "dither"]
Draw = npt.NDArray[np.float32]


class NoiseSource(Protocol):
    """Anything that can be asked for a named draw."""

    def draw(self, name: str, shape: tuple[int, ...], kind: Kind = "normal") -> Draw:
        """float32 of that shape; the same name gives the same numbers."""


class Seeded:
    """Draws made from a seed and the draw's name with NumPy's Philox generator."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def draw(self, name: str, shape: tuple[int, ...], kind: Kind = "normal") -> Draw:
        key = int.from_bytes(hashlib.sha256(f"{self.seed}/{name}".encode()).digest()[:16], "little")
        generator = np.random.Generator(np.random.Philox(key=key))
        if kind == "normal":
            return generator.standard_normal(shape, dtype=np.float32)
        if kind == "uniform":
            return generator.random(shape, dtype=np.float32)
        return (40 * generator.triangular(0.0, 0.5, 1.0, shape) - 20).astype(np.float32)


class Tape:
    """Draws replayed from named arrays; arrays that nobody asks for are ignored, so a trace serves as a tape."""

    def __init__(self, tensors: dict[str, npt.NDArray[np.generic]], origin: str = "the noise tape") -> None:
        """tensors : name → float array;  origin : how messages call the tape"""
        self.tensors = tensors
        self.origin = origin

    @classmethod
    def read(cls, path: str | Path) -> Tape:
        """A safetensors file; only its noise is kept.  Raises BadInput when it cannot be read as one."""
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise BadInput(f"there is no noise tape {path}; record one with --trace, or leave --noise out")
        try:
            with safe_open(path, framework="np") as file:
                return cls({name: file.get_tensor(name) for name in file.keys() if _is_noise(name)}, str(path))  # noqa: SIM118
        except (SafetensorError, OSError, ValueError, TypeError) as error:
            raise BadInput(f"{path} is no safetensors file ({error}); --noise takes a trace or a tape") from None

    def draw(self, name: str, shape: tuple[int, ...], kind: Kind = "normal") -> Draw:
        """Raises BadInput when the tape lacks the draw, or holds it in another shape, not as floats, or not finite."""
        found = self.tensors.get(name)
        if found is None:
            if kind == "uniform":  # the unused start phase: a tape need not hold what nothing depends on
                return np.zeros(shape, np.float32)
            raise BadInput(f"{self.origin} holds no {name} (float32 {list(shape)}); was it made for another input?")
        if found.shape != shape or found.dtype.kind != "f":
            raise BadInput(
                f"{name} in {self.origin} is {found.dtype} {list(found.shape)}, but this conversion draws float32 "
                f"{list(shape)}; use a tape made for the same input, voice and window"
            )
        if not np.isfinite(found).all():
            raise BadInput(f"{name} in {self.origin} has values that are not finite; record the tape again")
        return found.astype(np.float32)


class Heard:
    """Another source whose draws are reported to a tap under their own names."""

    def __init__(self, source: NoiseSource, tap: Callable[[str, Draw], object]) -> None:
        self.source = source
        self.tap = tap

    def draw(self, name: str, shape: tuple[int, ...], kind: Kind = "normal") -> Draw:
        drawn = self.source.draw(name, shape, kind)
        self.tap(name, drawn)
        return drawn


def _is_noise(name: str) -> bool:
    return "noise." in name
