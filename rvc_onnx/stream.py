"""A stream: one block of sound in, one converted block out, as the originals' live windows do it (docs/spec/07)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx import block_signal, retrieval, signal
from rvc_onnx import f0 as pitch
from rvc_onnx.block_signal import CROSSFADES, GATE_OFF, Gate, Samples
from rvc_onnx.errors import OnnxVoiceError
from rvc_onnx.folder import SYNTHESIZER, Folder
from rvc_onnx.profiles import PROFILES, Noise, Record

CACHE_FRAMES = 1024  # frames of 10 ms of F0 that are kept, hence the longest window (docs/spec/07 §7.5)
FLOW_REACH = 24  # frames before the block that the flow needs (docs/spec/05 §5.9)
DROPPED_FIRST, DROPPED_LAST = 3, 1  # frames at the ends of a new track that are not used (docs/spec/07 §7.5)


@dataclass(frozen=True)
class BlockSizes:
    """Lengths in samples at the device rate (docs/spec/07 §7.2).

    Attributes:
        rate: Hz, a multiple of 100.
        zc: samples in 10 ms.
        block: samples in and out of each block.
        fade: the crossfade, which adds to the delay.
        held: samples that are held back and crossfaded.
        extra: earlier input that only gives the networks context.
    """

    rate: int
    zc: int
    block: int
    fade: int
    held: int
    extra: int

    @classmethod
    def of(cls, rate: int, block: float = 0.25, crossfade: float = 0.05, extra: float = 2.5) -> BlockSizes:
        """Round times in seconds to 10 ms.  Raises OnnxVoiceError where they do not fit together."""
        if rate < 8000 or rate % 100:
            raise OnnxVoiceError(f"the stream's rate is {rate} Hz; expected a multiple of 100 from 8000 up")
        zc = rate // 100
        b, x, e = (round(seconds * rate / zc) * zc for seconds in (block, crossfade, extra))
        if b < zc or x < zc or e < 0:
            raise OnnxVoiceError(
                f"the block is {block} s, the crossfade {crossfade} s, the extra time {extra} s; expected 10 ms or "
                "more for the first two, and no negative extra time"
            )
        sizes = cls(rate, zc, b, x, min(x, 4 * zc), e)
        if sizes.frames - b // zc < 4 or sizes.frames > CACHE_FRAMES:
            raise OnnxVoiceError(
                f"block, crossfade and extra time make a window of {sizes.frames / 100:.2f} s; expected at least 40 ms "
                f"more than the block and at most {CACHE_FRAMES / 100:.2f} s"
            )
        return sizes

    @property
    def frames(self) -> int:
        """p: frames of 10 ms in the window of input that is kept."""
        return (self.extra + self.fade + self.zc + self.block) // self.zc

    @property
    def skip_head(self) -> int:
        """Frames at the window's start that only give context."""
        return self.extra // self.zc

    @property
    def return_length(self) -> int:
        """Frames that are synthesized for each block."""
        return (self.block + self.held) // self.zc + 1

    def delay(self, denoised: bool = False) -> int:
        """Samples by which the output lags behind the input, not counting the block itself."""
        return self.fade + self.zc + (self.held if denoised else 0)


@dataclass(frozen=True)
class Controls:
    """Settings that may change between two blocks; the defaults are the originals'.

    Attributes:
        transpose: semitones.
        formant: semitones, above 0 for a shorter vocal tract.
        index_rate: 0 keeps the content features, 1 replaces them by the index's.
        rms_mix_rate: 1 keeps the voice's loudness, 0 takes the input's.
        gate_db: dB below which input becomes silence; -60 and below is off.
        input_denoise, output_denoise: whether noise is reduced.
        crossfade: "fade", or "phase-vocoder", the option of webui-classic.
        f0_method: a graph of the folder, or pm or harvest.
        speaker: 0 is the first.
    """

    transpose: float = 0.0
    formant: float = 0.0
    index_rate: float = 0.0
    rms_mix_rate: float = 0.0
    gate_db: float = GATE_OFF
    input_denoise: bool = False
    output_denoise: bool = False
    crossfade: str = "fade"
    f0_method: str = "rmvpe"
    speaker: int = 0

    def __post_init__(self) -> None:
        ranges = {"index_rate": (0, 1), "rms_mix_rate": (0, 1), "formant": (-12, 12), "transpose": (-60, 60)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise OnnxVoiceError(f"{name} is {getattr(self, name)}; expected {low} to {high}")
        if self.crossfade not in CROSSFADES:
            raise OnnxVoiceError(f"there is no crossfade {self.crossfade!r}; choose one of {', '.join(CROSSFADES)}")


@dataclass(frozen=True)
class Formant:
    """Lengths that a formant shift gives (docs/spec/07 §7.5).

    Attributes:
        frames: frames of 10 ms in the result.
        synthesized: frames that are synthesized for them.
        hop: samples in 10 ms at the voice's rate.
        played_hop: synthesized samples that become 10 ms of the result.
    """

    frames: int
    synthesized: int
    hop: int
    played_hop: int

    @classmethod
    def of(cls, semitones: float, frames: int, rate: int) -> Formant:
        """For a shift in semitones, frames of 10 ms, and the voice's rate in Hz."""
        factor = 2 ** (semitones / 12)
        return cls(frames, math.ceil(frames * factor), rate // 100, int(factor * rate // 100))

    def restore_duration(self, waveform: Samples) -> Samples:
        """`waveform.model`: the synthesized samples, (samples,), resampled to the duration of the result."""
        if self.played_hop == self.hop:
            return waveform
        return block_signal.resample(waveform[: self.frames * self.played_hop], self.played_hop, self.hop)


class Stream:
    """One stream, whose buffers are filled with zeros at first; each method computes one stage or a few."""

    def __init__(
        self,
        voice: Folder,
        sizes: BlockSizes,
        controls: Controls,
        *,
        profile: str,
        noise: Noise,
        record: Record = lambda name, value: value,
    ) -> None:
        """Open a stream.

        Args:
            voice: the opened folder.
            sizes: lengths at the device rate.
            controls: the settings of the first block.
            profile: the original to reproduce.
            noise: draws (name, shape, kind).
            record: called with the name and value of every tensor of docs/spec/00 §0.4.
        Raises:
            OnnxVoiceError: the voice lacks the speaker or the F0 method.
        """
        if profile not in PROFILES:
            raise OnnxVoiceError(f"there is no profile {profile!r}; choose one of {', '.join(PROFILES)}")
        self.voice, self.sizes, self.profile, self.noise, self._record = voice, sizes, profile, noise, record
        self.rate, self.number = int(voice.facts["rate"]), 0
        self._set(controls)
        self.fade_in = block_signal.ramp(sizes.held)
        self.reset()

    def reset(self) -> None:
        """Fill every buffer with zeros; the following output equals a new stream's."""
        sizes = self.sizes
        window = sizes.frames * sizes.zc
        self.number, self.gate = 0, Gate(sizes.zc)
        self.raw, self.clean, self.recent = (np.zeros(window, np.float32) for _ in range(3))
        self.at16k = np.zeros(160 * sizes.frames, np.float32)
        self.input_held, self.held = np.zeros(sizes.held, np.float32), np.zeros(sizes.held, np.float32)
        self.coarse, self.hz = np.zeros(CACHE_FRAMES, np.int64), np.zeros(CACHE_FRAMES, np.float32)

    def change(self, **settings: Any) -> None:
        """Change settings by the names of `Controls`, from the next block on.  Raises OnnxVoiceError."""
        if unknown := set(settings) - {item.name for item in fields(Controls)}:
            raise OnnxVoiceError(f"there is no setting {min(unknown)}")
        self._set(replace(self.controls, **settings))

    def _set(self, controls: Controls) -> None:
        self.voice.check_choice(controls.f0_method, controls.speaker)
        self.controls = controls

    def record(self, name: str, value: Any) -> Any:
        """Hand a tensor of the current block to the caller's `record`."""
        return self._record(f"rt.{self.number}.{name}", value)

    def draw(self, name: str, shape: tuple[int, ...], kind: str = "normal") -> Samples:
        """Draw noise of the current block, float32 of `shape`, and record it as `rt.{number}.{name}`."""
        return np.asarray(self.record(name, self.noise(f"rt.{self.number}.{name}", shape, kind)))

    @property
    def formant(self) -> Formant:
        """The lengths of the current formant shift."""
        return Formant.of(self.controls.formant, self.sizes.return_length, self.rate)

    def block(self, samples: Samples) -> Samples:
        """Convert one block of mono sound at the device rate: float32 (block,) → float32 (block,).

        Raises:
            OnnxVoiceError: the block has another length or dtype, or the waveform is not finite.
        """
        if samples.shape != (self.sizes.block,) or samples.dtype != np.float32:
            raise OnnxVoiceError(
                f"a block is {samples.dtype} {list(samples.shape)}; expected float32 [{self.sizes.block}]"
            )
        self.record("in", samples)
        at16k = self.record("input16k", self.push_input(samples))
        features = self.record("hubert.features", self.features(at16k))
        content = self.content(features)
        own = self.f0(at16k) if self.voice.facts["f0"] else None
        raw = self.synthesize(content, own)
        waveform = self.record("waveform.model", self.formant.restore_duration(raw[0]))
        signal.refuse_nonfinite(waveform)
        out = self.join(*self.best_offset(self.mix(self.to_device(waveform))))
        self.number += 1
        return out

    def push_input(self, block: Samples) -> Samples:
        """`input16k`: gate, noise reduction and resampling into the ring of 16 kHz, float32 (160·p,)."""
        sizes, zc = self.sizes, self.sizes.zc
        gated = self.gate(block, self.controls.gate_db)
        _append(self.raw, sizes.block, gated)
        _append(self.clean, sizes.block, self._clean_block())
        ring, fresh = (self.clean, sizes.block) if self.controls.input_denoise else (self.raw, len(gated))
        new = block_signal.resample(ring[-fresh - 2 * zc :], sizes.rate, 16000)[160:]
        _append(self.at16k, 160 * (sizes.block // zc), new)
        return self.at16k

    def _clean_block(self) -> Samples:
        """The next block of the ring without noise; a copy of the input where noise reduction is off."""
        sizes = self.sizes
        samples = self.raw[-sizes.held - sizes.block :]
        if self.controls.input_denoise:
            reduced = block_signal.reduce_noise(samples, self.raw, sizes.zc)
            start = block_signal.crossfade(self.input_held, reduced[: sizes.held], self.fade_in)
            samples = np.concatenate([start, reduced[sizes.held :]])
        self.input_held = samples[sizes.block :].copy()
        return samples[: sizes.block]

    def features(self, at16k: Samples) -> Samples:
        """`hubert.features` of the window: float32 (1, n, C)."""
        return self.voice.features(at16k.reshape(1, -1))

    def content(self, features: Samples) -> Samples:
        """`content`: the last frame once more, frames of the block blended with the index, each doubled: (1, p, C)."""
        extended = np.concatenate([features, features[:, -1:]], axis=1)
        if self.voice.index is not None and self.controls.index_rate != 0:
            head = self.sizes.skip_head // 2
            extended[:, head:] = self.retrieve(extended[0, head:], self.voice.index)
        return np.asarray(self.record("content", np.repeat(extended, 2, axis=1)[:, : self.sizes.frames]))

    def retrieve(self, content: Samples, index: retrieval.Index) -> Samples:
        """`retrieval.blended` (1, n, C); where one frame has fewer than 8 neighbors, no frame is mixed."""
        distances, ids = index.search(content)
        self.record("retrieval.distances", distances)
        self.record("retrieval.ids", ids)
        if (ids < 0).any():
            return np.asarray(self.record("retrieval.blended", content[None].copy()))
        shares = self.record("retrieval.weights", retrieval.weights(distances))
        mean = self.record("retrieval.mean", retrieval.mean(shares, ids, index))
        blended = mean * np.float32(self.controls.index_rate) + np.float32(1 - self.controls.index_rate) * content
        return np.asarray(self.record("retrieval.blended", blended[None]))

    def f0(self, at16k: Samples) -> tuple[npt.NDArray[np.int64], Samples]:
        """`f0.coarse` int64 (1, p) and `f0.hz` float32 (1, p), the newest frames of the caches."""
        controls, block16 = self.controls, 160 * (self.sizes.block // self.sizes.zc)
        newest = at16k[-pitch.block_length(block16, controls.f0_method) :]
        raw = self.raw_f0(newest)
        track = pitch.fill_unvoiced(raw) if PROFILES[self.profile].fills_unvoiced else raw
        hz = pitch.transpose(track, controls.transpose - controls.formant).astype(np.float32)
        bins = self.voice.facts["constants"]["f0_bins"]
        coarse = pitch.quantize_block(hz, bins["lowest_hz"], bins["highest_hz"], bins["count"])
        for cache, fresh in ((self.coarse, coarse), (self.hz, hz)):
            _append(cache, block16 // 160, fresh[DROPPED_FIRST:-DROPPED_LAST])
        formant, frames = self.formant, self.sizes.frames
        scaled = self.hz[-frames:] * np.float32(formant.synthesized) / np.float32(formant.frames)
        self.record("f0.coarse", self.coarse[None, -frames:])
        self.record("f0.hz", scaled[None])
        return self.coarse[None, -frames:].copy(), scaled[None]

    def raw_f0(self, newest: Samples) -> pitch.Track:
        """What the F0 method returns for the newest samples: (L // 160 + 1,)."""
        method = self.controls.f0_method
        if method == "pm":
            return pitch.pm_block(newest)
        if method == "harvest":
            return pitch.harvest_block(newest)
        return self.voice.graph_f0(method, newest, lambda frames: self.draw("noise.crepe", (frames,), "dither"))

    def synthesize(self, content: Samples, own: tuple[npt.NDArray[np.int64], Samples] | None) -> Samples:
        """`waveform.raw`: float32 (1, synthesized · upp) at the voice's rate."""
        facts, formant, skip = self.voice.facts, self.formant, self.sizes.skip_head
        kept = self.sizes.frames - max(skip - FLOW_REACH, 0)
        inputs: dict[str, Any] = {"content": content, "speaker": np.array([self.controls.speaker], np.int64)}
        inputs["noise_z"] = self.draw("noise.z", (1, int(facts["latent_channels"]), kept))
        if own is not None:
            inputs |= {"coarse": own[0], "hz": own[1]}
            inputs["noise_source"] = self.draw("noise.nsf", (1, formant.frames * int(facts["hop"]), 1))
        arguments = {"skip_head": skip, "return_length": formant.frames, "resized_length": formant.synthesized}
        inputs |= {name: np.array(value, np.int64) for name, value in arguments.items()}
        outputs = self.voice.run(SYNTHESIZER, inputs)
        shape = (1, formant.synthesized * int(facts["hop"]))
        waveform = self.voice.output(SYNTHESIZER, "waveform", shape, outputs)
        for name, value in outputs.items():
            if name != "waveform":
                self.record(name, value)
        return np.asarray(self.record("waveform.raw", waveform))

    def to_device(self, waveform: Samples) -> Samples:
        """Resample a waveform, float32 (samples,), from the voice's rate to the device's."""
        return block_signal.resample(waveform, self.rate, self.sizes.rate)

    def mix(self, converted: Samples) -> Samples:
        """`infer_wav`: noise reduction and the loudness mix of float32 (block + held + search,), same shape."""
        sizes, controls = self.sizes, self.controls
        _append(self.recent, sizes.block, converted[-sizes.block :])
        if controls.output_denoise:
            converted = block_signal.reduce_noise(converted, self.recent, sizes.zc)
        if controls.rms_mix_rate < 1:
            reference = self.clean if controls.input_denoise else self.raw
            before = block_signal.loudness(reference[sizes.extra :][: len(converted)], sizes.zc)
            after = block_signal.loudness(converted, sizes.zc)
            self.record("rms_in", before)
            self.record("rms_out", after)
            converted = converted * block_signal.loudness_gain(before, after, controls.rms_mix_rate, len(converted))
        return np.asarray(self.record("infer_wav", converted))

    def best_offset(self, converted: Samples) -> tuple[Samples, int]:
        """The waveform, and `sola.offset`: the sample from which on it correlates most with the held samples."""
        scores = block_signal.correlation(converted[: self.sizes.held + self.sizes.zc], self.held)
        self.record("sola.cor", scores)
        offset = int(scores.argmax())
        self.record("sola.offset", np.array([offset], np.int64))
        return converted, offset

    def join(self, converted: Samples, offset: int) -> Samples:
        """`out`: the held samples crossfaded into the block, float32 (block,); its end is held back."""
        sizes = self.sizes
        samples = converted[offset:].copy()
        fade: Callable[[Samples, Samples, Samples], Samples] = CROSSFADES[self.controls.crossfade]
        samples[: sizes.held] = fade(self.held, samples[: sizes.held], self.fade_in)
        self.held = samples[sizes.block : sizes.block + sizes.held].copy()
        self.record("sola_buffer", self.held)
        return np.asarray(self.record("out", samples[: sizes.block]))


def _append(ring: npt.NDArray[Any], by: int, values: npt.NDArray[Any]) -> None:
    """Move a ring `by` places towards its start and overwrite its end."""
    ring[:-by] = ring[by:]
    ring[-len(values) :] = values
