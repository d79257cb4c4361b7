"""An exported folder: its description, its graphs and its index."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx import f0 as pitch
from rvc_onnx import f0_pieces, retrieval, runtimes
from rvc_onnx.errors import OnnxVoiceError
from rvc_onnx.f0_pieces import HOP
from rvc_onnx.files import read_safetensors

FORMAT = "rvc-onnx-voice/1"


def read_description(folder: Path) -> dict[str, Any]:
    """The contents of voice.json.

    Raises:
        OnnxVoiceError: the folder is not complete or of another format.
    """
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
    return facts


class Folder:
    """An opened folder; a graph is opened when it is first run.

    Attributes:
        facts: the contents of voice.json.
    """

    def __init__(self, folder: Path, threads: int = 0, runtime: str = "onnxruntime") -> None:
        """Open a folder.

        Args:
            folder: what `rvc export --format onnx` wrote.
            threads: processor threads of each graph; 0 takes the runtime's default.
            runtime: "onnxruntime" or "openvino".
        Raises:
            OnnxVoiceError: the folder is not complete or of another format.
        """
        self.folder, self.facts = folder, read_description(folder)
        self._threads, self._runtime = threads, runtime
        self._graphs: dict[str, runtimes.Graph] = {}
        self._index: retrieval.Index | None = None

    def graph(self, name: str) -> runtimes.Graph:
        """The opened graph of a file.  Raises OnnxVoiceError for a damaged file."""
        if name not in self._graphs:
            self._graphs[name] = runtimes.open_graph(self.folder / name, self._threads, self._runtime)
        return self._graphs[name]

    def run(self, name: str, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Every output of a graph by name."""
        return self.graph(name).run({port: np.asarray(value, order="C") for port, value in inputs.items()})

    def features(self, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Content features (1, n, C) of samples (1, L) at 16 kHz."""
        return self.run("content.onnx", {"audio": audio})["content"]

    @property
    def index(self) -> retrieval.Index | None:
        """The index, or None where the folder has none."""
        if self._index is None and self.facts["retrieval"]:
            arrays = read_safetensors(self.folder / "retrieval.safetensors")
            self._index = retrieval.Index(arrays, self.facts["retrieval"])
        return self._index

    def graph_f0(
        self, method: str, samples: pitch.Track, dither: Callable[[int], npt.NDArray[np.float32]]
    ) -> pitch.Track:
        """The F0 of a method with a graph: (L,) at 16 kHz → (L // 160 + 1,), Hz, 0 where unvoiced.

        Args:
            method: a method of the folder.
            samples: float (L,).
            dither: number of frames → CREPE's dither in cents.
        """
        pieces = f0_pieces.pieces(method, samples)
        runs = (self._run_piece(self.facts["f0_methods"][method], samples, piece) for piece in pieces)
        if method in f0_pieces.SALIENCE_ONLY:
            return pitch.decode_crepe((run["salience"] for run in runs), dither(len(samples) // HOP + 1))
        return np.concatenate([run["f0"] for run in runs])

    def _run_piece(self, file: str, samples: pitch.Track, piece: f0_pieces.Piece) -> dict[str, npt.NDArray[Any]]:
        outputs = self.run(file, {"audio": samples[piece.samples].astype(np.float32)[None]})
        return {name: value[piece.kept] for name, value in outputs.items()}

    def check_choice(self, method: str, speaker: int) -> None:
        """Raise OnnxVoiceError where the folder or the runtime lacks an F0 method, or the voice a speaker."""
        if self.facts["f0"] and method in runtimes.WRONG_METHODS.get(self._runtime, ()):
            raise OnnxVoiceError(
                f"{self._runtime} computes the graph of the F0 method {method} wrongly; choose the runtime "
                "onnxruntime, or another method"
            )
        known = [*self.facts["f0_methods"], *pitch.LIBRARIES]
        if self.facts["f0"] and method not in known:
            raise OnnxVoiceError(f"{self.folder} has no F0 method {method}; choose one of {', '.join(known)}")
        if not 0 <= speaker < int(self.facts["speakers"]):
            raise OnnxVoiceError(f"speaker is {speaker}; the voice has {self.facts['speakers']}, from 0")
