"""mlx-rvc as a candidate, from a checkout: the stages of its pipeline alone."""

import contextlib
import importlib
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from parity.hooks.inline.given_answers import GivenNeighbors, answers_mean
from parity.hooks.interception import at_return, replaced
from parity.hooks.serving import Array, Arrays, Case, Lacks, Tape, serve
from parity.hooks.synthesizer import LATENTS, SPEAKER, Stopped

_OF_F0 = "f0.raw f0.filled f0.hz f0.coarse"
_OF_CONTENT = "hubert.features retrieval.search retrieval.weights retrieval.mean retrieval.blended"
_OF_VOICE = "content.upsampled content.protected spk.g enc_p z_p flow nsf generator"


class MlxRvc:
    """The stages of mlx-rvc, each run alone.

    Its conversion does not pad the input, so that no tensor after `audio16k` has the frames of a golden. A method
    `stage_NAME` takes a segment's prefix and the stage's inputs, and returns its tensors by full name.
    """

    name, version, chain, profiles = "mlx-rvc", "f266335", False, ("webui-2026",)
    stages = ("audio16k", *_OF_F0.split(), *_OF_CONTENT.split(), *_OF_VOICE.split())

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.module: Any = None
        self.loaded: str | None = None
        self.contentvec: Any = None
        self.rmvpe: Any = None

    def run(self, case: Case, inputs: Arrays, tape: Tape) -> None:
        """Raise Lacks: the adapter runs no whole conversion."""
        raise Lacks("its conversion does not pad the input")

    def run_stage(self, case: Case, stage: str, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """What one stage makes of given inputs."""
        if not case["voice"]["f0"]:
            raise Lacks("it has no voices without F0")
        self._load(case)
        method: Callable[[str, Arrays], dict[str, Any]] = getattr(self, "stage_" + stage.replace(".", "_"))
        return method(prefix, inputs)

    def _load(self, case: Case) -> None:
        self.case = case
        if self.module is None:
            sys.path.insert(0, str(self.checkout))
            self.mlx: Any = importlib.import_module("mlx.core")
            self.module = importlib.import_module("mlx_rvc.pipeline")
            self.search = importlib.import_module("mlx_rvc.index")
        if self.loaded != case["files"]["model"]:
            weights, config = self.module.load_checkpoint(case["files"]["model"])
            self.net = self.module.SynthesizerTrnMs768NSFsid(**config)
            self.module.load_model(self.net, weights)
            self.pipe = self.module.RVCPipeline(self.net, None, config["sr"], in_channels=config["in_channels"])
            self.loaded = case["files"]["model"]

    # ---- the pipeline

    def stage_audio16k(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `audio16k`: the array that its content features are computed of."""
        recorded: dict[str, Any] = {}

        def stop(audio: Array) -> Any:
            recorded["audio16k"] = audio.copy()
            raise Stopped

        self._convert(inputs["audio16k.raw"], {"_extract_contentvec": stop})
        return recorded

    def _convert(self, audio: Array, methods: dict[str, Any], infer: Any = None) -> None:
        """The program's conversion of an array, with stand-ins for methods and for the synthesizer."""
        options = self.case["options"]
        with ExitStack() as stack:
            stack.enter_context(replaced(self.module, load_audio=lambda *_, **__: audio.copy()))
            stack.enter_context(replaced(self.pipe, synthesizer=SimpleNamespace(infer=infer), **methods))
            stack.enter_context(contextlib.suppress(Stopped))
            self.pipe.convert("input.wav", "output.wav", options["speaker"], options["transpose"], index_path=None)

    def stage_hubert_features(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `hubert.features`: of mlx-contentvec, whose adapter converts the weights."""
        if self.contentvec is None:
            hubert = Path(self.case["files"]["hubert"]) / "model.safetensors"
            self.contentvec = sibling("mlx-contentvec")["MlxContentvec"]()._loaded(hubert)
        with replaced(self.pipe, contentvec=self.contentvec):
            return {prefix + "hubert.features": self.pipe._extract_contentvec(inputs[prefix + "audio"][0])}

    def stage_f0_raw(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.raw`: harvest, or mlx-rmvpe, whose adapter converts the weights."""
        method = self.case["options"]["f0_method"]
        if method not in ("harvest", "rmvpe"):
            raise Lacks(f"it has no F0 method {method}")
        if method == "rmvpe" and self.rmvpe is None:
            self.rmvpe = sibling("mlx-rmvpe")["MlxRmvpe"]().open(Path(self.case["files"]["rmvpe_tensors"]))
        with replaced(self.pipe, _rmvpe_model=self.rmvpe):
            return {"f0.raw": self.pipe._extract_f0(inputs["padded"].astype(np.float32), 0, method)[0]}

    def stage_f0_filled(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.filled`: a curve that is not transposed."""
        raw = inputs["f0.raw"]
        return {"f0.filled": self._curve(raw, 0)[0].astype(raw.dtype)}

    def stage_f0_hz(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.hz`."""
        return {"f0.hz": self._shifted(inputs)[0][None]}

    def stage_f0_coarse(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.coarse`."""
        return {"f0.coarse": self._shifted(inputs)[1][None]}

    def _shifted(self, inputs: Arrays) -> tuple[Array, Array]:
        curve = inputs["f0.filled"] if "f0.filled" in inputs else inputs["f0.raw"]
        frames = len(curve) - (self.case["options"]["f0_method"] != "pm")  # the others count the frames' centers
        return self._curve(curve[:frames], self.case["options"]["transpose"])

    def _curve(self, curve: Array, semitones: float) -> tuple[Array, Array]:
        """(hz, coarse) of a given curve."""
        with replaced(self.module, extract_f0_harvest=lambda *_, **__: curve.copy()):
            hz, coarse = self.pipe._extract_f0(np.zeros(16, np.float32), semitones, "harvest")
        return hz, coarse

    # ---- retrieval

    def stage_retrieval_search(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.search`."""
        made = self._blend(inputs[prefix + "hubert.features"], self._index())
        return {prefix + "retrieval.distances": made["distances"], prefix + "retrieval.ids": made["indices"]}

    def stage_retrieval_weights(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.weights`."""
        distances, index = inputs[prefix + "retrieval.distances"], self._index()
        index.index = GivenNeighbors(distances, np.zeros(distances.shape, np.int64))
        return {prefix + "retrieval.weights": self._blend(self._zeros(index, len(distances)), index)["weights"]}

    def stage_retrieval_mean(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.mean`, of distances that give the weights."""
        weights, index = inputs[prefix + "retrieval.weights"], self._index()
        with np.errstate(divide="ignore"):
            distances = (1 / np.sqrt(weights)).astype(np.float32)
        index.index = GivenNeighbors(distances, inputs[prefix + "retrieval.ids"])
        return {prefix + "retrieval.mean": self._blend(self._zeros(index, len(weights)), index)["blended"]}

    def stage_retrieval_blended(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.blended`."""
        mean, features = inputs[prefix + "retrieval.mean"], inputs[prefix + "hubert.features"]
        index = self._index()
        index.index, index.features = answers_mean(mean), mean
        made = self._blend(features, index)["output"]
        return {prefix + "retrieval.blended": made.reshape(features.shape)}

    def _index(self) -> Any:
        return self.search.load_index(self.case["files"]["index"])

    def _zeros(self, index: Any, frames: int) -> Array:
        return np.zeros((1, frames, index.features.shape[1]), np.float32)

    def _blend(self, features: Array, index: Any) -> dict[str, Any]:
        """The local variables of its function that mixes."""
        recorded: dict[str, Any] = {}
        with at_return(blend=recorded.update):
            index.blend(features, self.case["options"]["index_rate"], 8)
        return recorded

    # ---- what the synthesizer gets

    def stage_content_upsampled(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `content.upsampled`: the content that the synthesizer gets, with an F0 of 10 ms frames."""
        features = inputs.get(prefix + "retrieval.blended", inputs.get(prefix + "hubert.features"))
        assert features is not None
        return {prefix + "content.upsampled": self._content(features, np.ones(2 * features.shape[1], np.float32))}

    def stage_content_protected(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `content.protected`: the content that the synthesizer gets for content of 10 ms frames."""
        made = self._content(inputs[prefix + "content.upsampled"], inputs["f0.hz"][0])
        return {prefix + "content.protected": made}

    def _content(self, features: Array, hz: Array) -> Array:
        recorded: list[Array] = []

        def stop(phone: Any, *_: Any) -> Any:
            recorded.append(np.array(phone))
            raise Stopped

        methods = {
            "_extract_contentvec": lambda _audio: features.copy(),
            "_extract_f0": lambda *_: (hz, np.ones(len(hz), np.int32)),
        }
        self._convert(np.ones(16, np.float32), methods, stop)
        return recorded[0]

    # ---- the synthesizer

    def stage_spk_g(self, prefix: str, _inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `spk.g`."""
        return {prefix + "spk.g": self._until_flow(prefix, {})[1]}

    def stage_enc_p(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `enc_p`."""
        content, coarse = inputs[prefix + "content.protected"], inputs["f0.coarse"].astype(np.int32)
        lengths = self.mlx.array([content.shape[1]])
        mean, deviation, _ = self.net.enc_p(self.mlx.array(content), self.mlx.array(coarse), lengths)
        return {prefix + "enc_p.m": np.array(mean), prefix + "enc_p.logs": np.array(deviation)}

    def stage_z_p(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `z_p`."""
        return {prefix + "z_p": self._until_flow(prefix, inputs)[0]}

    def stage_flow(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `flow`."""
        z_p, g = self.mlx.array(inputs[prefix + "z_p"]), self.mlx.array(inputs[prefix + "spk.g"])
        return {prefix + "flow.z": np.array(self.net.flow(z_p, self.mlx.ones((1, 1, z_p.shape[2])), g=g, reverse=True))}

    def stage_nsf(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `nsf`."""
        module, recorded = self.net.dec.m_source, []
        sine = module.l_sin_gen

        def tapped(*arguments: Any) -> Any:
            made = sine(*arguments)
            recorded.append(np.array(made[0]))
            return made

        with swapped(module, "l_sin_gen", tapped), self._noise(inputs, prefix + "noise.nsf"):
            source = np.array(module(self.mlx.array(inputs["f0.hz"]), self.net.dec.upp)[0])
        return {prefix + "nsf.sine": recorded[0], prefix + "nsf.source": source.transpose(0, 2, 1)}

    def stage_generator(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `generator`."""
        z, g = self.mlx.array(inputs[prefix + "flow.z"]), self.mlx.array(inputs[prefix + "spk.g"])
        source = self.mlx.array(inputs[prefix + "nsf.source"].transpose(0, 2, 1))
        with swapped(self.net.dec, "m_source", lambda *_: (source, None, None)):
            made = self.net.dec(z, self.mlx.ones((1, z.shape[2])), g=g)
        return {prefix + "waveform.segment.full": np.array(made)[0, 0]}

    def _until_flow(self, prefix: str, inputs: Arrays) -> tuple[Array, Array]:
        """(z_p, g) of a given prior, of zeros where none is given."""
        zeros = np.zeros((1, LATENTS, 16), np.float32)
        mean, deviation = (self.mlx.array(inputs.get(prefix + name, zeros)) for name in ("enc_p.m", "enc_p.logs"))
        frames, recorded = mean.shape[2], []

        def stop(z_p: Any, *_: Any, g: Any, **__: Any) -> Any:
            recorded.append((np.array(z_p), np.array(g)))
            raise Stopped

        prior = (mean, deviation, self.mlx.ones((1, 1, frames)))
        with (
            swapped(self.net, "enc_p", lambda *_: prior),
            swapped(self.net, "flow", stop),
            self._noise(inputs, prefix + "noise.z"),
            contextlib.suppress(Stopped),
        ):
            self.net.infer(None, None, None, None, self.mlx.array([self.case["options"]["speaker"]]))
        assert recorded[0][1].shape[1] == SPEAKER
        made: tuple[Array, Array] = recorded[0]
        return made

    @contextmanager
    def _noise(self, inputs: Arrays, name: str) -> Iterator[None]:
        """The recorded noise in place of its own, where there is any."""
        drawn = {} if name not in inputs else {"normal": lambda shape: self.mlx.array(inputs[name].reshape(shape))}
        with replaced(self.mlx.random, **drawn):
            yield


@contextmanager
def swapped(module: Any, name: str, stand_in: Any) -> Iterator[None]:
    """Another object in place of a part of an MLX module, which keeps its parts as entries of a dictionary."""
    before = getattr(module, name)
    setattr(module, name, stand_in)
    try:
        yield
    finally:
        setattr(module, name, before)


def sibling(name: str) -> dict[str, Any]:
    """The global names of another program's adapter."""
    return runpy.run_path(str(Path(__file__).parents[1] / name / "adapter.py"))


if __name__ == "__main__":
    serve(MlxRvc(Path(sys.argv[1]).resolve()))
