"""The order of the stages, and only that: 16 kHz samples in one voice → samples in another (docs/spec/00 §0.3, 06).

What every segment says is heard first, then every segment is spoken, so that HuBERT and the synthesizer need not be in
memory together. Draws have names, so this order changes no bit.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from rvc.audio import output, preparation, segments
from rvc.audio.segments import Span
from rvc.config import Config
from rvc.content import alignment, features
from rvc.errors import BadInput, RvcError
from rvc.f0 import postprocessing
from rvc.noise import Heard, NoiseSource
from rvc.pipeline.timing import Stopwatch
from rvc.pipeline.voice_networks import Parts
from rvc.retrieval import search as retrieval

Samples = npt.NDArray[np.float32]


class Tap(Protocol):
    """Told the name and value of everything that a stage hands on; returns the value."""

    def __call__(self, name: str, value: Any) -> Any: ...


def unheard(name: str, value: Any) -> Any:
    """The tap of a conversion that nobody listens to."""
    return value


@dataclass(frozen=True)
class Pitch:
    """hz float32 (1, P) and coarse int64 (1, P), one frame every 10 ms of `padded`."""

    hz: Samples
    coarse: npt.NDArray[np.int64]

    def cut(self, frames: slice, count: int) -> Pitch:
        """The frames of one segment, and of those the first `count`."""
        return Pitch(self.hz[:, frames][:, :count], self.coarse[:, frames][:, :count])


@dataclass(frozen=True)
class Said:
    """What one segment says: HuBERT frames (1, n, C) after retrieval, and before it where `protect` asks for them."""

    blended: Samples
    unblended: Samples | None


SPOKEN = Said(np.zeros((1, 0, 0), np.float32), None)


def convert(
    raw: Samples,
    voice: Parts,
    config: Config,
    *,
    noise: NoiseSource,
    tap: Tap = unheard,
    watch: Stopwatch | None = None,
) -> tuple[npt.NDArray[np.int16], int]:
    """Say `raw` in another voice.

    raw     : float32 (N,) at 16 kHz, as decoded
    noise   : where every random number comes from
    tap     : told every value that the specification names; listening changes no bit of the result
    returns : `waveform.final` int16 (M',) and its rate in Hz
    raises  : BadInput for audio or options that cannot be used
    """
    waveform, rate = render(raw, voice, config, noise=noise, tap=tap, watch=watch)
    return tap("waveform.final", output.to_int16(waveform)), rate


def render(
    raw: Samples,
    voice: Parts,
    config: Config,
    *,
    noise: NoiseSource,
    tap: Tap = unheard,
    watch: Stopwatch | None = None,
) -> tuple[Samples, int]:
    """`convert` up to the waveform before it becomes integers: float32 (M',), not limited, and its rate in Hz."""
    watch = watch or Stopwatch()
    voice.check(config)
    noise = Heard(noise, tap) if tap is not unheard else noise
    with watch.stage("audio"):
        samples = tap("audio16k", preparation.guard_peak(tap("audio16k.raw", raw)))
        del raw  # what is no longer needed goes at once: a long recording is many megabytes
        highpassed = tap("highpassed", preparation.highpass(samples))
        del samples
        quiet, cuts = segments.cut_points(highpassed, config.window)
        if quiet is not None:
            tap("quiet.profile", quiet)
            del quiet
        pieces = segments.spans(len(highpassed), tap("segment.cuts", cuts), config.window)
        refuse_too_short(len(highpassed), pieces, config)
        heard = output.loudness(highpassed)
        padded = tap("padded", segments.pad(highpassed, config.window))
        del highpassed
    with watch.stage("f0"):
        track = find_pitch(padded, voice, config, noise, tap) if voice.f0 else None
    said = listen(padded, pieces, track, voice, config, tap, watch)
    del padded
    waveform = tap("waveform.concat", speak(said, pieces, track, voice, config, noise, tap, watch))
    with watch.stage("output"):
        if not (np.isfinite(waveform.max()) and np.isfinite(waveform.min())) and config.exact_hits == "finite":
            raise RvcError("the voice's waveform is not finite; its weights are damaged: inspect the voice file")
        if config.rms_mix_rate != 1:
            waveform = tap("waveform.rmsmixed", output.mix_loudness(waveform, heard, voice.rate, config.rms_mix_rate))
        if not config.resample_rate or config.resample_rate == voice.rate:
            return waveform, voice.rate
        waveform = output.resample(waveform, voice.rate, config.resample_rate)
        return tap("waveform.resampled", waveform), config.resample_rate


def find_pitch(padded: npt.NDArray[np.float64], voice: Parts, config: Config, noise: NoiseSource, tap: Tap) -> Pitch:
    """Pitch of the whole padded audio, cut to P = len(padded) // 160 frames."""
    frames = len(padded) // segments.FRAME
    raw = tap("f0.raw", voice.track(padded, config, noise))
    filled, hz, coarse = postprocessing.finish(raw, frames, config)
    if filled is not None:
        tap("f0.filled", filled)
    return Pitch(tap("f0.hz", hz), tap("f0.coarse", coarse))


def listen(
    padded: npt.NDArray[np.float64],
    pieces: list[Span],
    track: Pitch | None,
    voice: Parts,
    config: Config,
    tap: Tap,
    watch: Stopwatch,
) -> list[Said]:
    """What each piece of `padded` says, after retrieval."""
    said = []
    with ExitStack() as borrowed:
        with watch.stage("loading"):
            hubert = borrowed.enter_context(voice.borrow_hubert())
            index = borrowed.enter_context(voice.borrow_index(config))
        for i, piece in enumerate(pieces):
            samples = padded[piece.first : piece.last].astype(np.float32)[None]
            samples = tap(f"seg{i}.audio", samples)
            with watch.stage("features"):
                found = features.extract(torch.from_numpy(samples), hubert, voice.version)
                heard: Samples = tap(f"seg{i}.hubert.features", found.cpu().numpy())
            with watch.stage("retrieval"):
                blended = heard if index is None else retrieve(heard, index, config, tap, f"seg{i}")
            keep = track is not None and config.protect < alignment.PROTECT_OFF
            said.append(Said(blended, heard if keep else None))
            watch.progress(i + 1, 2 * len(pieces))
    return said


def retrieve(heard: Samples, index: retrieval.Index, config: Config, tap: Tap, segment: str) -> Samples:
    """`retrieval.blended` (1, n, C) from `hubert.features` (1, n, C)."""
    distances, ids = index.search(heard[0])
    tap(f"{segment}.retrieval.distances", distances)
    tap(f"{segment}.retrieval.ids", ids)
    shares = tap(f"{segment}.retrieval.weights", retrieval.weights(distances, config.exact_hits))
    mean = tap(f"{segment}.retrieval.mean", retrieval.mean(shares, ids, index))
    blended: Samples = tap(f"{segment}.retrieval.blended", retrieval.blend(heard, mean, config.index_rate, shares))
    return blended


def speak(
    said: list[Said],
    pieces: list[Span],
    track: Pitch | None,
    voice: Parts,
    config: Config,
    noise: NoiseSource,
    tap: Tap,
    watch: Stopwatch,
) -> Samples:
    """`waveform.concat`: float32 (M,), every segment spoken and its padding left out."""
    pad = config.window.pad_frames
    kept = [max(piece.content_frames - 2 * pad, 0) for piece in pieces]
    with ExitStack() as borrowed:
        with watch.stage("loading"):
            synthesizer = borrowed.enter_context(voice.borrow_synthesizer())
        waveform = np.empty(sum(kept) * synthesizer.upp, np.float32)
        done = 0
        for i, piece in enumerate(pieces):
            speaker = Segment(f"seg{i}", synthesizer, config, noise, tap)
            count = piece.content_frames
            pitch_here = track.cut(piece.frames, count) if track is not None else None
            with watch.stage("synthesizer"):
                z = speaker.latent(said[i], pitch_here, count)
                said[i] = SPOKEN  # no longer needed: let it go before the generator runs
                segment = speaker.wave(z, pitch_here, pad, pad + kept[i])
            waveform[done : done + len(segment)] = segment
            done += len(segment)
            watch.progress(len(pieces) + i + 1, 2 * len(pieces))
    return waveform


@dataclass(frozen=True)
class Segment:
    """The stages of one segment, under its name."""

    name: str
    synthesizer: Any
    config: Config
    noise: NoiseSource
    tap: Tap

    def latent(self, said: Said, track: Pitch | None, frames: int) -> torch.Tensor:
        """`flow.z`, float32 (1, inter, p), of the segment's p = `frames`."""
        synthesizer = self.synthesizer
        text = torch.from_numpy(self.content(said, track, frames))
        g = self.heard("spk.g", synthesizer.speaker(self.config.speaker))
        m, logs = synthesizer.encode(text, torch.from_numpy(track.coarse) if track else None)
        self.heard("enc_p.m", m)
        self.heard("enc_p.logs", logs)
        z_p = self.heard("z_p", synthesizer.prior(m, logs, self.draw("noise.z", tuple(m.shape))))
        z: torch.Tensor = self.heard("flow.z", synthesizer.flow(z_p, g))
        return z

    def wave(self, z: torch.Tensor, track: Pitch | None, first: int, last: int) -> Samples:
        """Frames first … last of what the latent z says: float32 ((last − first)·upp,)."""
        g = self.synthesizer.speaker(self.config.speaker)
        source = self.source(track, z.shape[2]) if track else None
        return self.generate(z, g, source, first, last)

    def content(self, said: Said, track: Pitch | None, frames: int) -> Samples:
        """`content.protected`, float32 (1, p, C)."""
        doubled = self.heard("content.upsampled", alignment.upsample(said.blended))[:, :frames]
        if track is not None and said.unblended is not None:
            plain = alignment.upsample(said.unblended)[:, :frames]
            doubled = alignment.protect(doubled, plain, track.hz, self.config.protect)
        protected: Samples = self.heard("content.protected", doubled)
        return protected

    def source(self, track: Pitch, frames: int) -> torch.Tensor:
        """`nsf.source`, (1, 1, p·upp)."""
        generation = self.config.profile.generation
        shape = (1, 1) if generation == "A" else (1, 1, 1)
        self.noise.draw(f"{self.name}.noise.phase", shape, "uniform")  # drawn by the originals, and of no effect
        drawn = self.draw("noise.nsf", (1, frames * self.synthesizer.upp, 1))
        sine, source = self.synthesizer.source(torch.from_numpy(track.hz), drawn, generation)
        self.heard("nsf.sine", sine)
        found: torch.Tensor = self.heard("nsf.source", source)
        return found

    def generate(self, z: torch.Tensor, g: torch.Tensor, source: torch.Tensor | None, first: int, last: int) -> Samples:
        """`waveform.segment`; the whole segment is generated only where someone listens."""
        upp = self.synthesizer.upp
        if self.tap is not unheard:
            full = self.heard("waveform.segment.full", self.synthesizer.generate(z, g, source))
            kept = full[first * upp : max(last, first) * upp]
        elif last > first:
            kept = self.synthesizer.generate(z, g, source, first, last)
        else:
            kept = torch.zeros(0)
        segment: Samples = self.heard("waveform.segment", kept).cpu().numpy()
        return segment

    def heard(self, name: str, value: Any) -> Any:
        return self.tap(f"{self.name}.{name}", value)

    def draw(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.from_numpy(self.noise.draw(f"{self.name}.{name}", shape))


def refuse_too_short(length: int, pieces: list[Span], config: Config) -> None:
    """Raises BadInput for audio so short that no frame of it is left once the padding is."""
    if all(piece.content_frames <= 2 * config.window.pad_frames for piece in pieces):
        raise BadInput(f"the audio is {length / preparation.RATE * 1000:.0f} ms long; expected 25 ms at least")
