"""The stages of a realtime stream, each run alone for one block, and the stream from its first block to its last.

A stage with a state (rings, F0 cache, the tail that the next block is joined to) gets the state that the golden's
earlier blocks leave, so that an error of an earlier block is not counted again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from parity.candidates.candidate import CandidateError, Tensors
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.goldens.trace_file import Trace
from parity.stages import Scope, TensorName, index_of
from rvc.audio.resampling import resample
from rvc.content import features
from rvc.nn.synthesizer import heads, resize_frames, resize_source
from rvc.noise import Tape
from rvc.pipeline.voice_networks import VoiceNetworks
from rvc.realtime import BlockSizes, Controls, Models, Stream, load_models
from rvc.realtime.block_context import BlockContext
from rvc.realtime.block_input import BlockInput
from rvc.realtime.block_output import BlockOutput
from rvc.realtime.converter import BlockConverter
from rvc.realtime.dsp.formant import FormantShift
from rvc.realtime.tap import Tap, for_block, no_tap

LoadModels = Callable[[Any, str, Controls], Models]

# Settings of a realtime case (docs/spec/07, names of the original's interface) → parameters of BlockSizes.of.
TIMES = {"block_time": "block", "crossfade_time": "crossfade", "extra_time": "extra"}
# The same → fields of Controls.
SLIDERS = {
    "formant": "formant",
    "input_gate_db": "gate_db",
    "input_denoise": "input_denoise",
    "output_denoise": "output_denoise",
}
# Options of a case that are fields of Controls under the same name.
OPTIONS = ("transpose", "index_rate", "rms_mix_rate", "f0_method", "speaker")
# What may change between two blocks: `changes` of a case is "BLOCK:NAME=VALUE …".
CHANGES = SLIDERS | {"transpose": "transpose", "index_rate": "index_rate", "rms_mix_rate": "rms_mix_rate"}


class RealtimeCase:
    """A realtime case with the voice that converts it.

    Attributes:
        case: a golden with `rt.…` tensors.
        settings: its realtime settings.
        models: what is loaded.
        sizes: lengths of blocks and windows.
        blocks: number of blocks.
    """

    def __init__(self, case: Case, networks: VoiceNetworks, load: LoadModels = load_models) -> None:
        """Load the models with `load`, which takes the networks, the profile and the settings of the first block."""
        self.case = case
        self.settings: dict[str, Any] = dict(case.options.get("realtime", {}))
        self.models: Models = load(networks, case.profile, self.controls(0))
        rate = int(self.settings.get("rate") or networks.rate)
        times = {field: self.settings[name] for name, field in TIMES.items() if name in self.settings}
        self.sizes = BlockSizes.of(rate, **times)
        self.blocks = sum(TensorName.parse(name).scope is Scope.BLOCK and name.endswith(".in") for name in case)

    def controls(self, block: int) -> Controls:
        """The controls in a block: the case's options, then every change up to that block."""
        fields: dict[str, Any] = {name: self.case.options[name] for name in OPTIONS if name in self.case.options}
        fields |= {field: self.settings[name] for name, field in SLIDERS.items() if name in self.settings}
        fields.setdefault("index_rate", 0.0)
        if self.settings.get("phase_vocoder"):
            fields["crossfade"] = "phase-vocoder"
        for change in str(self.settings.get("changes") or "").split():
            at, setting = change.split(":")
            name, value = setting.split("=")
            if int(at) <= block:
                fields[CHANGES[name]] = float(value)
        return Controls(**fields)

    def block_context(self, block: int, noise: Tensors, tap: Tap = no_tap) -> BlockContext:
        """The context of one block, with the noise tensors in `noise`."""
        return BlockContext(block, self.models, self.controls(block), Tape(dict(noise)), for_block(tap, block))

    def run(self, trace: Trace | None = None) -> Tensors:
        """Convert the golden's blocks with its noise.

        Args:
            trace: gets every tensor as it is made, and so holds the earlier ones if the stream fails.
        Returns:
            full name → array, every tensor but the input blocks.
        """
        noise = {name: self.case[name] for name in self.case if ".noise." in name}
        trace = Trace() if trace is None else trace
        running = Stream(self.models, self.sizes, noise=Tape(noise), tap=trace)
        for block in range(self.blocks):
            running.controls = self.controls(block)
            running.block(self.case[f"rt.{block}.in"].copy())
        return {name: value for name, value in trace.items() if not name.endswith(".in")}

    def formant(self, block: int) -> FormantShift:
        """The lengths that the formant shift of a block gives."""
        return FormantShift.of(self.controls(block).formant, self.sizes.return_length, self.models.voice.rate)

    def before(self, block: int, name: str, inputs: Tensors) -> Array | None:
        """A tensor of the block before, the golden's where the inputs hold none; None for the first block."""
        full = f"rt.{block - 1}.{name}"
        return (inputs if full in inputs else self.case)[full].copy() if block else None

    def input_rings(self, block: int, inputs: Tensors) -> tuple[Array, Array]:
        """The ring that is the loudness reference and the ring at 16 kHz, after the blocks up to this one.

        Args:
            block: the number of the block.
            inputs: the inputs of the stage; the golden's block is read where they hold none.
        """
        block_input = BlockInput(self.sizes)
        for number in range(block + 1):
            controls = self.controls(number)
            name = f"rt.{number}.in"
            at16k = block_input.push((inputs[name] if name in inputs else self.case[name]).copy(), controls)
        return block_input.loudness_reference(controls), at16k

    def converted(self, block: int, inputs: Tensors) -> torch.Tensor:
        """What is joined to the last block: `infer_wav`, or the resampled waveform where the case has none."""
        prefix = f"rt.{block}."
        if prefix + "infer_wav" in inputs:
            return torch.from_numpy(inputs[prefix + "infer_wav"])
        return resample(torch.from_numpy(inputs[prefix + "waveform.model"]), self.models.voice.rate, self.sizes.rate)


def _input16k(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    tap(f"rt.{block}.input16k", stream.input_rings(block, inputs)[1])


def _features(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    at16k = torch.from_numpy(inputs[f"rt.{block}.input16k"].reshape(1, -1))
    tap(f"rt.{block}.hubert.features", features.extract(at16k, stream.models.hubert, stream.models.voice.version))


def _retrieval(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    BlockConverter(stream.sizes).content(
        torch.from_numpy(inputs[f"rt.{block}.hubert.features"]), stream.block_context(block, {}, tap)
    )


def _content(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    # With retrieval the stage reads `blended` alone, but the frames before skip_head // 2 are the content encoder's.
    features_name = f"rt.{block}.hubert.features"
    frames = torch.from_numpy(np.array((inputs if features_name in inputs else stream.case)[features_name]))
    blended = inputs.get(f"rt.{block}.retrieval.blended")
    if blended is not None:  # without the last frame, a copy that `content` appends itself
        frames[:, stream.sizes.skip_head // 2 :] = torch.from_numpy(blended[:, :-1])
    context = stream.block_context(block, {})
    plain = replace(context, controls=replace(context.controls, index_rate=0.0))
    content = BlockConverter(stream.sizes).content(frames, plain)
    tap(f"rt.{block}.content", content[:, : stream.sizes.window16 // 160])


def _f0(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    converter, frames = BlockConverter(stream.sizes), stream.sizes.window16 // 160
    noise = {name: stream.case[name] for name in stream.case if name.endswith("noise.crepe")}
    for number in range(block + 1):
        name = f"rt.{number}.input16k"
        at16k = (inputs if name in inputs else stream.case)[name].reshape(-1).copy()
        context = stream.block_context(number, noise, tap if number == block else no_tap)
        converter.f0(at16k, frames, stream.formant(number), context)


def _speaker(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    tap(f"rt.{block}.spk.g", stream.models.voice.synthesizer.speaker(stream.controls(block).speaker))


def _encode(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    coarse = inputs.get(f"rt.{block}.f0.coarse")
    m, logs = stream.models.voice.synthesizer.encode(
        torch.from_numpy(inputs[f"rt.{block}.content"]),
        None if coarse is None else torch.from_numpy(coarse),
        heads(stream.sizes.skip_head)[0],
    )
    tap(f"rt.{block}.enc_p.m", m)
    tap(f"rt.{block}.enc_p.logs", logs)


def _prior(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    m, logs, noise = (torch.from_numpy(inputs[f"rt.{block}.{name}"]) for name in ("enc_p.m", "enc_p.logs", "noise.z"))
    tap(f"rt.{block}.z_p", stream.models.voice.synthesizer.prior(m, logs, noise))


def _speaker_embedding(stream: RealtimeCase, block: int, inputs: Tensors) -> torch.Tensor:
    """The speaker's embedding: the input, or the voice's own where the golden has no such tensor."""
    name = f"rt.{block}.spk.g"
    if name in inputs:
        return torch.from_numpy(inputs[name])
    return stream.models.voice.synthesizer.speaker(stream.controls(block).speaker)


def _flow(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    net = stream.models.voice.synthesizer
    g = _speaker_embedding(stream, block, inputs)
    tap(f"rt.{block}.flow.z", net.flow(torch.from_numpy(inputs[f"rt.{block}.z_p"]), g))


def _source(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    hz = torch.from_numpy(inputs[f"rt.{block}.f0.hz"])
    BlockConverter(stream.sizes).source(hz, stream.formant(block), stream.block_context(block, inputs, tap))


def _generate(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    net, formant = stream.models.voice.synthesizer, stream.formant(block)
    dec_head = heads(stream.sizes.skip_head)[1]
    z = torch.from_numpy(inputs[f"rt.{block}.flow.z"])[:, :, dec_head : dec_head + formant.frames]
    source = inputs.get(f"rt.{block}.nsf.source")
    excitation = None if source is None else resize_source(torch.from_numpy(source), formant.synthesized * net.upp)
    g = _speaker_embedding(stream, block, inputs)
    tap(f"rt.{block}.waveform.raw", net.generate(resize_frames(z, formant.synthesized), g, excitation)[None])


def _formant(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    raw = torch.from_numpy(inputs[f"rt.{block}.waveform.raw"])[0]
    tap(f"rt.{block}.waveform.model", stream.formant(block).restore_duration(raw))


def _mix(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    block_output = BlockOutput(stream.sizes)
    for number in range(block + 1):
        name = f"rt.{number}.waveform.model"
        model = torch.from_numpy((inputs[name] if name in inputs else stream.case[name]).copy())
        converted = resample(model, stream.models.voice.rate, stream.sizes.rate)
        reference, here = stream.input_rings(number, inputs)[0], for_block(tap, block) if number == block else no_tap
        block_output.mix(converted, reference, stream.controls(number), here)


def _sola(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    block_output = BlockOutput(stream.sizes)
    if (held := stream.before(block, "sola_buffer", inputs)) is not None:
        block_output.held = torch.from_numpy(held)
    correlation, offset = block_output.best_offset(stream.converted(block, inputs))
    tap(f"rt.{block}.sola.cor", correlation)
    tap(f"rt.{block}.sola.offset", np.array([offset], np.int64))


def _join(stream: RealtimeCase, block: int, inputs: Tensors, tap: Tap) -> None:
    block_output = BlockOutput(stream.sizes)
    if (held := stream.before(block, "sola_buffer", inputs)) is not None:
        block_output.held = torch.from_numpy(held)
    offset = int(inputs[f"rt.{block}.sola.offset"][0])
    out = block_output.join(stream.converted(block, inputs), offset, stream.controls(block).crossfade)
    tap(f"rt.{block}.sola_buffer", block_output.held)
    tap(f"rt.{block}.out", out)


RunStage = Callable[[RealtimeCase, int, Tensors, Tap], None]
STAGES: dict[str, RunStage] = {
    "rt.input16k": _input16k,
    "rt.hubert.features": _features,
    "rt.retrieval": _retrieval,
    "rt.content": _content,
    "rt.f0": _f0,
    "rt.spk.g": _speaker,
    "rt.enc_p": _encode,
    "rt.z_p": _prior,
    "rt.flow": _flow,
    "rt.nsf": _source,
    "rt.generator": _generate,
    "rt.formant": _formant,
    "rt.infer_wav": _mix,
    "rt.sola": _sola,
    "rt.out": _join,
}


def run_stage(stream: RealtimeCase, stage: str, prefix: str, inputs: Tensors) -> Tensors:
    """Run one stage for the block of a prefix.

    Args:
        stream: the case.
        stage: its name in the stage table, such as "rt.f0".
        prefix: such as "rt.0.".
        inputs: full name → array.
    Returns:
        full name → array, the tensors that the stage makes, without noise.
    Raises:
        CandidateError: a stream has no such stage.
    """
    if stage not in STAGES:
        raise CandidateError(f"the stream has no stage {stage}")
    trace = Trace()
    with torch.inference_mode():
        STAGES[stage](stream, index_of(prefix), {name: np.array(value) for name, value in inputs.items()}, trace)
    return {name: value for name, value in trace.items() if ".noise." not in name}
