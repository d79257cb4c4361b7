"""An exported folder in place of a voice and its networks, for the conversion of a file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rvc.config import Config
from rvc.errors import BadInput
from rvc.exported import f0_pieces, interface, retrieval_data
from rvc.exported.f0_pieces import Piece
from rvc.exported.interface import ExportedVoice
from rvc.exported.runtime import Graph
from rvc.f0 import curve_file, registry, tracking
from rvc.f0.methods import crepe
from rvc.f0.network_files import F0Weights
from rvc.nn.hubert_config import HubertConfig
from rvc.noise import NoiseSource
from rvc.pipeline.offline import Pitch, Segment, SegmentContent
from rvc.retrieval.search import Index, load_index
from rvc.scratch import blocks, release
from rvc.voice_kinds import VERSIONS

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ExportedNetworks:
    """The graphs of an exported voice, opened when first needed (`ConversionNetworks`)."""

    exported: ExportedVoice
    index_path: Path | None
    graphs: dict[str, Any]
    lock: threading.RLock
    ignored: tuple[str, ...] = ()

    @classmethod
    def open(cls, folder: Path, index: Path | None = None, ignored: tuple[str, ...] = ()) -> ExportedNetworks:
        """Open a folder.

        Args:
            folder: what `rvc export --format onnx` wrote.
            index: a FAISS index to use in place of the folder's.
            ignored: options that were given and have no effect with a folder.
        Raises:
            BadInput: the folder or the index is not complete.
        """
        return cls(interface.read_folder(folder), index, {}, threading.RLock(), ignored)

    def files(self) -> list[Path]:
        """The exported folder, and the index that replaces its own."""
        return [self.exported.folder, *([self.index_path] if self.index_path is not None else [])]

    @property
    def version(self) -> str:
        """ "v1" or "v2"."""
        return self.exported.version

    @property
    def rate(self) -> int:
        """Output samples per second."""
        return self.exported.rate

    @property
    def f0(self) -> bool:
        """Whether the voice is guided by F0."""
        return self.exported.f0

    @property
    def speakers(self) -> int:
        """Number of speakers."""
        return self.exported.speakers

    @property
    def segment_class(self) -> type[OnnxSegment]:
        """What runs the stages of a segment."""
        return OnnxSegment

    def check(self, config: Config) -> None:
        """Check that the folder can do a conversion, before a network is opened.

        Raises:
            BadInput: the voice lacks the speaker, the folder lacks the F0 method, or the F0 file cannot be used.
        """
        folder = self.exported.folder
        if not 0 <= config.speaker < self.speakers:
            known = "only speaker 0" if self.speakers == 1 else f"speakers 0 to {self.speakers - 1}"
            raise BadInput(f"speaker is {config.speaker}, but {folder.name} has {known}")
        method = registry.named(config.f0_method)
        if self.f0 and method.is_neural and method.name not in self.exported.f0_methods:
            raise self._lacks(method.name)
        if config.f0_file is not None:
            curve_file.read_curve(config.f0_file)
        names = [interface.CONTENT, interface.SYNTHESIZER]
        if self.f0 and method.is_neural:
            names.append(self.exported.f0_methods[method.name])
        if self.exported.fields["retrieval"] and self.index_path is None and config.index_rate != 0:
            names.append(interface.RETRIEVAL)
        for name in names:
            interface.refuse_changed(self.exported, name)
        if self._retrieves(config):
            self._get("index", self._load_index)

    def warnings(self) -> list[str]:
        """What the user should know before a conversion, one sentence each."""
        return [f"{option} has no effect: the exported folder holds its own" for option in self.ignored]

    def notes(self, config: Config) -> list[str]:
        """Options that have no effect in this conversion, one sentence each."""
        notes = self.warnings()
        if (self.index_path or self.exported.fields["retrieval"]) and config.index_rate == 0:
            notes.append("the index is not used, since the index rate is 0")
        notes += self.f0_file_notes(config)
        if not self.f0:
            notes.append("this voice has no pitch of its own: the F0 method, transposition and protect have no effect")
        return notes

    def f0_file_notes(self, config: Config) -> list[str]:
        """What the user should know of the F0 file, one sentence each.  Raises BadInput for an unusable file."""
        return curve_file.notes(curve_file.read_curve(config.f0_file)) if config.f0_file is not None and self.f0 else []

    def track(
        self, padded: npt.NDArray[np.float64], config: Config, noise: NoiseSource
    ) -> npt.NDArray[np.floating[Any]]:
        """`f0.raw`: float (≥ P,), Hz, 0 where unvoiced.

        Raises:
            BadInput: the sound is too short for the method.
            MissingExtra: the method's package is not installed.
        """
        method = registry.named(config.f0_method)
        if not method.is_neural:
            return tracking.track(
                padded, method.name, weights=F0Weights(), noise=noise, filter_radius=config.filter_radius
            )
        if not all(np.isfinite(block).all() for block in blocks(padded)):
            raise BadInput("the sound holds values that are not finite, so no pitch can be tracked; repair the file")
        return self.graph_f0(method.name, padded, lambda frames: noise.draw("noise.crepe", (frames,), "dither"))

    def graph_f0(
        self, method: str, samples: npt.NDArray[np.floating[Any]], dither: Callable[[int], Samples]
    ) -> npt.NDArray[np.floating[Any]]:
        """The F0 that a method's graph computes: (L,) at 16 kHz → (L // 160 + 1,), Hz, 0 where unvoiced.

        The graph is run on a long recording in pieces, so that its memory does not grow with the length.

        Args:
            method: a method with a network.
            samples: float (L,) at 16 kHz.
            dither: number of frames → CREPE's dither in cents.
        Raises:
            BadInput: the folder holds no graph of the method.
        """
        if method not in self.exported.f0_methods:
            raise self._lacks(method)
        graph = self._graph(self.exported.f0_methods[method])
        runs = (_run_piece(graph, samples, piece) for piece in f0_pieces.pieces(method, samples))
        if method not in f0_pieces.SALIENCE_ONLY:
            return np.concatenate([run["f0"] for run in runs])
        saliences = (torch.from_numpy(run["salience"]) for run in runs)
        batches = (batch for salience in saliences for batch in torch.split(salience, crepe.STEPS_AT_ONCE))
        return crepe.decode(batches, dither(len(samples) // registry.HOP + 1))

    def packed_for(self, seconds: float) -> nullcontext[None]:
        """No effect: the runtime packs the weights of a graph once."""
        return nullcontext()

    @contextmanager
    def borrow_hubert(self, low_latency: bool = False) -> Iterator[OnnxContent]:
        """The content encoder, as `rvc.content.features.extract` calls it."""
        yield OnnxContent(self._graph(interface.CONTENT), self.version)

    @contextmanager
    def borrow_index(self, config: Config) -> Iterator[Index | None]:
        """The retrieval index, or None for a conversion without retrieval."""
        yield self._get("index", self._load_index) if self._retrieves(config) else None

    @contextmanager
    def borrow_synthesizer(self) -> Iterator[OnnxSynthesizer]:
        """The synthesizer."""
        yield OnnxSynthesizer(self._graph(interface.SYNTHESIZER), self.exported)

    def load(self, config: Config) -> None:
        """Open every graph that a conversion uses.  Raises RvcError."""
        self.check(config)
        for name in (interface.CONTENT, interface.SYNTHESIZER):
            self._graph(name)

    def _lacks(self, method: str) -> BadInput:
        held = ", ".join(self.exported.f0_methods) or "none"
        return BadInput(
            f"{self.exported.folder} holds no graph of the F0 method {method} (it holds {held}); export it again with "
            f"--f0-method {method}, or choose another method"
        )

    def _retrieves(self, config: Config) -> bool:
        return config.index_rate != 0 and bool(self.index_path or self.exported.fields["retrieval"])

    def _load_index(self) -> Index:
        if self.index_path is not None:
            index = load_index(self.index_path)
        else:
            index = retrieval_data.read(self.exported.folder / interface.RETRIEVAL, self.exported.fields["retrieval"])
        index.refuse_other_width(VERSIONS[self.version].content_channels)
        return index

    def _graph(self, name: str) -> Graph:
        graph: Graph = self._get(name, lambda: self._open(name))
        return graph

    def _open(self, name: str) -> Graph:
        graph = Graph(self.exported.folder / name, torch.get_num_threads())
        graph.refuse_without(interface.outputs(name, self.f0))
        return graph

    def _get(self, name: str, load: Callable[[], Any]) -> Any:
        with self.lock:
            if name not in self.graphs:
                self.graphs[name] = load()
            return self.graphs[name]


def _run_piece(graph: Graph, samples: npt.NDArray[np.floating[Any]], piece: Piece) -> dict[str, npt.NDArray[Any]]:
    """The outputs of an F0 graph for the frames that a piece gives."""
    audio = samples[piece.samples].astype(np.float32)[None]
    release(samples)
    outputs = graph.run({"audio": audio})
    frames = audio.shape[1] // registry.HOP + 1
    for name, shape in (("salience", (frames, None)), ("f0", (frames,))):
        if name in outputs:
            graph.refuse_shape(name, outputs[name], shape)
    return {name: value[piece.kept] for name, value in outputs.items()}


@dataclass(frozen=True)
class OnnxContent:
    """The graph content.onnx, called as HuBERT is."""

    graph: Graph
    version: str

    def __call__(self, samples: Tensor, layer: int | None = None, project: bool = False) -> Tensor:
        """float32 (1, L) at 16 kHz → float32 (1, n, C); the graph computes the voice's layer and projection.

        Raises:
            BadInput: there are fewer than 400 samples.
        """
        if samples.shape[1] < HubertConfig().field:
            raise BadInput(f"the audio has {samples.shape[1]} samples at 16 kHz, but a content frame needs 400")
        values = self.graph.run({"audio": samples.numpy()})["content"]
        self.graph.refuse_shape("content", values, (1, None, VERSIONS[self.version].content_channels))
        return torch.from_numpy(values)


@dataclass(frozen=True)
class OnnxSynthesizer:
    """The graph synthesizer.onnx of a voice."""

    graph: Graph
    exported: ExportedVoice

    @property
    def upp(self) -> int:
        """Output samples per frame of 10 ms."""
        return self.exported.upp


@dataclass(frozen=True)
class OnnxSegment(Segment):
    """The stages of a segment; one run of the graph computes those from content to waveform."""

    synthesizer: Any  # OnnxSynthesizer

    def latent(self, content: SegmentContent, pitch: Pitch | None, frames: int) -> Any:
        """Every output of the graph, by name."""
        exported = self.synthesizer.exported
        inputs = {
            "content": np.ascontiguousarray(self.content(content, pitch, frames)),
            "speaker": np.array([self.config.speaker], np.int64),
            "noise_z": self.draw("noise.z", (1, int(exported.fields["latent_channels"]), frames)).numpy(),
        }
        if pitch is not None:
            shape = (1, 1) if self.config.profile.generation == "A" else (1, 1, 1)
            self.noise.draw(f"{self.name}.noise.phase", shape, "uniform")
            inputs |= {"coarse": pitch.coarse, "hz": pitch.hz}
            inputs["noise_source"] = self.draw("noise.nsf", (1, frames * self.synthesizer.upp, 1)).numpy()
        values = self.synthesizer.graph.run(inputs)
        self.synthesizer.graph.refuse_shape("waveform", values["waveform"], (1, frames * self.synthesizer.upp))
        for name in interface.synthesizer_outputs(pitch is not None)[1:]:
            self.record(name, values[name])
        return values["waveform"][0]

    def wave(self, z: Any, pitch: Pitch | None, first: int, last: int) -> Samples:
        """The samples of the frames first … last − 1 of the waveform that `latent` returned: float32 (samples,)."""
        upp = self.synthesizer.upp
        full = self.record("waveform.segment.full", z)
        segment: Samples = self.record("waveform.segment", full[first * upp : max(last, first) * upp])
        return segment
