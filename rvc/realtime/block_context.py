"""The arguments of the stages of one block: the loaded models, the settings, the noise and the tap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rvc.f0.tracking import Draw
from rvc.noise import Kind, NoiseSource
from rvc.profiles import Profile
from rvc.realtime.controls import Controls
from rvc.realtime.dsp.formant import FormantShift
from rvc.realtime.dsp.loudness import Samples
from rvc.realtime.f0_cache import Coarse, Hertz
from rvc.realtime.tap import Tap
from rvc.retrieval.search import ExactHits, Index

if TYPE_CHECKING:
    from torch import Tensor

    from rvc.nn.hubert import Hubert
    from rvc.voices.voice import Voice

# (16 kHz window, samples of it in one block, F0 method, semitones, draw) → F0 bins int64 (F,), Hz float32 (F,)
F0Tracker = Callable[[Samples, int, str, float, Draw], tuple[Coarse, Hertz]]
# (content float32 (1, p, C), F0 bins and Hz (1, p) each or None, formant shift, skip_head, context) → waveform (M,)
BlockSynthesizer = Callable[
    ["Tensor", "tuple[Tensor, Tensor] | None", FormantShift, int, "BlockContext"],
    "Tensor",
]


@dataclass(frozen=True)
class Models:
    """Everything that is loaded for a stream. Assign another object to `Stream.models` to change the voice.

    Attributes:
        voice: the voice, its synthesizer built.
        hubert: the content encoder.
        track: the F0 tracker of the profile.
        profile: the original that the stream reproduces.
        index: the retrieval index, None for no retrieval.
        exact_hits: the weight of an index vector at distance 0, "finite" or the original's "nan".
        synthesize: computes a block's waveform in place of the voice's own synthesizer; None uses the voice's own.
    """

    voice: Voice
    hubert: Hubert
    track: F0Tracker
    profile: Profile
    index: Index | None = None
    exact_hits: ExactHits = "finite"
    synthesize: BlockSynthesizer | None = None


@dataclass(frozen=True)
class BlockContext:
    """One block's number, models, settings, noise and tap.

    Attributes:
        number: 0 for the stream's first block.
        models: the loaded models.
        controls: the settings that hold for this block.
        noise: the source of random numbers; the stream draws under the names `rt.{number}.…`.
        tap: receives each tensor under its name without the prefix `rt.{number}.`.
    """

    number: int
    models: Models
    controls: Controls
    noise: NoiseSource
    tap: Tap

    def draw(self, name: str, shape: tuple[int, ...], kind: str = "normal") -> Samples:
        """Draw the noise `rt.{number}.{name}`, float32 of `shape`, and pass it to the tap."""
        drawn = self.noise.draw(f"rt.{self.number}.{name}", shape, cast(Kind, kind))
        self.tap(name, drawn)
        return drawn
