"""One block's circumstances: what is loaded, how the sliders stand, where its noise comes from, who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rvc.f0.block_tracking import Draw
from rvc.noise import Kind, NoiseSource
from rvc.profiles import Profile
from rvc.realtime.controls import Controls
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.f0_cache import Coarse, Hertz
from rvc.realtime.tap import Tap
from rvc.retrieval.search import ExactHits, Index

if TYPE_CHECKING:
    from rvc.nn.hubert import Hubert
    from rvc.voices.voice import Voice

# (16 kHz window, samples of it in a block, method, semitones, draw) → coarse int64 (F,), Hz float32 (F,)
Track = Callable[[Samples, int, str, float, Draw], tuple[Coarse, Hertz]]


@dataclass(frozen=True)
class Models:
    """What is loaded: replace the whole to change the voice between two blocks."""

    voice: Voice
    hubert: Hubert
    track: Track
    profile: Profile
    index: Index | None = None
    exact_hits: ExactHits = "finite"


@dataclass(frozen=True)
class Turn:
    """The block `number`; `tap` is told names without the prefix `rt.{number}.`."""

    number: int
    models: Models
    controls: Controls
    noise: NoiseSource
    tap: Tap

    def draw(self, name: str, shape: tuple[int, ...], kind: str = "normal") -> Samples:
        """This block's draw of that name, float32."""
        drawn = self.noise.draw(f"rt.{self.number}.{name}", shape, cast(Kind, kind))
        self.tap(name, drawn)
        return drawn
