"""The window of 16 kHz sound to its newest part in another voice: the order of the stages for one block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from rvc import features, retrieval
from rvc.nn.hubert import Hubert
from rvc.nn.synthesizer import heads, resize_frames, resize_source
from rvc.noise import NoiseSource
from rvc.profiles import Profile
from rvc.realtime.controls import Controls
from rvc.realtime.formant import Formant
from rvc.realtime.loudness import Samples
from rvc.realtime.pitch import Coarse, Hertz, PitchCache
from rvc.realtime.sizes import Sizes
from rvc.realtime.tap import Tap
from rvc.retrieval import Index

if TYPE_CHECKING:
    from rvc.voice import Voice

# (16 kHz window, samples in a block of it, method, semitones, draw) → coarse int64 (F,), Hz float32 (F,)
Track = Callable[[Samples, int, str, float, "Draw"], tuple[Coarse, Hertz]]
Draw = Callable[[str, tuple[int, ...], str], Samples]


@dataclass(frozen=True)
class Models:
    """What is loaded: replace the whole to change the voice between two blocks."""

    voice: Voice
    hubert: Hubert
    track: Track
    profile: Profile
    index: Index | None = None


class Converter:
    """Content, pitch and voice of one block; the pitch caches are its only memory."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.pitch = PitchCache()

    def reset(self) -> None:
        """Forget the pitch, as in a new object."""
        self.pitch.reset()

    @torch.inference_mode()
    def convert(
        self, at16k: Samples, models: Models, controls: Controls, noise: NoiseSource, number: int, tap: Tap
    ) -> torch.Tensor:
        """Convert one block.

        at16k   : float32 (window16,), left untouched
        number  : the block's, in the names of its draws
        returns : float32 (return_length · rate // 100,) at the voice's rate
        """
        formant = Formant.of(controls.formant, self.sizes.return_length, models.voice.rate)
        frames = len(at16k) // 160
        content = self._content(at16k, models, controls.index_rate, tap)[:, :frames]
        tap("content", content)
        coarse, hz = self._track(at16k, models, controls, formant, noise, number, frames, tap)
        return self._speak(content, coarse, hz, models, controls.speaker, formant, noise, number, tap)

    def _content(self, at16k: Samples, models: Models, rate: float, tap: Tap) -> torch.Tensor:
        """Features of the window, its last frame twice, its newer part retrieved, every frame doubled: (1, ≥p, C)."""
        heard = features.extract(torch.from_numpy(at16k)[None], models.hubert, models.voice.version)
        tap("hubert.features", heard)
        heard = torch.cat([heard, heard[:, -1:]], dim=1)
        if models.index is not None and rate != 0:
            first = self.sizes.skip_head // 2
            heard[0, first:] = torch.from_numpy(_retrieve(heard[0, first:].numpy(), models.index, rate, tap))
        return heard.repeat_interleave(2, dim=1)

    def _track(
        self, at16k: Samples, models: Models, controls: Controls, formant: Formant, noise: NoiseSource, number: int,
        frames: int, tap: Tap,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:  # fmt: skip
        """Coarse int64 (1, frames) and Hz float32 (1, frames) for the synthesizer; None for a voice without F0."""
        if not models.voice.f0:
            return None, None
        semitones = controls.transpose - controls.formant

        def draw(name: str, shape: tuple[int, ...], kind: str) -> Samples:
            return tap(name, noise.draw(f"rt.{number}.{name}", shape, kind))

        fresh = models.track(at16k, self.sizes.block16, controls.f0_method, semitones, draw)
        self.pitch.push(*fresh, self.sizes.block16 // 160)
        coarse = torch.from_numpy(self.pitch.coarse[None, -frames:])
        hz = torch.from_numpy(self.pitch.hz[None, -frames:] * np.float32(formant.ratio))
        return tap("f0.coarse", coarse), tap("f0.hz", hz)

    def _speak(
        self, content: torch.Tensor, coarse: torch.Tensor | None, hz: torch.Tensor | None, models: Models, speaker: int,
        formant: Formant, noise: NoiseSource, number: int, tap: Tap,
    ) -> torch.Tensor:  # fmt: skip
        """Content and pitch of the whole window to the samples of its heard part."""
        head, length = self.sizes.skip_head, formant.frames
        flow_head, dec_head = heads(head)
        net = models.voice.synthesizer
        g = net.speaker(speaker)
        m, logs = net.encode(content, coarse, flow_head)
        tap("enc_p.m", m), tap("enc_p.logs", logs)
        eps = tap("noise.z", noise.draw(f"rt.{number}.noise.z", tuple(m.shape)))
        z = tap("flow.z", net.flow(tap("z_p", net.prior(m, logs, torch.from_numpy(eps))), g))
        z = resize_frames(z[:, :, dec_head : dec_head + length], formant.made)
        source = None
        if hz is not None:
            eps = tap("noise.nsf", noise.draw(f"rt.{number}.noise.nsf", (1, length * net.upp, 1)))
            sine, source = net.source(hz[:, head : head + length], torch.from_numpy(eps), models.profile.generation)
            tap("nsf.sine", sine), tap("nsf.source", source)
            source = resize_source(source, formant.made * net.upp)
        raw = net.generate(z, g, source)
        tap("waveform.raw", raw[None])
        return tap("waveform.model", formant.play(raw))


def _retrieve(queries: Samples, index: Index, rate: float, tap: Tap) -> Samples:
    """Frames (n, C) moved towards the voice's own; left alone, all of them, when any lacks a neighbour."""
    distances, ids = index.search(queries)
    tap("retrieval.distances", distances), tap("retrieval.ids", ids)
    if (ids < 0).any():
        return queries
    shares = tap("retrieval.weights", retrieval.weights(distances))
    mean = tap("retrieval.mean", retrieval.mean(shares, ids, index))
    return tap("retrieval.blended", retrieval.blend(queries, mean, rate))[0]
