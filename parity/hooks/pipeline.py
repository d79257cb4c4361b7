"""A pipeline that descends from the WebUI's `Pipeline` as a candidate: whole runs with taps, and every stage alone.

A fork's adapter is a subclass of `PipelineCandidate` that loads the fork (`load`) and calls it (`convert`); what
differs from the WebUI is a name in `Names` or one overridden method. The guide is docs/hooks.md.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import librosa
import numpy as np
import torch
import torch.nn.functional as F

from parity.hooks.content import Content
from parity.hooks.inline.inline_stages import InlineStages
from parity.hooks.inline.one_segment import record_neighbors
from parity.hooks.interception import call_with_known, locals_of, replaced
from parity.hooks.noise import Replay
from parity.hooks.serving import Array, Arrays, Case, Lacks, Tape, snapshot
from parity.hooks.streams.block_stages import RealtimeStages
from parity.hooks.synthesizer import SynthesizerStages, synthesizer_taps

_OF_FILES = "audio16k highpassed segment.cuts padded f0.raw f0.filled f0.hz f0.coarse concat rmsmixed resampled final"
_OF_CONTENT = "seg.audio hubert.features retrieval.search retrieval.weights retrieval.mean retrieval.blended"
_OF_VOICE = "content.upsampled content.protected spk.g enc_p z_p flow nsf generator trim"
STAGES = (*_OF_FILES.split(), *_OF_CONTENT.split(), *_OF_VOICE.split())


@dataclass(frozen=True)
class Names:
    """What a fork calls the functions and local variables in which the tensors are.

    Attributes:
        pipeline: The method that converts one 16 kHz array.
        segment: The method that converts one segment.
        f0: The method that estimates F0.
        audio, padded, cuts, profile: Local variables of `pipeline` when it first calls `segment`.
        segment_audio: The parameter of `segment` that holds its audio.
        neighbors: Local variables of the function that retrieves: distances, ids, weights, mean.
    """

    pipeline: str = "pipeline"
    segment: str = "vc"
    f0: str = "get_f0"
    audio: str = "audio"
    padded: str = "audio_pad"
    cuts: str = "opt_ts"
    profile: str = "audio_sum"
    segment_audio: str = "audio0"
    neighbors: tuple[str, str, str, str] = ("score", "ix", "weight", "npy")


class PipelineCandidate(InlineStages, SynthesizerStages, RealtimeStages):
    """The base of a fork's adapter; satisfies `parity.hooks.serving.Adapter`.

    A subclass states `name` and `version` and implements `open`, `load` and `convert`. After `load` these are set:

    Attributes:
        pipe: the object with the methods of `names`.
        net: the synthesizer.
        module: the module that defines the pipeline.
        content: HuBERT, one of the classes of `parity.hooks.content`.
    """

    name = version = ""
    stages: Sequence[str] = STAGES
    chain = True
    profiles: Sequence[str] = ()
    names = Names()
    methods: Sequence[str] = ()  # F0 methods that the program has; empty for all

    pipe: Any
    net: Any
    module: Any
    content: Content

    def __init__(self) -> None:
        self.opened = False
        self.loaded: object = None
        self.index: Any = None
        self.vectors: Any = None

    def open(self, case: Case) -> None:
        """Import the program. Called once, at the first case, so that the handshake is answered at once."""
        raise NotImplementedError

    def load(self, case: Case) -> None:
        """Load the voice of a case. Called when the voice, RMVPE or the window changes."""
        raise NotImplementedError

    def convert(self, audio: Array, case: Case) -> Any:
        """Convert float32 (N,) at 16 kHz, in place of what the program's loader returns; returns the final samples."""
        raise NotImplementedError

    def prepare(self, case: Case) -> None:
        """Load what a case needs. Raises Lacks where the program cannot convert it."""
        if "realtime" in case["options"] and not any(stage.startswith("rt.") for stage in self.stages):
            raise Lacks(f"{self.name} is driven without its realtime loop")
        key = case["files"]["model"], case["files"].get("rmvpe"), tuple(case["options"]["window"])
        self.case = case
        if self.loaded != key:
            with torch.no_grad():
                if not self.opened:
                    self.open(case)
                    self.opened = True
                self.load(case)
            self.loaded = key
        self.index = self.vectors = None
        if case["files"].get("index") and case["options"]["index_rate"]:
            import faiss  # not every program has retrieval

            self.index = faiss.read_index(case["files"]["index"])
            self.vectors = self.index.reconstruct_n(0, self.index.ntotal)

    def _require_method(self, case: Case) -> None:
        method = case["options"]["f0_method"]
        if case["voice"]["f0"] and self.methods and method not in self.methods:
            raise Lacks(f"{self.name} has no F0 method {method}")

    def values(self, **changes: Any) -> dict[str, Any]:
        """Every value that a pipeline of the family takes, by the names of its parameters."""
        options, voice = self.case["options"], self.case["voice"]
        index = (self.case["files"].get("index") or "") if options["index_rate"] else ""
        values = {
            "model": getattr(self.content, "model", None),
            "net_g": self.net,
            "sid": options["speaker"],
            "input_audio_path": "input.wav",
            "times": [0, 0, 0],
            "f0_up_key": options["transpose"],
            "pitch": options["transpose"],
            "f0_method": options["f0_method"],
            "file_index": index,
            "index_file": index,
            "index_rate": options["index_rate"],
            "if_f0": int(voice["f0"]),
            "pitch_guidance": bool(voice["f0"]),
            "filter_radius": options["filter_radius"],
            "tgt_sr": voice["rate"],
            "resample_sr": options["resample_rate"],
            "rms_mix_rate": options["rms_mix_rate"],
            "volume_envelope": options["rms_mix_rate"],
            "version": voice["version"],
            "protect": options["protect"],
            "f0_file": None,
            "f0_autotune": False,
            "f0_autotune_strength": 1.0,
            "proposed_pitch": False,
            "proposed_pitch_threshold": 155.0,
        }
        return values | changes

    def core(self, audio: Array, **changes: Any) -> Any:
        """Call the pipeline's method on float (samples,) at 16 kHz, with the case's options changed by `changes`."""
        return call_with_known(getattr(self.pipe, self.names.pipeline), self.values(audio=np.array(audio), **changes))

    # ---- whole runs

    def run(self, case: Case, inputs: Arrays, tape: Tape) -> None:
        """As `parity.hooks.serving.Adapter.run`; the tape receives every tensor that a tap reaches."""
        self._require_method(case)
        self.prepare(case)
        if "realtime" in case["options"]:
            with torch.no_grad():
                self.run_stream(case, inputs, tape)
            return
        replay = Replay(inputs)
        with self.tapped(tape, replay), torch.no_grad():
            final = self.convert(inputs["audio16k.raw"].copy(), case)
        if snapshot(final).dtype == np.int16:  # a float waveform is not the 16-bit file
            tape("waveform.final", final)

    @contextmanager
    def tapped(self, tape: Tape, replay: Replay) -> Iterator[None]:
        """Install taps and recorded noise while the block runs."""
        segments = _Segments(self, tape, replay)
        owner, mix = self.loudness
        with ExitStack() as stack:
            for where, names in (
                (self.pipe, {self.names.segment: segments.segment(getattr(self.pipe, self.names.segment))}),
                (self.net, {"infer": segments.infer(self.net.infer)}),
                (F, {"interpolate": segments.interpolate(F.interpolate)}),
                (torch, {"from_numpy": segments.from_numpy(torch.from_numpy)}),
                (np, {"interp": segments.interp(np.interp)}),
                (librosa, {"resample": segments.resample(librosa.resample)}),
                (self.module, {"pow": segments.power}),
                (owner, {mix: segments.result("waveform.rmsmixed", getattr(owner, mix))}),
            ):
                stack.enter_context(replaced(where, **names))
            stack.enter_context(replay.active())
            stack.enter_context(synthesizer_taps(self.net, tape, segments.prefix))
            stack.enter_context(self.content.tapped(segments.content))
            stack.enter_context(self._tapped_join(segments.joined))
            stack.enter_context(self.tapped_input(tape))
            yield

    @contextmanager
    def tapped_input(self, tape: Tape) -> Iterator[None]:
        """Record `audio16k`, the argument that `guarded` names."""
        owner, name, parameter = self.guarded
        run = getattr(owner, name)
        parameters = inspect.signature(run)

        def call(*arguments: Any, **named: Any) -> Any:
            tape("audio16k", parameters.bind(*arguments, **named).arguments[parameter])
            return run(*arguments, **named)

        with replaced(owner, **{name: call}):
            yield

    # ---- stages alone

    def run_stage(self, case: Case, stage: str, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """As `parity.hooks.serving.Adapter.run_stage`."""
        if stage in ("f0.raw", "rt.f0"):
            self._require_method(case)
        self.prepare(case)
        if stage.startswith("rt."):
            with torch.no_grad():
                return self.run_block_stage(stage, prefix, inputs)
        method: Callable[[str, Arrays], dict[str, Any]] = getattr(self, "stage_" + stage.replace(".", "_"))
        with torch.no_grad():
            return method(prefix, inputs)


class _Segments:
    """The taps of one whole run, which follow the number of the segment."""

    def __init__(self, candidate: PipelineCandidate, tape: Tape, replay: Replay) -> None:
        self.candidate, self.names, self.tape, self.replay = candidate, candidate.names, tape, replay
        self.number = -1
        self.doubling = False  # between the begin of a segment and its first interpolation

    def prefix(self) -> str:
        return f"seg{max(self.number, 0)}."

    def content(self, source: Any, features: Any) -> None:
        self.tape(self.prefix() + "audio", source)
        self.tape(self.prefix() + "hubert.features", features)

    def segment(self, run: Any) -> Any:
        """The method of one segment: its result, and before the first one the stages of the file."""

        def call(*arguments: Any, **named: Any) -> Any:
            self.number += 1
            if self.number == 0:
                self.file_stages(locals_of(self.names.pipeline))
            self.replay.prefix, self.doubling = self.prefix(), True
            result = run(*arguments, **named)
            self.tape(self.prefix() + "waveform.segment.full", snapshot(result).reshape(-1))
            return result

        return call

    def file_stages(self, variables: dict[str, Any]) -> None:
        self.tape("highpassed", snapshot(variables[self.names.audio]).reshape(-1))
        self.tape("padded", snapshot(variables[self.names.padded]).reshape(-1))
        if self.names.profile in variables:
            self.tape("quiet.profile", variables[self.names.profile])
        if cuts := variables.get(self.names.cuts):
            self.tape("segment.cuts", [int(cut) for cut in cuts])
        if variables.get("pitchf") is not None:
            self.tape("f0.hz", variables["pitchf"])
            self.tape("f0.coarse", variables["pitch"])

    def infer(self, run: Any) -> Any:
        def call(phone: Any, *arguments: Any, **named: Any) -> Any:
            self.tape(self.prefix() + "content.protected", phone)
            return run(phone, *arguments, **named)

        return call

    def interpolate(self, run: Any) -> Any:
        """The first interpolation of a segment doubles the frames of the blended features."""

        def call(features: Any, *arguments: Any, **named: Any) -> Any:
            result = run(features, *arguments, **named)
            if self.doubling and features.dim() == 3 and named.get("scale_factor") == 2:
                self.doubling = False
                if self.candidate.index is not None:
                    self.tape(self.prefix() + "retrieval.blended", features.permute(0, 2, 1))
                self.tape(self.prefix() + "content.upsampled", result.permute(0, 2, 1))
            return result

        return call

    def from_numpy(self, run: Any) -> Any:
        """The call with which the function that retrieves returns to torch."""

        def call(value: Any) -> Any:
            record_neighbors(self.tape, self.prefix(), self.names.neighbors, sys._getframe(1).f_locals)
            return run(value)

        return call

    def joined(self, pieces: Any, result: Any) -> None:
        for number, piece in enumerate(pieces):
            self.tape(f"seg{number}.waveform.segment", piece)
        self.tape("waveform.concat", result)

    def resample(self, run: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            result = run(*arguments, **named)
            if sys._getframe(1).f_code.co_name == self.names.pipeline:
                self.tape("waveform.resampled", result)
            return result

        return call

    def result(self, name: str, run: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            return self.tape(name, run(*arguments, **named))

        return call

    def power(self, *arguments: Any) -> Any:
        """`pow(2, key / 12)`: the curve is complete and not yet transposed."""
        variables = locals_of(self.names.f0)
        if "f0" in variables:
            self.tape("f0.filled", variables["f0"])
            if "f0.raw" not in self.tape:  # nothing fills it
                self.tape("f0.raw", variables["f0"])
        return pow(*arguments)

    def interp(self, run: Any) -> Any:
        """`np.interp` fills unvoiced frames where the function that estimates F0 has marked them."""

        def call(*arguments: Any, **named: Any) -> Any:
            variables = locals_of(self.names.f0)
            if "f0" in variables and ("uv" in variables or "unvoiced" in variables):
                self.tape("f0.raw", variables["f0"])
            return run(*arguments, **named)

        return call
