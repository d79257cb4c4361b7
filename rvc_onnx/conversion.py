"""An exported voice: opening the folder, and the order of the stages of a conversion (docs/spec/06)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx import f0 as pitch
from rvc_onnx import retrieval, signal
from rvc_onnx.errors import OnnxVoiceError
from rvc_onnx.files import read_safetensors
from rvc_onnx.signal import Samples, Window

FORMAT = "rvc-onnx-voice/1"
# Profile → whether unvoiced frames are filled, and the defaults of F0 method, index rate, loudness mix and protect.
PROFILES: dict[str, tuple[bool, str, float, float, float]] = {
    "webui-2026": (True, "rmvpe", 0.75, 0.25, 0.33),
    "webui-classic": (False, "rmvpe", 0.75, 0.25, 0.33),
    "rvc-python": (False, "harvest", 0.5, 1.0, 0.33),
}

Record = Callable[[str, Any], Any]


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
        seed: of every random number.
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


def draw(seed: int, name: str, shape: tuple[int, ...], kind: str = "normal") -> Samples:
    """Random numbers of one name; the same seed and name give the same numbers as `rvc`'s."""
    key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], "little")
    generator = np.random.Generator(np.random.Philox(key=key))
    if kind == "normal":
        return generator.standard_normal(shape, dtype=np.float32)
    return (40 * generator.triangular(0.0, 0.5, 1.0, shape) - 20).astype(np.float32)


def open_voice(folder: str | Path, threads: int = 0) -> Voice:
    """Open an exported folder; graphs are opened when first needed.

    Args:
        folder: what `rvc export --format onnx` wrote.
        threads: processor threads of each graph; 0 takes ONNX Runtime's default.
    Raises:
        OnnxVoiceError: the folder is not complete or of another format.
    """
    folder = Path(folder)
    try:
        facts = json.loads((folder / "voice.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OnnxVoiceError(
            f"{folder} is no exported voice (its voice.json: {error}); write one with rvc export --format onnx"
        ) from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise OnnxVoiceError(f"{folder}/voice.json is not of the format {FORMAT}; export the voice again")
    missing = [name for name in facts.get("files", {}) if not (folder / name).is_file()]
    if missing:
        raise OnnxVoiceError(f"{folder} lacks {missing[0]}, which its voice.json names; export the voice again")
    return Voice(folder, facts, threads)


class Voice:
    """An opened folder."""

    def __init__(self, folder: Path, facts: dict[str, Any], threads: int) -> None:
        self.folder, self.facts, self.threads = folder, facts, threads
        self._sessions: dict[str, Any] = {}
        self._index: retrieval.Index | None = None

    def session(self, name: str) -> Any:
        """The ONNX Runtime session of a file.  Raises OnnxVoiceError for a damaged file."""
        if name not in self._sessions:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads
            options.log_severity_level = 4
            options.enable_mem_pattern = False
            options.enable_cpu_mem_arena = False
            try:
                session = onnxruntime.InferenceSession(str(self.folder / name), options)
            except Exception as error:  # a class of its own for each kind of damage
                raise OnnxVoiceError(f"{self.folder / name} cannot be opened ({str(error)[:160]})") from None
            self._sessions[name] = session
        return self._sessions[name]

    @property
    def index(self) -> retrieval.Index | None:
        """The index, or None where the folder has none."""
        if self._index is None and self.facts["retrieval"]:
            arrays = read_safetensors(self.folder / "retrieval.safetensors")
            self._index = retrieval.Index(arrays, self.facts["retrieval"])
        return self._index

    def resolve(self, options: Options) -> tuple[str, str, float, float, float]:
        """Profile, F0 method, index rate, loudness mix and protect of a conversion.

        Raises:
            OnnxVoiceError: an option is unknown or out of range, or the folder lacks the F0 method.
        """
        profile = options.profile or str(self.facts["profile"])
        if profile not in PROFILES:
            raise OnnxVoiceError(f"there is no profile {profile!r}; choose one of {', '.join(PROFILES)}")
        _, method, index_rate, mix, protect = PROFILES[profile]
        method = options.f0_method or method
        known = [*self.facts["f0_methods"], *pitch.LIBRARIES]
        if self.facts["f0"] and method not in known:
            raise OnnxVoiceError(f"{self.folder} has no F0 method {method}; choose one of {', '.join(known)}")
        if not 0 <= options.speaker < int(self.facts["speakers"]):
            raise OnnxVoiceError(f"speaker is {options.speaker}; the voice has {self.facts['speakers']}, from 0")
        chosen = {"index_rate": index_rate, "rms_mix_rate": mix, "protect": protect}
        for name, default in chosen.items():
            value = getattr(options, name)
            chosen[name] = default if value is None else float(value)
            if not 0 <= chosen[name] <= 1:
                raise OnnxVoiceError(f"{name} is {value}; expected 0 to 1")
        return profile, method, chosen["index_rate"], chosen["rms_mix_rate"], chosen["protect"]

    def convert(
        self,
        raw: Samples,
        options: Options | None = None,
        *,
        record: Record = lambda name, value: value,
        noise: Callable[[str, tuple[int, ...], str], Samples] | None = None,
        **changes: Any,
    ) -> tuple[npt.NDArray[np.int16], int]:
        """Convert a recording.

        Args:
            raw: float32 (N,) at 16 kHz, more than 25 ms.
            options: the options of the conversion.
            record: called with the name and value of every tensor of docs/spec/00 §0.3.
            noise: draws (name, shape, kind); None draws from `options.seed`.
            changes: fields of `Options`, such as transpose=3.
        Returns:
            `waveform.final`, int16 (M,), and its rate in Hz.
        Raises:
            OnnxVoiceError: an option or the sound cannot be used.
        """
        if unknown := set(changes) - {item.name for item in fields(Options)}:
            raise OnnxVoiceError(f"there is no option {min(unknown)}")
        options = Options(**{**(vars(options) if options else {}), **changes})
        made = noise or (lambda name, shape, kind: draw(options.seed, name, shape, kind))
        return Conversion(self, options, record, made).run(np.asarray(raw, np.float32))


class Conversion:
    """One conversion; each method is one stage or a few."""

    def __init__(
        self, voice: Voice, options: Options, record: Record, noise: Callable[[str, tuple[int, ...], str], Samples]
    ) -> None:
        self.voice, self.options, self.record, self.noise = voice, options, record, noise
        self.constants: dict[str, Any] = voice.facts["constants"]
        self.profile, self.method, self.index_rate, self.mix, self.protect = voice.resolve(options)
        self.rate = int(voice.facts["rate"])

    def run(self, raw: Samples) -> tuple[npt.NDArray[np.int16], int]:
        """All stages in order."""
        record, window = self.record, self.options.window
        if len(raw) <= 400:
            raise OnnxVoiceError(f"the sound is {len(raw) / 16:.0f} ms long; expected more than 25 ms")
        if not np.isfinite(raw).all():
            raise OnnxVoiceError("the sound holds values that are not finite; repair it")
        samples = record("audio16k", signal.guard_peak(record("audio16k.raw", raw), self.constants["input_peak"]))
        highpassed = record("highpassed", signal.highpass(samples, self.constants["highpass"]))
        profile, cuts = signal.cut_points(highpassed, window)
        if profile is not None:
            record("quiet.profile", profile)
        parts = signal.spans(len(highpassed), record("segment.cuts", cuts), window)
        padded = record("padded", np.pad(highpassed, window.samples("pad"), mode="reflect"))
        track = self.track(padded) if self.voice.facts["f0"] else None
        pieces = [self.segment(f"seg{i}", padded, span, track) for i, span in enumerate(parts)]
        waveform = record("waveform.concat", np.concatenate(pieces))
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
        if PROFILES[self.profile][0]:
            raw = self.record("f0.filled", pitch.fill_unvoiced(raw))
        return self.finish_f0(raw, frames)

    def raw_f0(self, padded: signal.Signal) -> pitch.Track:
        """`f0.raw`, Hz, 0 where unvoiced."""
        if self.method == "pm":
            return pitch.pm(padded)
        if self.method == "harvest":
            return pitch.harvest(padded, self.options.filter_radius)
        session = self.voice.session(self.voice.facts["f0_methods"][self.method])
        first = session.run(None, {"audio": padded.astype(np.float32)[None]})[0]
        if session.get_outputs()[0].name == "f0":
            return np.asarray(first)
        return pitch.decode_crepe(first, self.noise("noise.crepe", (len(first),), "dither"))

    def finish_f0(self, raw: pitch.Track, frames: int) -> tuple[Samples, npt.NDArray[np.int64]]:
        """Transposition, the F0 curve, and the bins."""
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
        """`waveform.segment`: one segment without its padding."""
        audio = self.record(f"{name}.audio", padded[span.first : span.last].astype(np.float32)[None])
        count = span.content_frames
        own = None if track is None else (track[0][:, span.frames][:, :count], track[1][:, span.frames][:, :count])
        content = self.content(name, audio, own, count)
        waveform = self.synthesize(name, content, own)
        pad, hop = self.options.window.pad_frames, int(self.voice.facts["hop"])
        kept = waveform[pad * hop : (pad + max(count - 2 * pad, 0)) * hop]
        return np.asarray(self.record(f"{name}.waveform.segment", kept))

    def content(
        self, name: str, audio: Samples, own: tuple[Samples, npt.NDArray[np.int64]] | None, count: int
    ) -> Samples:
        """`content.protected`: float32 (1, p, C)."""
        features = self.voice.session("content.onnx").run(None, {"audio": audio})[0]
        features = blended = self.record(f"{name}.hubert.features", features)
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
            inputs |= {"hz": np.ascontiguousarray(own[0]), "coarse": np.ascontiguousarray(own[1])}
            shape = (1, frames * int(facts["hop"]), 1)
            inputs["noise_source"] = self.noise(f"{name}.noise.nsf", shape, "normal")
        session = self.voice.session("synthesizer.onnx")
        names = [port.name for port in session.get_outputs()]
        for port, value in zip(names, session.run(names, inputs), strict=True):
            full = f"{name}.{port}" if port != "waveform" else f"{name}.waveform.segment.full"
            value = self.record(full, value[0] if port == "waveform" else value)
            if port == "waveform":
                waveform = value
        return np.asarray(waveform)
