"""The stages that a pipeline computes inline, alone: its own code runs, and stand-ins answer what comes before.

A pipeline's method runs until its first segment (`_front`), one segment runs with given features and a synthesizer that
records its inputs (`_middle`), or the method runs on with a given segment (`_tail`).
"""

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import librosa
import numpy as np
import scipy.signal
import torch
import torch.nn.functional as F

from parity.hooks.interception import call_with_known, locals_of, replaced
from parity.hooks.serving import Array, Arrays, Case, Tape, snapshot
from parity.hooks.synthesizer import Stopped

FRAME = 160  # samples at 16 kHz in 10 ms
_NO_MIX = {"rms_mix_rate": 1, "volume_envelope": 1, "resample_sr": 0}
_SILENCE = np.zeros(48000)  # a high-passed input of three seconds, where none is read


class GivenNeighbors:
    """A faiss index that answers with given distances and ids."""

    def __init__(self, distances: Array, ids: Array) -> None:
        self.answer = distances, ids

    def search(self, _features: Any, k: int = 8) -> tuple[Array, Array]:
        """The given answer."""
        return self.answer


class RecordingSynthesizer:
    """A synthesizer that keeps its arguments and returns silence; it has all other attributes of the program's own."""

    def __init__(self, net: Any) -> None:
        self.net = net
        self.arguments: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.net, name)

    def infer(self, *arguments: Any) -> tuple[torch.Tensor]:
        """Eight samples of silence."""
        self.arguments = arguments
        return (torch.zeros(1, 1, 8),)


class GivenF0:
    """An RMVPE that answers with a given curve."""

    def __init__(self, f0: Array) -> None:
        self.f0 = f0

    def infer_from_audio(self, *_: Any, **__: Any) -> Array:
        """The given curve."""
        return self.f0.copy()


class InlineStages:
    """The inline stages of `parity.hooks.pipeline.PipelineCandidate`, by the attributes that it sets.

    A method `stage_NAME` takes the prefix of a segment ("" for a stage of the file) and the stage's inputs by full
    name. It returns full name → tensor, with the shapes and dtypes of docs/spec/00 §0.3.
    """

    pipe: Any
    net: Any
    module: Any
    content: Any
    names: Any
    case: Case
    index: Any
    vectors: Any

    def core(self, audio: Array, **changes: Any) -> Any:
        """See PipelineCandidate."""
        raise NotImplementedError

    def values(self, **changes: Any) -> dict[str, Any]:
        """See PipelineCandidate."""
        raise NotImplementedError

    def convert(self, audio: Array, case: Case) -> Any:
        """See PipelineCandidate."""
        raise NotImplementedError

    @property
    def loudness(self) -> tuple[Any, str]:
        """Owner and name of the function that mixes the input's loudness."""
        return self.module, "change_rms"

    # ---- before the first segment

    @property
    def guarded(self) -> tuple[Any, str, str]:
        """Owner, name and parameter of the function that gets the input after its peak guard."""
        return self.pipe, self.names.pipeline, "audio"

    def stage_audio16k(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `audio16k`."""
        recorded: dict[str, Array] = {}
        owner, name, parameter = self.guarded
        run = getattr(owner, name)

        def stop(*arguments: Any, **named: Any) -> Any:
            recorded["audio16k"] = snapshot(inspect.signature(run).bind(*arguments, **named).arguments[parameter])
            raise Stopped

        with replaced(owner, **{name: stop}), contextlib.suppress(Exception):  # a program may turn Stopped into another
            self.convert(inputs["audio16k.raw"].copy(), self.case)
        return recorded

    def stage_highpassed(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `highpassed`."""
        return {"highpassed": snapshot(self._front(inputs["audio16k"])[self.names.audio]).reshape(-1)}

    def stage_segment_cuts(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `segment.cuts`."""
        variables = self._front(inputs["highpassed"], inputs["highpassed"])
        cuts = variables.get(self.names.cuts)
        if not cuts:
            return {"segment.cuts": np.zeros(0, np.int64)}
        return {"quiet.profile": variables[self.names.profile], "segment.cuts": np.array([int(cut) for cut in cuts])}

    def stage_padded(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `padded`."""
        return {
            "padded": snapshot(self._front(inputs["highpassed"], inputs["highpassed"])[self.names.padded]).reshape(-1)
        }

    def _front(self, audio: Array, highpassed: Array | None = None) -> dict[str, Any]:
        """The local variables of the pipeline's method when it calls its first segment."""
        recorded: dict[str, Any] = {}

        def stop(*_: Any, **__: Any) -> Any:
            recorded.update(locals_of(self.names.pipeline))
            raise Stopped

        filtfilt = scipy.signal.filtfilt if highpassed is None else lambda *_, **__: highpassed.copy()
        with (
            replaced(self.pipe, **{self.names.segment: stop, self.names.f0: _any_f0}),
            replaced(scipy.signal, filtfilt=filtfilt),
            contextlib.suppress(Stopped),
        ):
            self.core(audio)
        return recorded

    def stage_seg_audio(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `seg.audio`: the part of `padded` between two cuts, as HuBERT gets it."""
        padded, number = inputs["padded"], int(prefix[3:-1])
        parts: list[Array] = []
        parameters = inspect.signature(getattr(self.pipe, self.names.segment))

        def keep(*arguments: Any, **named: Any) -> Any:
            parts.append(snapshot(parameters.bind(*arguments, **named).arguments[self.names.segment_audio]))
            return self.segment_result(np.zeros(2 * int(self.pipe.t_pad_tgt) + 8, np.float32))

        pad = int(self.pipe.t_pad)
        cuts = [int(cut) for cut in inputs.get("segment.cuts", ())]
        self._segments(_quiet_at(len(padded) - 2 * pad, cuts), bool(cuts), keep, padded)
        frames = (parts[number].size - 80) // (2 * FRAME)
        channels = 256 if self.case["voice"]["version"] == "v1" else 768
        tape = self._middle(prefix, parts[number], np.zeros((1, frames, channels), np.float32))
        return {prefix + "audio": tape[prefix + "audio"].reshape(1, -1)}

    def stage_concat(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `concat`: the segments joined."""
        parts = [inputs[f"seg{number}.waveform.segment"] for number in range(len(inputs))]
        waiting = [self.segment_result(self._with_padding(part)) for part in parts]
        center = int(self.pipe.t_center)
        sound = _quiet_at(center * len(parts), [center * number for number in range(1, len(parts))])
        return {"waveform.concat": self._segments(sound, len(parts) > 1, lambda *_, **__: waiting.pop(0))["joined"]}

    def _segments(self, highpassed: Array, cut: bool, segment: Any, padded: Array | None = None) -> Tape:
        """The pipeline's method with a given input after its high-pass and a stand-in for each segment: "joined"."""
        tape, pad = Tape(), np.pad

        def pad_input(value: Any, width: Any, *arguments: Any, **named: Any) -> Any:
            given = padded is not None and np.ravel(width)[-1] == int(self.pipe.t_pad)
            return padded.copy() if given and padded is not None else pad(value, width, *arguments, **named)

        methods = {self.names.segment: segment, self.names.f0: _any_f0, "t_max": 0 if cut else 1 << 40}
        with (
            replaced(self.pipe, **methods),
            replaced(scipy.signal, filtfilt=lambda *_, **__: highpassed.copy()),
            replaced(np, pad=pad_input),
            self._tapped_join(lambda pieces, joined: tape("joined", joined)),
        ):
            self.core(np.zeros(len(highpassed), np.float32), **_NO_MIX)
        return tape

    # ---- F0

    @contextmanager
    def given_f0(self, f0: Array) -> Iterator[None]:
        """Answer F0 method rmvpe with a given curve while the block runs."""
        with replaced(self.pipe, model_rmvpe=GivenF0(f0)):
            yield

    def stage_f0_raw(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.raw`."""
        tape, _, _ = self._f0(inputs["padded"], self.case["options"]["f0_method"], 0)
        return {"f0.raw": tape["f0.raw"]}

    def stage_f0_filled(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.filled`."""
        raw = inputs["f0.raw"]
        tape, _, _ = self._f0(np.zeros(len(raw) * FRAME), "rmvpe", 0, raw)
        return {"f0.filled": tape["f0.complete"].astype(raw.dtype)}

    def stage_f0_hz(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.hz`."""
        return {"f0.hz": self._shifted(inputs)[1][None]}

    def stage_f0_coarse(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `f0.coarse`."""
        return {"f0.coarse": self._shifted(inputs)[0][None]}

    def _shifted(self, inputs: Arrays) -> tuple[Array, Array]:
        """(coarse, hz) of a given curve, transposed as in the case.

        A curve has one frame more than the audio where its method counts the frames' centers.
        """
        curve = inputs.get("f0.filled", inputs.get("f0.raw"))
        assert curve is not None
        frames = len(curve) - (self.case["options"]["f0_method"] != "pm")
        _, coarse, hz = self._f0(np.zeros(frames * FRAME), "rmvpe", self.case["options"]["transpose"], curve)
        return coarse, hz

    def _f0(self, padded: Array, method: str, key: int, f0: Array | None = None) -> tuple[Tape, Array, Array]:
        """The method that estimates F0: its curve before filling and transposition, coarse and hz."""
        tape, frames, interp = Tape(), len(padded) // FRAME, np.interp
        if hasattr(self.module, "cache_harvest_f0"):
            self.module.cache_harvest_f0.cache_clear()

        def power(*arguments: Any) -> Any:
            variables = locals_of(self.names.f0)
            if "f0" in variables:
                tape("f0.complete", variables["f0"])
            return pow(*arguments)

        def fill(*arguments: Any, **named: Any) -> Any:
            variables = locals_of(self.names.f0)
            if "f0" in variables and ("uv" in variables or "unvoiced" in variables):
                tape("f0.raw", variables["f0"])
            return interp(*arguments, **named)

        given = contextlib.nullcontext() if f0 is None else self.given_f0(f0)
        with replaced(np, interp=fill), replaced(self.module, pow=power), given:
            coarse, hz = self.estimate_f0(padded, frames, method, key)
        tape.setdefault("f0.raw", tape["f0.complete"])
        return tape, snapshot(coarse).reshape(-1)[:frames], snapshot(hz).reshape(-1)[:frames]

    def estimate_f0(self, padded: Array, frames: int, method: str, key: int) -> Any:
        """Call the method that estimates F0: (coarse, hz)."""
        values = self.values(x=padded, p_len=frames, f0_up_key=key, pitch=key, f0_method=method)
        return call_with_known(getattr(self.pipe, self.names.f0), values)

    # ---- content features and retrieval

    def stage_hubert_features(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `hubert.features`."""
        return _only(self._middle(prefix, inputs[prefix + "audio"][0]), prefix, "hubert.features")

    def stage_retrieval_search(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.search`."""
        tape = self._middle(prefix, None, inputs[prefix + "hubert.features"], self.index, self.vectors)
        return _only(tape, prefix, "retrieval.distances", "retrieval.ids")

    def stage_retrieval_weights(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.weights`."""
        distances = inputs[prefix + "retrieval.distances"]
        index = GivenNeighbors(distances, np.zeros(distances.shape, np.int64))
        return _only(
            self._middle(prefix, None, self._no_features(len(distances)), index, self.vectors),
            prefix,
            "retrieval.weights",
        )

    def stage_retrieval_mean(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.mean`, of distances that give the weights."""
        weights, ids = inputs[prefix + "retrieval.weights"], inputs[prefix + "retrieval.ids"]
        with np.errstate(divide="ignore"):
            distances = (1 / np.sqrt(weights)).astype(np.float32)
        index = GivenNeighbors(distances, ids)
        return _only(
            self._middle(prefix, None, self._no_features(len(weights)), index, self.vectors), prefix, "retrieval.mean"
        )

    def stage_retrieval_blended(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `retrieval.blended`."""
        mean = inputs[prefix + "retrieval.mean"]
        tape = self._middle(prefix, None, inputs[prefix + "hubert.features"], answers_mean(mean), mean)
        return _only(tape, prefix, "retrieval.blended")

    def stage_content_upsampled(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `content.upsampled`."""
        features = inputs.get(prefix + "retrieval.blended", inputs.get(prefix + "hubert.features"))
        return _only(self._middle(prefix, None, features), prefix, "content.upsampled")

    def stage_content_protected(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `content.protected`."""
        blended = np.ascontiguousarray(inputs[prefix + "content.upsampled"][0, ::2])
        features = inputs[prefix + "hubert.features"]
        tape = self._middle(prefix, None, features, answers_mean(blended), blended, rate=1, hz=inputs.get("f0.hz"))
        return _only(tape, prefix, "content.protected")

    def _no_features(self, frames: int) -> Array:
        return np.zeros((1, frames, self.vectors.shape[1]), np.float32)

    def _middle(
        self,
        prefix: str,
        audio: Array | None,
        features: Array | None = None,
        index: Any = None,
        vectors: Array | None = None,
        rate: float | None = None,
        hz: Array | None = None,
    ) -> Tape:
        """One segment up to the synthesizer: of audio (L,), or with given features (1, n, C) in place of HuBERT's."""
        tape, net = Tape(), RecordingSynthesizer(self.net)
        interpolate, from_numpy = F.interpolate, torch.from_numpy
        options, doubling = self.case["options"], [True]

        def first_interpolation(value: Any, *arguments: Any, **named: Any) -> Any:
            result = interpolate(value, *arguments, **named)
            if doubling[0]:
                doubling[0] = False
                tape(prefix + "retrieval.blended", value.permute(0, 2, 1))
                tape(prefix + "content.upsampled", result.permute(0, 2, 1))
            return result

        def to_torch(value: Any) -> Any:
            record_neighbors(tape, prefix, self.names.neighbors, sys._getframe(1).f_locals)
            return from_numpy(value)

        def record_content(source: Any, extracted: Any) -> None:
            tape(prefix + "audio", source)
            tape(prefix + "hubert.features", extracted)

        hz_tensor = None if hz is None else from_numpy(np.ascontiguousarray(hz))
        with ExitStack() as stack:
            stack.enter_context(replaced(F, interpolate=first_interpolation))
            stack.enter_context(replaced(torch, from_numpy=to_torch))
            model = getattr(self.content, "model", None)
            if features is None:
                stack.enter_context(self.content.tapped(record_content))
            else:
                if audio is None:
                    audio = np.zeros(features.shape[1] * 2 * FRAME + 400)  # as long as the audio of so many frames
                model = stack.enter_context(self.content.answering(from_numpy(features.copy()), record_content))
            assert audio is not None
            self.segment(
                model=model,
                net_g=net,
                sid=torch.tensor([options["speaker"]]),
                audio0=audio,
                pitch=None if hz_tensor is None else torch.ones(hz_tensor.shape, dtype=torch.long),
                pitchf=hz_tensor,
                index=index,
                big_npy=vectors,
                index_vectors=vectors,
                index_rate=options["index_rate"] if rate is None else rate,
            )
        tape(prefix + "content.protected", net.arguments[0])
        return tape

    def segment_result(self, full: Array) -> Any:
        """A segment's waveform, float32 (samples,), as the method of one segment returns it."""
        return full.copy()

    def segment(self, **values: Any) -> Any:
        """Call the method of one segment with the values that it has parameters for."""
        return call_with_known(getattr(self.pipe, self.names.segment), self.values(**values))

    # ---- after the last segment

    def stage_trim(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `trim`."""
        made = self._tail(inputs[prefix + "waveform.segment.full"], _SILENCE, **_NO_MIX)
        return {prefix + "waveform.segment": made["trimmed"]}

    def stage_rmsmixed(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rmsmixed`."""
        made = self._tail(self._with_padding(inputs["waveform.concat"]), inputs["highpassed"], resample_sr=0)
        return {"waveform.rmsmixed": made["rmsmixed"]}

    def stage_resampled(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `resampled`."""
        wave = inputs.get("waveform.rmsmixed", inputs.get("waveform.concat"))
        changes = {**_NO_MIX, "resample_sr": self.case["options"]["resample_rate"]}
        return {"waveform.resampled": self._tail(self._with_padding(wave), _SILENCE, **changes)["resampled"]}

    def stage_final(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `final`."""
        names = ("waveform.resampled", "waveform.rmsmixed", "waveform.concat")
        wave = next(inputs[name] for name in names if name in inputs)
        return {"waveform.final": self._tail(self._with_padding(wave), _SILENCE, **_NO_MIX)["final"]}

    def _with_padding(self, wave: Any) -> Array:
        pad = int(self.pipe.t_pad_tgt)
        return np.concatenate([np.zeros(pad, np.float32), wave, np.zeros(pad, np.float32)])

    def _tail(self, full: Array, highpassed: Array, **changes: Any) -> Tape:
        """The pipeline's method with one given segment: "trimmed", "rmsmixed", "resampled" and "final"."""
        tape, resample = Tape(), librosa.resample
        owner, name = self.loudness
        mix = getattr(owner, name)

        def convert_rate(*arguments: Any, **named: Any) -> Any:
            result = resample(*arguments, **named)
            if sys._getframe(1).f_code.co_name == self.names.pipeline:
                tape("resampled", result)
            return result

        def mixed(*arguments: Any, **named: Any) -> Any:
            return tape("rmsmixed", mix(*arguments, **named))

        given = self.segment_result(full)
        methods = {self.names.segment: lambda *_, **__: given, self.names.f0: _any_f0, "t_max": 1 << 40}
        with (
            replaced(self.pipe, **methods),
            replaced(scipy.signal, filtfilt=lambda *_, **__: highpassed.copy()),
            self._tapped_join(lambda pieces, joined: tape("trimmed", pieces[0])),
            replaced(librosa, resample=convert_rate),
            replaced(owner, **{name: mixed}),
        ):
            tape("final", self.core(np.zeros(len(highpassed), np.float32), **changes))
        return tape

    @contextmanager
    def _tapped_join(self, tap: Callable[[Any, Any], Any]) -> Iterator[None]:
        """Call `tap` with the segments and their join where the pipeline's method joins arrays or tensors."""

        def tapped(run: Any) -> Any:
            def call(pieces: Any, *arguments: Any, **named: Any) -> Any:
                result = run(pieces, *arguments, **named)
                if sys._getframe(1).f_code.co_name == self.names.pipeline:
                    tap(pieces, result)
                return result

            return call

        with replaced(np, concatenate=tapped(np.concatenate)), replaced(torch, cat=tapped(torch.cat)):
            yield


def record_neighbors(tape: Tape, prefix: str, names: Any, variables: Any) -> None:
    """Record retrieval's tensors where a function's local variables hold distances and weights."""
    distances, ids, weights, mean = names
    if distances in variables and weights in variables:
        for tensor, local in (("distances", distances), ("ids", ids), ("weights", weights), ("mean", mean)):
            tape(f"{prefix}retrieval.{tensor}", variables[local])


def _quiet_at(length: int, cuts: list[int]) -> Array:
    """float64 (length,): louder with the distance from the nearest cut, so that a search finds exactly the cuts.

    The level of a cut is a sum over the half-open 10 ms around it, whose center is half a sample before it.
    """
    if not cuts:
        return np.ones(length)
    distances = [np.abs(np.arange(length) - (cut - 0.5)) for cut in cuts]
    return np.asarray(np.minimum.reduce(distances) / length + 1e-3)


def _any_f0(*_: Any, **__: Any) -> tuple[Array, Array]:
    """(coarse, hz) of more frames than any segment has."""
    return np.ones(9999, np.int32), np.ones(9999)


def answers_mean(mean: Array) -> GivenNeighbors:
    """An index whose weighted mean over `mean` as vectors is `mean`: the first neighbor has all the weight."""
    distances = np.full((len(mean), 8), np.inf, np.float32)
    distances[:, 0] = 1
    return GivenNeighbors(distances, np.repeat(np.arange(len(mean))[:, None], 8, 1))


def _only(tape: Tape, prefix: str, *names: str) -> dict[str, Any]:
    return {prefix + name: tape[prefix + name] for name in names}
