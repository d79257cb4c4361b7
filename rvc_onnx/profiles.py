"""The originals whose conversions are reproduced, and the random numbers of a conversion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Record = Callable[[str, Any], Any]  # (name, tensor) → the tensor
Noise = Callable[[str, tuple[int, ...], str], npt.NDArray[np.float32]]  # (name, shape, kind) → random numbers


@dataclass(frozen=True)
class Profile:
    """Whether unvoiced frames are filled, and the defaults of a conversion's options."""

    fills_unvoiced: bool
    f0_method: str
    index_rate: float
    rms_mix_rate: float
    protect: float


PROFILES = {
    "webui-2026": Profile(True, "rmvpe", 0.75, 0.25, 0.33),
    "webui-classic": Profile(False, "rmvpe", 0.75, 0.25, 0.33),
    "rvc-python": Profile(False, "harvest", 0.5, 1.0, 0.33),
}


def draw(seed: int, name: str, shape: tuple[int, ...], kind: str = "normal") -> npt.NDArray[np.float32]:
    """Random numbers of one name; the same seed and name give the same numbers as `rvc`'s."""
    key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], "little")
    generator = np.random.Generator(np.random.Philox(key=key))
    if kind == "normal":
        return generator.standard_normal(shape, dtype=np.float32)
    return (40 * generator.triangular(0.0, 0.5, 1.0, shape) - 20).astype(np.float32)


def seeded(seed: int) -> Noise:
    """`draw` with a seed."""
    return lambda name, shape, kind: draw(seed, name, shape, kind)
