"""tts-with-rvc-onnx as a candidate: the arithmetic around its ONNX sessions, stage by stage."""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np

from parity.hooks.folders import Scratch
from parity.hooks.inline.given_answers import GivenNeighbors, answers_mean
from parity.hooks.interception import at_return
from parity.hooks.serving import Array, Arrays, Case, Lacks, Tape, serve


class TtsWithRvcOnnx:
    """The program reads a file at the voice's own rate, so that a conversion cannot start from 16 kHz samples."""

    name, version, chain, profiles = "tts-with-rvc-onnx", "0.1.10", False, ("webui-classic", "webui-2026")
    stages = (
        "f0.filled",
        "retrieval.search",
        "retrieval.weights",
        "retrieval.mean",
        "retrieval.blended",
        "content.protected",
    )

    def __init__(self) -> None:
        self.program: Any = None
        self.loaded: tuple[str, Any, Any] | None = None

    def open(self) -> None:
        """Import the package's arithmetic, without its package file, which imports a speech service."""
        Scratch()
        spec = importlib.util.find_spec("tts_with_rvc")
        assert spec is not None and spec.submodule_search_locations
        namespace = ModuleType("tts_with_rvc")
        namespace.__path__ = list(spec.submodule_search_locations)
        sys.modules["tts_with_rvc"] = namespace
        module = importlib.import_module("tts_with_rvc.lib.infer_pack.onnx_inference")
        predictors = "tts_with_rvc.lib.infer_pack.modules.F0Predictor"
        self.predictor = importlib.import_module(f"{predictors}.PMF0Predictor").PMF0Predictor(160, sampling_rate=16000)
        self.program = module.OnnxRVC

    def run(self, case: Case, inputs: Arrays, tape: Tape) -> None:
        """Raise Lacks: the adapter runs no whole conversion."""
        raise Lacks("its inference reads a file at the voice's own rate")

    def run_stage(self, case: Case, stage: str, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """What one stage makes of given inputs."""
        if self.program is None:
            self.open()
        if stage == "f0.filled":
            raw = inputs["f0.raw"]
            return {"f0.filled": self.predictor.interpolate_f0(raw.copy())[0].astype(raw.dtype)}
        if stage == "content.protected":
            return {prefix + stage: self._protected(case, prefix, inputs)}
        made: dict[str, Any] = getattr(self, stage.replace("retrieval.", "_"))(case, prefix, inputs)
        return {f"{prefix}retrieval.{name}": value for name, value in made.items()}

    def _protected(self, case: Case, prefix: str, inputs: Arrays) -> Array:
        if "f0.hz" not in inputs:
            raise Lacks("the exported graph has no voice without F0")
        content = np.ascontiguousarray(inputs[prefix + "content.upsampled"].transpose(0, 2, 1))
        made = self.program.apply_protection(content, inputs["f0.hz"], case["options"]["protect"])
        return np.ascontiguousarray(made.transpose(0, 2, 1))

    def _index(self, case: Case) -> tuple[Any, Any]:
        path = case["files"]["index"]
        if self.loaded is None or self.loaded[0] != path:
            self.loaded = (path, *self.program.load_index(None, path))
        return self.loaded[1:]

    def _applied(self, features: Array, index: Any, vectors: Array, rate: float) -> tuple[dict[str, Any], Array]:
        """`apply_index` on (frames, channels): its local variables, and its result."""
        recorded: dict[str, Any] = {}
        index.d = features.shape[1]
        with at_return(apply_index=recorded.update):
            made = self.program.apply_index(np.ascontiguousarray(features.T[None]), index, vectors, rate)
        return recorded, made[0].T

    def _search(self, case: Case, prefix: str, inputs: Arrays) -> dict[str, Any]:
        recorded, _ = self._applied(inputs[prefix + "hubert.features"][0], *self._index(case), 0.5)
        return {"distances": recorded["distances"], "ids": recorded["indices"]}

    def _weights(self, case: Case, prefix: str, inputs: Arrays) -> dict[str, Any]:
        distances, (_, vectors) = inputs[prefix + "retrieval.distances"], self._index(case)
        zeros = np.zeros((len(distances), vectors.shape[1]), np.float32)
        given = GivenNeighbors(distances, np.zeros(distances.shape, np.int64))
        return {"weights": self._applied(zeros, given, vectors, 0.5)[0]["weights"]}

    def _mean(self, case: Case, prefix: str, inputs: Arrays) -> dict[str, Any]:
        weights, ids, (_, vectors) = (
            *(inputs[f"{prefix}retrieval.{name}"] for name in ("weights", "ids")),
            self._index(case),
        )
        zeros = np.zeros((len(weights), vectors.shape[1]), np.float32)
        given = GivenNeighbors((1 / np.sqrt(weights)).astype(np.float32), ids)
        return {"mean": self._applied(zeros, given, vectors, 1.0)[1]}

    def _blended(self, case: Case, prefix: str, inputs: Arrays) -> dict[str, Any]:
        features, mean = inputs[prefix + "hubert.features"][0], inputs[prefix + "retrieval.mean"]
        _, made = self._applied(features, answers_mean(mean), mean, case["options"]["index_rate"])
        return {"blended": np.ascontiguousarray(made[None])}


if __name__ == "__main__":
    serve(TtsWithRvcOnnx())
