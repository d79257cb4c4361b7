"""Values that no conversion of the input files reaches, as inputs of single stages of an original.

`cases.toml` names one of these functions in the entry of a golden of stages recorded alone. What comes from the fixed
random stream is drawn under the name `CASE/TENSOR`, so that the golden stores the name instead of the values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from parity.goldens import random_stream
from parity.voices.synthesizer import Kind
from reference.errors import Refusal
from reference.recording.cases import GOLDENS, Spec

Array = NDArray[Any]
FRAME = 160  # samples at 16 kHz in one frame of 10 ms (docs/spec/00 §0.2)
# Lengths beyond the blocks in which implementations compute: 256 rows of retrieval, 512 frames of RMVPE and CREPE, 1024
# frames of a recurrent network, 262,144 samples of the output.
ROWS, BEYOND_512, BEYOND_1024, BEYOND_262144 = 256, 520, 1030, 270_000


@dataclass(frozen=True)
class Values:
    """What a recording of stages alone starts from.

    Attributes:
        tensors: Full name → array.
        speakers: The speaker of each segment, where the stages read its embedding.
    """

    tensors: Mapping[str, Array]
    speakers: tuple[int, ...] = ()


Maker = Callable[[Spec], Values]
MAKERS: dict[str, Maker] = {}


def makes(name: str) -> Callable[[Maker], Maker]:
    """Register the function that makes the values called `name` in cases.toml."""

    def decorate(maker: Maker) -> Maker:
        MAKERS[name] = maker
        return maker

    return decorate


def of(spec: Spec) -> Values:
    """The values of a case.

    Raises:
        Refusal: there are no values of that name.
    """
    if spec.values not in MAKERS:
        raise Refusal(f"{spec.name} has values {spec.values!r}, but only {', '.join(MAKERS)} are known")
    return MAKERS[spec.values](spec)


def noise(spec: Spec, name: str, *shape: int) -> Array:
    """Standard normal float32 numbers of the stream `CASE/TENSOR`."""
    return random_stream.normal(f"{spec.name}/{name}", shape)


def _with_audio(spec: Spec, padded: Array) -> Values:
    """Padded audio, and silence of the length that the original pads to it."""
    pad = round(spec.options.window.pad * 16000)
    silence = np.zeros(len(padded) - 2 * pad, np.float32)
    return Values({"audio16k.raw": silence, "padded": padded.astype(np.float64)})


@makes("silence")
def _silence(spec: Spec) -> Values:
    """Half a second of zeros for an F0 method."""
    return _with_audio(spec, np.zeros(8000))


@makes("noise above full scale")
def _noise(spec: Spec) -> Values:
    """A quarter of a second of white noise, for which the group norm of FCPE divides by its least deviation.

    An even spectrum near 1 gives the smallest variance; of 400 draws, this one's F0 depends on it most.
    """
    return _with_audio(spec, 1.1 * random_stream.normal(f"{spec.name}/367", (4000,)).astype(np.float64))


@makes("equally quiet places")
def _even(spec: Spec) -> Values:
    """A level that never changes, so that every place is as quiet as any other."""
    highpassed = np.full(round(2.3 * spec.options.window.center * 16000), 0.25)
    return Values(_silent_input(highpassed))


def _sung(seconds: float) -> Array:
    """A sung glide of the committed inputs, float32 at 16 kHz, played forwards and backwards up to a length."""
    sound, rate = soundfile.read(GOLDENS / "inputs" / "sung_glide.flac", dtype="float32")
    if rate != 16000:
        raise Refusal(f"sung_glide.flac has {rate} Hz, expected 16000 Hz; restore it")
    count = round(seconds * 16000)
    both = np.concatenate([sound, sound[::-1]])
    return np.tile(both, -(-count // len(both)))[:count]


@makes("sung beyond 1024 frames")
def _sung_long(spec: Spec) -> Values:
    """A sung sound longer than 1024 frames of 10 ms."""
    return _with_audio(spec, _sung(BEYOND_1024 / 100))


@makes("sung beyond 512 frames")
def _sung_middle(spec: Spec) -> Values:
    """A sung sound longer than 512 frames of 10 ms, with white noise around the 512th.

    There the most probable path depends on whether it is searched over both batches.
    """
    sung = _sung(BEYOND_512 / 100)
    first, last = 507 * FRAME, 515 * FRAME
    hiss = np.float32(0.05) * noise(spec, "noise", last - first)
    sung[first:last] = np.round(hiss * 32768) / np.float32(32768)
    return _with_audio(spec, sung)


@makes("features around 256 rows")
def _retrieval(spec: Spec) -> Values:
    """Content features of three segments: as many rows as a block, one more, and more than four blocks.

    A silent file of three times the window's center is cut twice. How long its segments are does not matter, because
    HuBERT does not run.
    """
    lengths = (ROWS, ROWS + 1, BEYOND_1024 // 2)
    width = 256 if spec.voice.startswith("v1") else 768
    names = [f"seg{i}.hubert.features" for i in range(len(lengths))]
    features = {name: noise(spec, name, 1, rows, width) for name, rows in zip(names, lengths, strict=True)}
    center = spec.options.window.center
    silence = np.zeros(round(len(lengths) * center * 16000), np.float32)
    return Values({"audio16k.raw": silence} | features)


@makes("F0 edges")
def _f0_edges(spec: Spec) -> Values:
    """F0 at and beyond the ends of the bins, and the least values that count as voiced."""
    edges = [0, 1e-3, 0.5, 0.999, 1, 1.001, 2, 5, 9.99, 10, 0, 0, 30, 49.9, 50, 50.01, 65, 0, 261.6255653]
    edges += [440, 880, 0, 1046.5, 1099.99, 1100, 1100.01, 1200, 2000, 4000, 0, 7.5, 123.4]
    pad = round(spec.options.window.pad * 16000)
    frames = len(edges) + 2 * pad // FRAME
    track = np.zeros(frames)
    track[pad // FRAME : pad // FRAME + len(edges)] = edges
    return Values({"audio16k.raw": 0.1 * noise(spec, "audio16k.raw", len(edges) * FRAME), "f0.raw": track})


@makes("quiet voice")
def _quiet_voice(spec: Spec) -> Values:
    """A voice that falls from full loudness to far below the floor of 1e-6, over an input of constant loudness."""
    rate, seconds = Kind(spec.voice).rate * 1000, 1.5
    pad = round(spec.options.window.pad * rate)
    wave = noise(spec, "wave", round(seconds * rate)) * np.float32(0.1)
    levels = np.repeat(np.array([1, 1e-3, 1e-5, 1e-7, 1e-8, 0], np.float32), round(seconds * rate) // 6)
    full = np.pad(wave * levels, pad)
    highpassed = noise(spec, "highpassed", round(seconds * 16000)).astype(np.float64)
    return Values({**_silent_input(highpassed), "seg0.waveform.segment.full": full})


@makes("output beyond 262144 samples")
def _long_output(spec: Spec) -> Values:
    """A voice whose peak is above 1, and more than 262,144 samples long."""
    rate = Kind(spec.voice).rate * 1000
    pad = round(spec.options.window.pad * rate)
    full = np.pad(noise(spec, "waveform.concat", BEYOND_262144), pad)
    highpassed = noise(spec, "highpassed", round(BEYOND_262144 * 16000 / rate)).astype(np.float64)
    return Values({**_silent_input(highpassed), "seg0.waveform.segment.full": full})


def _silent_input(highpassed: Array) -> dict[str, Array]:
    """The high-passed input, and silence of its length where it is read."""
    return {"audio16k.raw": np.zeros(len(highpassed), np.float32), "highpassed": highpassed}


@makes("alternating speakers")
def _speakers(spec: Spec) -> Values:
    """Latents and source of three short segments, of the first speaker, the last one, and the first one again."""
    kind, frames = Kind(spec.voice), 12
    tensors: dict[str, Array] = {}
    for i in range(3):
        tensors[f"seg{i}.z_p"] = noise(spec, f"seg{i}.z_p", 1, 192, frames)
        if kind.f0:
            tensors[f"seg{i}.nsf.source"] = noise(spec, f"seg{i}.nsf.source", 1, 1, frames * kind.rate * 10)
    return Values(tensors, (0, 108, 0))


@makes("content beyond 1024 frames")
def _long_content(spec: Spec) -> Values:
    """Content features and F0 bins of more than 1024 frames of 10 ms."""
    width = 256 if spec.voice.startswith("v1") else 768
    content = noise(spec, "seg0.content.protected", 1, BEYOND_1024, width)
    coarse = random_stream.raw_numbers(f"{spec.name}/f0.coarse", BEYOND_1024) % np.uint64(255) + np.uint64(1)
    return Values({"seg0.content.protected": content, "f0.coarse": coarse.astype(np.int64)[None]})


@makes("latent beyond 1024 frames")
def _long_latent(spec: Spec) -> Values:
    """A sample of the prior of more than 1024 frames of 10 ms."""
    return Values({"seg0.z_p": noise(spec, "seg0.z_p", 1, 192, BEYOND_1024)}, (0,))


@makes("latent and source beyond 1024 frames")
def _long_voice(spec: Spec) -> Values:
    """What the generator reads, of more than 1024 frames of 10 ms."""
    source = noise(spec, "seg0.nsf.source", 1, 1, BEYOND_1024 * Kind(spec.voice).rate * 10)
    return Values({"seg0.flow.z": noise(spec, "seg0.flow.z", 1, 192, BEYOND_1024), "seg0.nsf.source": source}, (0,))


@makes("audio beyond 512 rows")
def _long_audio(spec: Spec) -> Values:
    """White noise that HuBERT makes more than 512 frames of 20 ms of."""
    return Values({"seg0.audio": noise(spec, "seg0.audio", 1, BEYOND_512 * 2 * FRAME + 80)})
