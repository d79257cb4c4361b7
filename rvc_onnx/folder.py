"""An exported folder: its description, its graphs and its index."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx import f0 as pitch
from rvc_onnx import f0_pieces, retrieval, runtimes
from rvc_onnx.errors import OnnxVoiceError
from rvc_onnx.f0_pieces import HOP
from rvc_onnx.files import read_safetensors
from rvc_onnx.profiles import PROFILES

Outputs = Mapping[str, npt.NDArray[Any]]

FORMAT = "rvc-onnx-voice/1"
AGAIN = "export the voice again"
CHANNELS = {"v1": 256, "v2": 768}  # version → channels of the content features
CONTENT, SYNTHESIZER, RETRIEVAL = "content.onnx", "synthesizer.onnx", "retrieval.safetensors"
COUNT = range(1, 1 << 20)  # values that a field has that is a count or a rate
# Fields of voice.json → what each holds: a type, the whole numbers of a range, one of several texts, or an object with
# these fields and no other. Every field is present.
FILTER = {"b": list, "a": list, "initial_state": list, "edge": COUNT, "sections": list}
CONSTANTS: dict[str, Any] = {
    "input_rate": COUNT,
    "input_peak": float,
    "highpass": FILTER,
    "window_seconds": dict.fromkeys(("pad", "query", "center", "max"), float),
    "f0_hop": COUNT,
    "f0_bins": {"lowest_hz": float, "highest_hz": float, "count": COUNT},
    "content_field": COUNT,
    "content_hop": COUNT,
    "protect_off": float,
    "noise_z_scale_in_graph": float,
    "output_peak": float,
    "int16_scale": COUNT,
    "loudness": dict.fromkeys(("frame_seconds", "hop_seconds", "floor"), float),
}
FIELDS: dict[str, Any] = {
    "format": str,
    "specification": str,
    "opset": COUNT,
    "ir_version": COUNT,
    "precision": ("float32", "float16"),
    "version": tuple(CHANNELS),
    "rate": COUNT,
    "f0": bool,
    "speakers": COUNT,
    "hop": COUNT,
    "latent_channels": COUNT,
    "upsample_rates": list,
    "profile": tuple(PROFILES),
    "info": str,
    "embedder": str | None,
    "f0_methods": dict,
    "retrieval": dict | None,
    "constants": CONSTANTS,
    "license": dict,
    "source": {"file": str, "sha256": str},
    "files": dict,
}
# `retrieval` of voice.json for the two kinds of index.
FLAT: dict[str, Any] = {
    "kind": ("flat",),
    "metric": ("l2", "inner product"),
    "vectors": range(1 << 31),
    "channels": COUNT,
    "neighbors": COUNT,
    "file": str,
}
LISTS: dict[str, Any] = {**FLAT, "kind": ("inverted lists",), "lists": COUNT, "probes": COUNT}


def misfit(value: Any, expected: Any, name: str) -> str | None:
    """The first field of a document that does not hold what is expected (see `FIELDS`), None where all fit.

    Args:
        value: what the document holds.
        expected: what it should hold.
        name: the field, with those around it and dots between.
    """
    if isinstance(expected, dict):
        if not isinstance(value, dict):
            return name
        names = {*expected, *value}
        inner = (misfit(value.get(key), expected.get(key), f"{name}.{key}".lstrip(".")) for key in sorted(names))
        return next((fault for fault in inner if fault), None)
    if isinstance(expected, range):
        fits = isinstance(value, int) and not isinstance(value, bool) and value in expected
    elif isinstance(expected, tuple):
        fits = value in expected
    elif expected is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    else:
        fits = expected is not None and isinstance(value, expected)
    return None if fits else name


def read_description(folder: Path) -> dict[str, Any]:
    """The contents of voice.json.

    Raises:
        OnnxVoiceError: the folder is not complete or of another format.
    """
    path = folder / "voice.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise OnnxVoiceError(
            f"{folder} is no exported voice (its voice.json: {str(error)[:100]}); write one with rvc export "
            "--format onnx"
        ) from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise OnnxVoiceError(f"{path} is not of the format {FORMAT}; {AGAIN}")
    if fault := misfit(facts, FIELDS, "") or misfit_inside(facts):
        raise OnnxVoiceError(f"{path} has no valid {fault}; {AGAIN}")
    for name in facts["files"]:
        if Path(name).name != name:
            raise OnnxVoiceError(f"{path} names the file {name!r}, which is no file of the folder; {AGAIN}")
        if not (folder / name).is_file():
            raise OnnxVoiceError(f"{folder} lacks {name}, which its voice.json names; {AGAIN}")
    used = [CONTENT, SYNTHESIZER, *facts["f0_methods"].values(), *([RETRIEVAL] if facts["retrieval"] else [])]
    if missing := [name for name in used if name not in facts["files"]]:
        raise OnnxVoiceError(f"{path} names no digest of {missing[0]}; {AGAIN}")
    return facts


def misfit_inside(fields: dict[str, Any]) -> str | None:
    """The first field that does not fit others, or whose entries are of no valid kind; None where all fit."""
    rates, index = fields["upsample_rates"], fields["retrieval"]
    if any(misfit(rate, COUNT, "rate") for rate in rates) or math.prod(rates) != fields["hop"]:
        return "upsample_rates"
    if not all(isinstance(name, str) for name in [*fields["f0_methods"].values(), *fields["files"].values()]):
        return "f0_methods" if any(not isinstance(name, str) for name in fields["f0_methods"].values()) else "files"
    if index is not None:
        return misfit(index, LISTS if index.get("kind") == LISTS["kind"][0] else FLAT, "retrieval")
    return None


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
            runtime: "onnxruntime" or "openvino", of all graphs but those of F0 (see `runtimes.F0_RUNTIME`).
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
            self._refuse_changed(name)
            runtime = runtimes.F0_RUNTIME if name in self.facts["f0_methods"].values() else self._runtime
            self._graphs[name] = runtimes.open_graph(self.folder / name, self._threads, runtime)
        return self._graphs[name]

    def keep_graphs(self, previous: Folder) -> None:
        """Use the graphs that another folder has opened for the same files; both have one runtime."""
        known = previous.facts["files"]
        for name, digest in self.facts["files"].items():
            if name in previous._graphs and known.get(name) == digest:
                self._graphs[name] = previous._graphs[name]

    def run(self, name: str, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run a graph of the folder.

        Args:
            name: the file of the graph.
            inputs: name of an input → array, of the shapes and dtypes in docs/exported-voice.md.
        Returns:
            Name of an output → array.
        Raises:
            OnnxVoiceError: the file is missing or damaged, or cannot compute these inputs.
        """
        graph = self.graph(name)
        try:
            return graph.run({port: np.asarray(value, order="C") for port, value in inputs.items()})
        except Exception as error:  # a class of its own in each runtime
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise OnnxVoiceError(f"{self.folder / name} cannot compute these inputs ({reason}); {AGAIN}") from None

    def output(self, name: str, port: str, shape: Sequence[int | None], values: Outputs) -> npt.NDArray[Any]:
        """An output of a graph's run.

        Args:
            name: the file of the graph.
            port: the name of the output.
            shape: its shape; None stands for any length.
            values: what the run computed.
        Raises:
            OnnxVoiceError: the graph lacks the output, or computed another shape.
        """
        made = values[port].shape if port in values else None
        fits = made is not None and len(made) == len(shape)
        if made is None or not fits or any(b not in (None, a) for a, b in zip(made, shape, strict=True)):
            expected = "(" + ", ".join("n" if size is None else str(size) for size in shape) + ")"
            what = f"has no output {port}" if made is None else f"computed {port} of shape {made}"
            raise OnnxVoiceError(f"{self.folder / name} {what}, expected {expected}; {AGAIN}")
        return values[port]

    def _refuse_changed(self, name: str) -> None:
        """Raise OnnxVoiceError when a file is not the one that was exported."""
        with (self.folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != self.facts["files"][name]:
                raise OnnxVoiceError(
                    f"{self.folder / name} is not the file that was exported (its sha256 differs from voice.json); "
                    f"{AGAIN}"
                )

    def features(self, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Content features (1, n, C) of samples (1, L) at 16 kHz."""
        shape = (1, None, CHANNELS[self.facts["version"]])
        return self.output(CONTENT, "content", shape, self.run(CONTENT, {"audio": audio}))

    @property
    def index(self) -> retrieval.Index | None:
        """The index, or None where the folder has none."""
        if self._index is None and self.facts["retrieval"]:
            self._refuse_changed(RETRIEVAL)
            arrays = read_safetensors(self.folder / RETRIEVAL)
            self._index = retrieval.Index(arrays, self.facts["retrieval"], CHANNELS[self.facts["version"]])
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
        audio = samples[piece.samples].astype(np.float32)[None]
        outputs = self.run(file, {"audio": audio})
        self.output(file, "salience", (audio.shape[1] // HOP + 1, None), outputs)
        return {name: value[piece.kept] for name, value in outputs.items()}

    def check_choice(self, method: str, speaker: int) -> None:
        """Raise OnnxVoiceError where the folder lacks an F0 method, or the voice a speaker."""
        known = [*self.facts["f0_methods"], *pitch.LIBRARIES]
        if self.facts["f0"] and method not in known:
            raise OnnxVoiceError(f"{self.folder} has no F0 method {method}; choose one of {', '.join(known)}")
        if not 0 <= speaker < int(self.facts["speakers"]):
            raise OnnxVoiceError(f"speaker is {speaker}; the voice has {self.facts['speakers']}, from 0")
