"""Sources of random numbers: every draw has a name, and is generated from a seed or replayed from a tape.

A tape is a file of recorded draws. Draws do not depend on their order: a stage that runs earlier, later or twice gets
the same numbers.

    seg{i}.noise.z      float32 (1, 192, p)      standard normal, the prior's sample
    seg{i}.noise.nsf    float32 (1, p·upp, 1)    standard normal, the source's noise
    seg{i}.noise.phase  float32 (1, 1)           uniform [0, 1); the originals draw it and do not use it
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
from rvc.weights import recognizers
from rvc.weights.native_paths import utf8_name

Kind = Literal["normal", "uniform", "dither"]
Draw = npt.NDArray[np.float32]


class NoiseSource(Protocol):
    """Anything that makes named draws."""

    def draw(self, name: str, shape: tuple[int, ...], kind: Kind = "normal") -> Draw:
        """Random numbers of one name; the same name gives the same numbers.

        Args:
            name: one of the names above.
            shape: the shape of the result.
            kind: "normal" (mean 0, deviation 1), "uniform" on [0, 1), or "dither" (triangular on (-20, 20), cents).
        Returns:
            float32 of `shape`.
        """


class Seeded:
    """Draws made from a seed and the draw's name with NumPy's Philox generator."""

    def __init__(self, seed: int = 0) -> None:
        """Two sources of the same seed make the same draws, on every machine."""
        self.seed = seed

    def draw(self, name: str, shape: tuple[int, ...], kind: Kind = "normal") -> Draw:
        """See `NoiseSource.draw`."""
        key = int.from_bytes(hashlib.sha256(f"{self.seed}/{name}".encode()).digest()[:16], "little")
        generator = np.random.Generator(np.random.Philox(key=key))
        if kind == "normal":
            return generator.standard_normal(shape, dtype=np.float32)
        if kind == "uniform":
            return generator.random(shape, dtype=np.float32)
        return (40 * generator.triangular(0.0, 0.5, 1.0, shape) - 20).astype(np.float32)


class Tape:
    """Draws replayed from named arrays; other arrays are ignored, so a trace can be used as a tape."""

    def __init__(self, tensors: dict[str, npt.NDArray[np.generic]], origin: str = "the noise tape") -> None:
        """Replay these draws.

        Args:
            tensors: name of a draw → its float array.
            origin: the name of the tape in messages.
        """
        self.tensors = tensors
        self.origin = origin

    @classmethod
    def read(cls, path: str | Path) -> Tape:
        """Read the draws in a safetensors file; other tensors are skipped.

        Raises:
            BadInput: the file is missing, is not a safetensors file, or holds no draws.
            BadCheckpoint: the file is of another kind.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise BadInput(f"there is no noise tape {path}; record one with --trace, or leave --noise out")
        recognizers.refuse_other_content(path, recognizers.Role.NOISE)
        try:
            with utf8_name(path) as utf8, safe_open(utf8, framework="np") as file:
                names = list(file.keys())
                draws = {name: file.get_tensor(name) for name in names if _is_noise(name)}
        except (SafetensorError, OSError, ValueError, TypeError) as error:
            from rvc.weights.other_files import refuse_other_file  # imports torch, which reading a tape does not need

            refuse_other_file(path, recognizers.Role.NOISE)
            raise BadInput(f"{path} is no safetensors file ({error}); --noise takes a trace or a tape") from None
        if not draws:
            recognizers.refuse_other_tensors(path.name, names, recognizers.Role.NOISE)
            raise BadInput(f"{path} holds no draws, whose names contain noise.; --noise takes a trace or a tape")
        return cls(draws, str(path))

    def draw(self, name: str, shape: tuple[int, ...], kind: Kind = "normal") -> Draw:
        """See `NoiseSource.draw`.

        Raises:
            BadInput: the tape lacks the draw, or holds it in another shape, as integers, or with values that are not
                finite.
        """
        recorded = self.tensors.get(name)
        if recorded is None:
            if kind == "uniform":  # the start phase of the source has no effect, so a tape need not hold it
                return np.zeros(shape, np.float32)
            raise BadInput(f"{self.origin} holds no {name} (float32 {list(shape)}); was it made for another input?")
        if recorded.shape != shape or recorded.dtype.kind != "f":
            raise BadInput(
                f"{name} in {self.origin} is {recorded.dtype} {list(recorded.shape)}, but this conversion draws "
                f"float32 {list(shape)}; use a tape made for the same input, voice and window"
            )
        if not np.isfinite(recorded).all():
            raise BadInput(f"{name} in {self.origin} has values that are not finite; record the tape again")
        return recorded.astype(np.float32)


class TappedNoise:
    """A source that passes the draws of another source to a tap, under their names."""

    def __init__(self, source: NoiseSource, tap: Callable[[str, Draw], object]) -> None:
        """Wrap `source`.

        Args:
            source: makes the draws.
            tap: called with the name and the value of each draw; its result is ignored.
        """
        self.source = source
        self.tap = tap

    def draw(self, name: str, shape: tuple[int, ...], kind: Kind = "normal") -> Draw:
        """See `NoiseSource.draw`."""
        drawn = self.source.draw(name, shape, kind)
        self.tap(name, drawn)
        return drawn


def _is_noise(name: str) -> bool:
    return "noise." in name
