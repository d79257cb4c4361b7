"""The conversion of a recording: its options, and the order of its stages (docs/spec/06)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx import f0 as pitch
from rvc_onnx import retrieval, signal
from rvc_onnx.errors import OnnxVoiceError
from rvc_onnx.folder import SYNTHESIZER, Folder
from rvc_onnx.profiles import PROFILES, Noise, Record
from rvc_onnx.signal import Samples, Window


@dataclass(frozen=True)
class Options:
    """The options of a conversion; None takes the profile's.

    Attributes:
        profile: the original to reproduce; None takes the folder's.
        f0_method: a graph of the folder, or pm or harvest.
        transpose: semitones.
        index_rate: 0 keeps the content features, 1 replaces them with the retrieved ones.
        protect: 0 keeps unvoiced frames from retrieval, 0.5 and more is off.
        rms_mix_rate: 1 keeps the voice's loudness, 0 takes the input's.
        filter_radius: harvest only; above 2, a median of three frames.
        resample_rate: Hz; 0 keeps the voice's rate.
        speaker: 0 is the first.
        seed: the seed of every random number.
        window: how a long recording is cut.
        f0_curve: float32 (K, 2), seconds and Hz, which replaces the tracked F0.
    """

    profile: str | None = None
    f0_method: str | None = None
    transpose: int = 0
    index_rate: float | None = None
    protect: float | None = None
    rms_mix_rate: float | None = None
    filter_radius: int = 3
    resample_rate: int = 0
    speaker: int = 0
    seed: int = 0
    window: Window = field(default_factory=Window)
    f0_curve: npt.NDArray[np.float32] | None = None


class Conversion:
    """One conversion; each method is one stage or a few.

    Attributes:
        seconds: what f0, features (with retrieval) and synthesizer took, opening their graphs included.
    """

    def __init__(self, voice: Folder, options: Options, record: Record, noise: Noise) -> None:
        """Check the options.

        Raises:
            OnnxVoiceError: an option is unknown or out of range, or the folder lacks the F0 method or the speaker.
        """
        self.voice, self.options, self.record, self.noise = voice, options, record, noise
        self.constants: dict[str, Any] = voice.facts["constants"]
        self.rate = int(voice.facts["rate"])
        self.seconds = dict.fromkeys(("f0", "features", "synthesizer"), 0.0)
        name = options.profile or str(voice.facts["profile"])
        if name not in PROFILES:
            raise OnnxVoiceError(f"there is no profile {name!r}; choose one of {', '.join(PROFILES)}")
        self.profile = PROFILES[name]
        self.method = options.f0_method or self.profile.f0_method
        voice.check_choice(self.method, options.speaker)
        self.index_rate, self.mix, self.protect = (
            self._share(option) for option in ("index_rate", "rms_mix_rate", "protect")
        )

    def _share(self, name: str) -> float:
        """An option from 0 to 1, or the profile's default."""
        value = getattr(self.options, name)
        share = float(getattr(self.profile, name) if value is None else value)
        if not 0 <= share <= 1:
            raise OnnxVoiceError(f"{name} is {value}; expected 0 to 1")
        return share

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds of a stage to `seconds`."""
        start = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - start

    def run(self, raw: Samples) -> tuple[npt.NDArray[np.int16], int]:
        """Run all stages in order.

        Args:
            raw: float32 (samples,) at 16 kHz, mono.
        Returns:
            int16 (samples,) and its rate in Hz.
        Raises:
            OnnxVoiceError: the sound is too short or not finite, or a graph cannot compute it.
        """
        record, window = self.record, self.options.window
        if len(raw) <= 400:
            raise OnnxVoiceError(f"the sound is {len(raw) / 16:.0f} ms long; expected more than 25 ms")
        if not np.isfinite(raw).all():
            raise OnnxVoiceError("the sound holds values that are not finite; repair it")
        samples = record("audio16k", signal.guard_peak(record("audio16k.raw", raw), self.constants["input_peak"]))
        highpassed = record("highpassed", signal.highpass(samples, self.constants["highpass"]))
        del raw, samples  # long recordings take 4 bytes for each sample
        profile, cuts = signal.cut_points(highpassed, window)
        if profile is not None:
            record("quiet.profile", profile)
        del profile  # as long as the recording
        parts = signal.spans(len(highpassed), record("segment.cuts", cuts), window)
        padded = record("padded", np.pad(highpassed, window.samples("pad"), mode="reflect"))
        highpassed = padded[window.samples("pad") :][: len(highpassed)]  # the same samples, held once
        with self.timed("f0"):
            track = self.track(padded) if self.voice.facts["f0"] else None
        pieces = [self.segment(f"seg{i}", padded, span, track) for i, span in enumerate(parts)]
        waveform = record("waveform.concat", signal.joined(pieces))
        signal.refuse_nonfinite(waveform)
        rate = self.rate
        if self.mix != 1:
            floor = self.constants["loudness"]["floor"]
            mixed = signal.mix_loudness(waveform, highpassed, rate, self.mix, floor)
            waveform = record("waveform.rmsmixed", mixed)
        if self.options.resample_rate and self.options.resample_rate != rate:
            waveform = signal.resample(waveform, rate, self.options.resample_rate)
            rate = self.options.resample_rate
            record("waveform.resampled", waveform)
        return record("waveform.final", signal.to_int16(waveform, self.constants["output_peak"])), rate

    def track(self, padded: signal.Signal) -> tuple[Samples, npt.NDArray[np.int64]]:
        """`f0.hz` float32 (1, P) and `f0.coarse` int64 (1, P) of the whole file."""
        frames = len(padded) // signal.FRAME
        raw = self.record("f0.raw", self.raw_f0(padded))
        if self.profile.fills_unvoiced:
            raw = self.record("f0.filled", pitch.fill_unvoiced(raw))
        return self.finish_f0(raw, frames)

    def raw_f0(self, padded: signal.Signal) -> pitch.Track:
        """`f0.raw`, Hz, 0 where unvoiced."""
        if self.method == "pm":
            return pitch.pm(padded)
        if self.method == "harvest":
            return pitch.harvest(padded, self.options.filter_radius)
        return self.voice.graph_f0(self.method, padded, lambda frames: self.noise("noise.crepe", (frames,), "dither"))

    def finish_f0(self, raw: pitch.Track, frames: int) -> tuple[Samples, npt.NDArray[np.int64]]:
        """Transpose F0, insert the F0 curve, and compute the bins.

        Args:
            raw: float (≥ frames,), Hz, 0 where unvoiced.
            frames: the number of frames to return.
        Returns:
            f0.hz, float32 (1, frames), and f0.coarse, int64 (1, frames).
        """
        track = pitch.transpose(raw, self.options.transpose)
        if self.options.f0_curve is not None:
            track = pitch.overlay_curve(track, self.options.f0_curve, round(self.options.window.pad * 100))
        bins = self.constants["f0_bins"]
        hz = self.record("f0.hz", track.astype(np.float32)[:frames][None])
        coarse = pitch.quantize(track, bins["lowest_hz"], bins["highest_hz"], bins["count"])[:frames][None]
        return hz, self.record("f0.coarse", coarse)

    def segment(
        self,
        name: str,
        padded: signal.Signal,
        span: signal.Span,
        track: tuple[Samples, npt.NDArray[np.int64]] | None,
    ) -> Samples:
        """Convert one segment; returns `waveform.segment`, float32 (samples,), without the padding.

        Args:
            name: the segment's prefix, such as "seg0".
            padded: float (samples,), the padded signal of the whole recording at 16 kHz.
            span: the segment's part of `padded`, and its frames of F0.
            track: f0.hz and f0.coarse of the recording, (1, frames) each; None for a voice without F0.
        """
        audio = self.record(f"{name}.audio", padded[span.first : span.last].astype(np.float32)[None])
        count = span.content_frames
        own = None if track is None else (track[0][:, span.frames][:, :count], track[1][:, span.frames][:, :count])
        with self.timed("features"):
            content = self.content(name, audio, own, count)
        with self.timed("synthesizer"):
            waveform = self.synthesize(name, content, own)
        pad, hop = self.options.window.pad_frames, int(self.voice.facts["hop"])
        kept = waveform[pad * hop : (pad + max(count - 2 * pad, 0)) * hop]
        return np.asarray(self.record(f"{name}.waveform.segment", kept))

    def content(
        self, name: str, audio: Samples, own: tuple[Samples, npt.NDArray[np.int64]] | None, count: int
    ) -> Samples:
        """`content.protected`: float32 (1, p, C)."""
        features = blended = self.record(f"{name}.hubert.features", self.voice.features(audio))
        index = self.voice.index if self.index_rate != 0 else None
        if index is not None:
            distances, ids = index.search(features[0])
            self.record(f"{name}.retrieval.distances", distances)
            self.record(f"{name}.retrieval.ids", ids)
            shares = self.record(f"{name}.retrieval.weights", retrieval.weights(distances))
            mean = self.record(f"{name}.retrieval.mean", retrieval.mean(shares, ids, index))
            blended = retrieval.blend(features, mean, self.index_rate, shares)
            self.record(f"{name}.retrieval.blended", blended)
        doubled = self.record(f"{name}.content.upsampled", np.repeat(blended, 2, axis=1))[:, :count]
        if own is not None and self.protect < self.constants["protect_off"]:
            share = own[0].copy()
            share[own[0] > 0] = 1
            share[own[0] < 1] = self.protect
            original = np.repeat(features, 2, axis=1)[:, :count]
            doubled = doubled * share[..., None] + original * (1 - share[..., None])
        return np.asarray(self.record(f"{name}.content.protected", np.ascontiguousarray(doubled)))

    def synthesize(self, name: str, content: Samples, own: tuple[Samples, npt.NDArray[np.int64]] | None) -> Samples:
        """`waveform.segment.full`: float32 (p·upp,)."""
        frames, facts = content.shape[1], self.voice.facts
        inputs: dict[str, Any] = {"content": content, "speaker": np.array([self.options.speaker], np.int64)}
        inputs["noise_z"] = self.noise(f"{name}.noise.z", (1, int(facts["latent_channels"]), frames), "normal")
        if own is not None:
            inputs |= {"hz": own[0], "coarse": own[1]}
            shape = (1, frames * int(facts["hop"]), 1)
            inputs["noise_source"] = self.noise(f"{name}.noise.nsf", shape, "normal")
        outputs = self.voice.run(SYNTHESIZER, inputs)
        waveform = self.voice.output(SYNTHESIZER, "waveform", (1, frames * int(facts["hop"])), outputs)[0]
        for port, value in outputs.items():
            if port != "waveform":
                self.record(f"{name}.{port}", value)
        return np.asarray(self.record(f"{name}.waveform.segment.full", waveform))
