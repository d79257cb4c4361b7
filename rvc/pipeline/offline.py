"""The order of the stages of a conversion: 16 kHz samples of one voice → samples of another (docs/spec/00 §0.3, 06).

The content features of all segments are extracted first, then all segments are synthesized, so that HuBERT and the
synthesizer need not be in memory together. Random draws are addressed by name, so this order changes no bit.

Shapes: C channels of the content features, n frames of 20 ms, p frames of 10 ms, `inter` channels of the latent, and
`upp` output samples in 10 ms.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from rvc.audio import output, preparation, segments
from rvc.audio.segments import Span
from rvc.config import Config
from rvc.content import alignment, features
from rvc.errors import BadInput
from rvc.f0 import postprocessing
from rvc.noise import NoiseSource, TappedNoise
from rvc.pipeline.conversion_networks import ConversionNetworks
from rvc.pipeline.timing import Stopwatch
from rvc.retrieval import search as retrieval
from rvc.scratch import ScratchArrays, StoredArray, in_memory, new_signal, release
from rvc.trace import Tap, no_tap
from rvc.weights.memory import trim_heap

if TYPE_CHECKING:
    from rvc.nn.synthesizer import Synthesizer

Samples = npt.NDArray[np.float32]

__all__ = ["Tap", "convert", "no_tap", "render"]


@dataclass(frozen=True)
class Pitch:
    """The F0 of the whole file, one frame every 10 ms of `padded`.

    Attributes:
        hz: float32 (1, P), Hz; 0 where unvoiced, unless the profile fills those frames.
        coarse: int64 (1, P), the F0 bin, 1 … 255.
    """

    hz: Samples
    coarse: npt.NDArray[np.int64]

    def cut(self, frames: slice, count: int) -> Pitch:
        """The frames of one segment, at most the first `count` of them."""
        return Pitch(self.hz[:, frames][:, :count], self.coarse[:, frames][:, :count])


@dataclass(frozen=True)
class SegmentContent:
    """The content features of one segment.

    Attributes:
        blended: float32 (1, n, C), after retrieval.
        unblended: float32 (1, n, C), before retrieval; None where `protect` has no effect.
    """

    blended: Samples
    unblended: Samples | None

    def load(self) -> SegmentContent:
        """Return the features."""
        return self


@dataclass(frozen=True)
class StoredContent:
    """The content features of one segment until it is synthesized; those of a long recording are in a file."""

    blended: StoredArray
    unblended: StoredArray | None

    def load(self) -> SegmentContent:
        """The features, with the same bits."""
        return SegmentContent(self.blended.load(), self.unblended.load() if self.unblended is not None else None)


Content = SegmentContent | StoredContent
RELEASED = SegmentContent(np.zeros((1, 0, 0), np.float32), None)  # replaces content that is no longer needed


def convert(
    raw: Samples,
    voice: ConversionNetworks,
    config: Config,
    *,
    noise: NoiseSource,
    tap: Tap = no_tap,
    watch: Stopwatch | None = None,
) -> tuple[npt.NDArray[np.int16], int]:
    """Convert a recording to another voice.

    Args:
        raw: float32 (N,) at 16 kHz, as decoded.
        voice: the voice and the networks of its stages.
        config: the options of this conversion.
        noise: the source of every random number.
        tap: called with the name and value of every tensor that docs/spec/00 §0.3 names; it changes no bit of the
            result.
        watch: measures the seconds of each stage and reports progress.
    Returns:
        `waveform.final`, int16 (M',), and its rate in Hz.
    Raises:
        BadInput: the audio or an option cannot be used.
        RvcError: the waveform is not finite.
    """
    waveform, rate = render(raw, voice, config, noise=noise, tap=tap, watch=watch)
    return in_memory(tap("waveform.final", output.to_int16(waveform))), rate


def render(
    raw: Samples,
    voice: ConversionNetworks,
    config: Config,
    *,
    noise: NoiseSource,
    tap: Tap = no_tap,
    watch: Stopwatch | None = None,
) -> tuple[Samples, int]:
    """`convert` without the final conversion to integers.

    Args:
        raw, voice, config, noise, tap, watch: as in `convert`.
    Returns:
        The waveform, float32 (M',), without peak limit, and its rate in Hz; a long one is in a temporary file.
    Raises:
        BadInput: the audio or an option cannot be used.
        RvcError: the waveform is not finite.
    """
    watch = watch or Stopwatch()
    voice.check(config)
    noise = TappedNoise(noise, tap) if tap is not no_tap else noise
    with watch.stage("audio"):
        samples = tap("audio16k", preparation.guard_peak(tap("audio16k.raw", raw)))
        del raw  # each array is released after its last use, because a long recording takes hundreds of MiB
        highpassed = tap("highpassed", preparation.highpass(samples))
        del samples
        if tap is no_tap:
            cuts = segments.cut_points_without_profile(highpassed, config.window)
        else:
            profile, cuts = segments.cut_points(highpassed, config.window)
            if profile is not None:
                tap("quiet.profile", profile)
            del profile
        spans = segments.spans(len(highpassed), tap("segment.cuts", cuts), config.window)
        refuse_too_short(len(highpassed), spans, config)
        input_loudness = output.loudness(highpassed)
        padded = tap("padded", segments.pad(highpassed, config.window))
        del highpassed
    # Networks that are not kept pack most of their weights again for each segment.
    longest = max(span.last - span.first for span in spans) / preparation.RATE
    with voice.packed_for(longest):
        with watch.stage("f0"):
            pitch = track_f0(padded, voice, config, noise, tap) if voice.f0 else None
        release(padded)
        contents = extract_content(padded, spans, pitch, voice, config, tap, watch)
        del padded
        waveform = tap("waveform.concat", synthesize(contents, spans, pitch, voice, config, noise, tap, watch))
    with watch.stage("output"):
        # With exact_hits "nan" the retrieval may return NaN as the originals do, which is no sign of damaged weights.
        if config.exact_hits == "finite":
            output.refuse_nonfinite(waveform)
        if config.rms_mix_rate != 1:
            mixed = output.mix_loudness(waveform, input_loudness, voice.rate, config.rms_mix_rate)
            waveform = tap("waveform.rmsmixed", mixed)
        if not config.resample_rate or config.resample_rate == voice.rate:
            return waveform, voice.rate
        waveform = output.resample(waveform, voice.rate, config.resample_rate)
        return tap("waveform.resampled", waveform), config.resample_rate


def track_f0(
    padded: npt.NDArray[np.float64], voice: ConversionNetworks, config: Config, noise: NoiseSource, tap: Tap
) -> Pitch:
    """Track and post-process the F0 of the whole file, cut to P = len(padded) // 160 frames.

    Args:
        padded: float64 (L,) at 16 kHz.
        voice, config, noise, tap: as in `convert`.
    Raises:
        BadInput: the sound is too short for the method, or the F0 file cannot be read.
    """
    frames = len(padded) // segments.FRAME
    raw = tap("f0.raw", voice.track(padded, config, noise))
    filled, hz, coarse = postprocessing.finish(raw, frames, config)
    if filled is not None:
        tap("f0.filled", filled)
    return Pitch(tap("f0.hz", hz), tap("f0.coarse", coarse))


def extract_content(
    padded: npt.NDArray[np.float64],
    spans: list[Span],
    pitch: Pitch | None,
    voice: ConversionNetworks,
    config: Config,
    tap: Tap,
    watch: Stopwatch,
) -> list[Content]:
    """Extract the content features of each segment of `padded` and blend them with the retrieved ones.

    Args:
        padded: float64 (L,) at 16 kHz.
        spans: the segments, in time order.
        pitch: None for a voice without F0, which has no `protect`.
        voice, config, tap, watch: as in `convert`.
    """
    contents: list[Content] = []
    scratch = ScratchArrays()
    with ExitStack() as borrowed:
        with watch.stage("loading"):
            hubert = borrowed.enter_context(voice.borrow_hubert())
            index = borrowed.enter_context(voice.borrow_index(config))
        for i, span in enumerate(spans):
            if i:
                trim_heap()  # the memory that the segment before has left in pieces of other sizes
            samples = padded[span.first : span.last].astype(np.float32)[None]
            release(padded)
            samples = tap(f"seg{i}.audio", samples)
            with watch.stage("features"):
                extracted = features.extract(torch.from_numpy(samples), hubert, voice.version)
                unblended: Samples = tap(f"seg{i}.hubert.features", extracted.cpu().numpy())
            with watch.stage("retrieval"):
                blended = unblended if index is None else retrieve(unblended, index, config, tap, f"seg{i}")
            is_protected = pitch is not None and config.protect < alignment.PROTECT_OFF
            contents.append(StoredContent(scratch.put(blended), scratch.put(unblended) if is_protected else None))
            watch.progress(i + 1, 2 * len(spans))
    return contents


def retrieve(content: Samples, index: retrieval.Index, config: Config, tap: Tap, segment: str) -> Samples:
    """`retrieval.blended`: float32 (1, n, C), the content features (1, n, C) blended with their retrieved neighbors.

    Args:
        content: `hubert.features`, float32 (1, n, C).
        index: the voice's index, of width C.
        config: `index_rate` and `exact_hits` are read from it.
        tap: as in `convert`.
        segment: the prefix of the tensors' names, such as "seg0".
    """
    distances, ids = index.search(content[0])
    tap(f"{segment}.retrieval.distances", distances)
    tap(f"{segment}.retrieval.ids", ids)
    weights = tap(f"{segment}.retrieval.weights", retrieval.weights(distances, config.exact_hits))
    mean = tap(f"{segment}.retrieval.mean", retrieval.mean(weights, ids, index))
    return tap(f"{segment}.retrieval.blended", retrieval.blend(content, mean, config.index_rate, weights))


def synthesize(
    contents: list[Content],
    spans: list[Span],
    pitch: Pitch | None,
    voice: ConversionNetworks,
    config: Config,
    noise: NoiseSource,
    tap: Tap,
    watch: Stopwatch,
) -> Samples:
    """`waveform.concat`: float32 (M,), every segment synthesized, without its padding, and joined in time order.

    Args:
        contents: one per segment; each entry is replaced by `RELEASED` once it has been used.
        spans: the segments, in time order.
        pitch: None for a voice without F0.
        voice, config, noise, tap, watch: as in `convert`.
    """
    pad = config.window.pad_frames
    kept = [max(span.content_frames - 2 * pad, 0) for span in spans]
    with ExitStack() as borrowed:
        with watch.stage("loading"):
            synthesizer = borrowed.enter_context(voice.borrow_synthesizer())
        waveform: Samples = new_signal(sum(kept) * synthesizer.upp, np.float32)
        done = 0
        for i, span in enumerate(spans):
            if i:
                trim_heap()
            segment = (voice.segment_class or Segment)(f"seg{i}", synthesizer, config, noise, tap)
            count = span.content_frames
            segment_pitch = pitch.cut(span.frames, count) if pitch is not None else None
            with watch.stage("synthesizer"):
                z = segment.latent(contents[i].load(), segment_pitch, count)
                contents[i] = RELEASED  # frees the features before the generator runs
                samples = segment.wave(z, segment_pitch, pad, pad + kept[i])
            waveform[done : done + len(samples)] = samples
            release(waveform)
            done += len(samples)
            watch.progress(len(spans) + i + 1, 2 * len(spans))
    return waveform


@dataclass(frozen=True)
class Segment:
    """The stages from content features to samples, for the segment of this name."""

    name: str
    synthesizer: Synthesizer
    config: Config
    noise: NoiseSource
    tap: Tap

    def latent(self, content: SegmentContent, pitch: Pitch | None, frames: int) -> torch.Tensor:
        """`flow.z`: float32 (1, inter, p), where p = `frames`."""
        synthesizer = self.synthesizer
        phone = torch.from_numpy(self.content(content, pitch, frames))
        g = self.record("spk.g", synthesizer.speaker(self.config.speaker))
        m, logs = synthesizer.encode(phone, torch.from_numpy(pitch.coarse) if pitch else None)
        self.record("enc_p.m", m)
        self.record("enc_p.logs", logs)
        z_p = self.record("z_p", synthesizer.prior(m, logs, self.draw("noise.z", tuple(m.shape))))
        z: torch.Tensor = self.record("flow.z", synthesizer.flow(z_p, g))
        return z

    def wave(self, z: torch.Tensor, pitch: Pitch | None, first: int, last: int) -> Samples:
        """Synthesize frames first … last of the latent `z`: float32 ((last - first)·upp,)."""
        g = self.synthesizer.speaker(self.config.speaker)
        source = self.source(pitch, z.shape[2]) if pitch else None
        return self.generate(z, g, source, first, last)

    def content(self, content: SegmentContent, pitch: Pitch | None, frames: int) -> Samples:
        """`content.protected`: float32 (1, p, C), one frame every 10 ms, where p = `frames`."""
        doubled = self.record("content.upsampled", alignment.upsample(content.blended))[:, :frames]
        if pitch is not None and content.unblended is not None:
            unblended = alignment.upsample(content.unblended)[:, :frames]
            doubled = alignment.protect(doubled, unblended, pitch.hz, self.config.protect)
        protected: Samples = self.record("content.protected", doubled)
        return protected

    def source(self, pitch: Pitch, frames: int) -> torch.Tensor:
        """`nsf.source`: float32 (1, 1, p·upp), where p = `frames`."""
        # "A" and "B" are two versions of the sine generator (D16 in docs/divergences.md).
        generation = self.config.profile.generation
        shape = (1, 1) if generation == "A" else (1, 1, 1)
        # The originals draw this start phase and then overwrite it with 0, so it has no effect (docs/spec/00 §0.5).
        self.noise.draw(f"{self.name}.noise.phase", shape, "uniform")
        drawn = self.draw("noise.nsf", (1, frames * self.synthesizer.upp, 1))
        sine, source = self.synthesizer.source(torch.from_numpy(pitch.hz), drawn, generation)
        self.record("nsf.sine", sine)
        recorded: torch.Tensor = self.record("nsf.source", source)
        return recorded

    def generate(self, z: torch.Tensor, g: torch.Tensor, source: torch.Tensor | None, first: int, last: int) -> Samples:
        """`waveform.segment`: float32 ((last - first)·upp,).

        The frames outside first … last are generated only where a tap records `waveform.segment.full`.
        """
        upp = self.synthesizer.upp
        if self.tap is not no_tap:
            full = self.record("waveform.segment.full", self.synthesizer.generate(z, g, source))
            kept = full[first * upp : max(last, first) * upp]
        elif last > first:
            kept = self.synthesizer.generate(z, g, source, first, last)
        else:
            kept = torch.zeros(0)
        segment: Samples = self.record("waveform.segment", kept).cpu().numpy()
        return segment

    def record(self, name: str, value: Any) -> Any:
        """Pass a tensor of this segment to the tap, under its full name."""
        return self.tap(f"{self.name}.{name}", value)

    def draw(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        """Standard normal noise of this segment: float32 of that shape."""
        return torch.from_numpy(self.noise.draw(f"{self.name}.{name}", shape))


def refuse_too_short(length: int, spans: list[Span], config: Config) -> None:
    """Refuse audio so short that no frame is left once the padding is removed.

    Args:
        length: samples at 16 kHz.
        spans: the segments.
        config: the padding is read from it.
    Raises:
        BadInput: no segment is longer than its padding.
    """
    if all(span.content_frames <= 2 * config.window.pad_frames for span in spans):
        raise BadInput(f"the audio is {length / preparation.RATE * 1000:.4g} ms long; expected 25 ms at least")
