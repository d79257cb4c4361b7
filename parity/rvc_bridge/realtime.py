"""Our own realtime stream as the candidate: each block's stages one by one, and the stream as a whole.

A stage that remembers (the rings, the pitch caches, what is held back for the joint) is given the golden's blocks up to
the one in question, so that what is judged is that block's own step and not what built up before it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from parity.candidates.candidate import CandidateError, Tensors
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
from rvc.realtime.tap import for_block, no_tap

TIMES = {"block_time": "block", "crossfade_time": "crossfade", "extra_time": "extra"}
SLIDERS = {
    "formant": "formant",
    "input_gate_db": "gate_db",
    "input_denoise": "input_denoise",
    "output_denoise": "output_denoise",
}
OPTIONS = ("transpose", "index_rate", "rms_mix_rate", "f0_method", "speaker")
CHANGES = SLIDERS | {"transpose": "transpose", "index_rate": "index_rate", "rms_mix_rate": "rms_mix_rate"}


class Live:
    """One realtime case and the voice it is converted with."""

    def __init__(self, case: Case, parts: VoiceNetworks) -> None:
        """case : a golden with `rt.…` tensors;  parts : the case's voice, kept."""
        self.case = case
        self.settings: dict[str, Any] = dict(case.options.get("realtime", {}))
        self.models: Models = load_models(parts, case.profile, self.controls(0))
        rate = int(self.settings.get("rate") or parts.rate)
        times = {ours: self.settings[name] for name, ours in TIMES.items() if name in self.settings}
        self.sizes = BlockSizes.of(rate, **times)
        self.blocks = sum(TensorName.parse(name).scope is Scope.BLOCK and name.endswith(".in") for name in case)

    def controls(self, block: int) -> Controls:
        """How the sliders stand in a block: the case's options, and the changes up to there."""
        found: dict[str, Any] = {name: self.case.options[name] for name in OPTIONS if name in self.case.options}
        found |= {ours: self.settings[name] for name, ours in SLIDERS.items() if name in self.settings}
        found.setdefault("index_rate", 0.0)
        if self.settings.get("phase_vocoder"):
            found["crossfade"] = "phase-vocoder"
        for change in str(self.settings.get("changes") or "").split():
            at, setting = change.split(":")
            name, value = setting.split("=")
            if int(at) <= block:
                found[CHANGES[name]] = float(value)
        return Controls(**found)

    def block_context(self, block: int, given: Tensors, tap: Any = no_tap) -> BlockContext:
        """One block's circumstances; noise comes from what is given."""
        return BlockContext(block, self.models, self.controls(block), Tape(dict(given)), for_block(tap, block))

    def run(self, trace: Trace | None = None) -> Tensors:
        """The whole stream over the golden's blocks with its noise; `trace` keeps what is made if it ends early."""
        noise = {name: self.case[name] for name in self.case if ".noise." in name}
        trace = Trace() if trace is None else trace
        stream = Stream(self.models, self.sizes, noise=Tape(noise), tap=trace)
        for block in range(self.blocks):
            stream.controls = self.controls(block)
            stream.block(self.case[f"rt.{block}.in"].copy())
        return {name: value for name, value in trace.items() if not name.endswith(".in")}

    def formant(self, block: int) -> FormantShift:
        return FormantShift.of(self.controls(block).formant, self.sizes.return_length, self.models.voice.rate)

    def before(self, block: int, name: str) -> np.ndarray[Any, Any] | None:
        """The golden's tensor of the block before, None for the first."""
        return self.case[f"rt.{block - 1}.{name}"].copy() if block else None

    def heard(self, block: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The ring whose loudness counts, and the ring at 16 kHz, after the golden's blocks up to this one."""
        block_input = BlockInput(self.sizes)
        for number in range(block + 1):
            controls = self.controls(number)
            at16k = block_input.push(self.case[f"rt.{number}.in"].copy(), controls)
        return block_input.loudness_reference(controls), at16k

    def spoken(self, block: int, given: Tensors) -> torch.Tensor:
        """What comes to the joint: the golden's `infer_wav`, or the voice where nothing was done to it."""
        prefix = f"rt.{block}."
        if prefix + "infer_wav" in given:
            return torch.from_numpy(given[prefix + "infer_wav"])
        return resample(torch.from_numpy(given[prefix + "waveform.model"]), self.models.voice.rate, self.sizes.rate)


def _features(live: Live, block: int, given: Tensors, tap: Any) -> None:
    at16k = torch.from_numpy(given[f"rt.{block}.input16k"].reshape(1, -1))
    tap(f"rt.{block}.hubert.features", features.extract(at16k, live.models.hubert, live.models.voice.version))


def _retrieval(live: Live, block: int, given: Tensors, tap: Any) -> None:
    BlockConverter(live.sizes).content(
        torch.from_numpy(given[f"rt.{block}.hubert.features"]), live.block_context(block, {}, tap)
    )


def _content(live: Live, block: int, given: Tensors, tap: Any) -> None:
    # Where there is retrieval the table reads `blended` alone, but the frames before skip_head // 2 are HuBERT's own.
    heard = torch.from_numpy(np.array(live.case[f"rt.{block}.hubert.features"]))
    blended = given.get(f"rt.{block}.retrieval.blended")
    if blended is not None:  # the last of its rows is that of the doubled last frame, which `content` doubles itself
        heard[:, live.sizes.skip_head // 2 :] = torch.from_numpy(blended[:, :-1])
    context = live.block_context(block, {})
    plain = replace(context, controls=replace(context.controls, index_rate=0.0))
    found = BlockConverter(live.sizes).content(heard, plain)
    tap(f"rt.{block}.content", found[:, : live.sizes.window16 // 160])


def _pitch(live: Live, block: int, given: Tensors, tap: Any) -> None:
    converter, frames = BlockConverter(live.sizes), live.sizes.window16 // 160
    noise = {name: live.case[name] for name in live.case if name.endswith("noise.crepe")}
    for number in range(block + 1):
        at16k = live.case[f"rt.{number}.input16k"].reshape(-1).copy()
        context = live.block_context(number, noise, tap if number == block else no_tap)
        converter.f0(at16k, frames, live.formant(number), context)


def _speaker(live: Live, block: int, given: Tensors, tap: Any) -> None:
    tap(f"rt.{block}.spk.g", live.models.voice.synthesizer.speaker(live.controls(block).speaker))


def _encode(live: Live, block: int, given: Tensors, tap: Any) -> None:
    coarse = given.get(f"rt.{block}.f0.coarse")
    m, logs = live.models.voice.synthesizer.encode(
        torch.from_numpy(given[f"rt.{block}.content"]),
        None if coarse is None else torch.from_numpy(coarse),
        heads(live.sizes.skip_head)[0],
    )
    tap(f"rt.{block}.enc_p.m", m)
    tap(f"rt.{block}.enc_p.logs", logs)


def _prior(live: Live, block: int, given: Tensors, tap: Any) -> None:
    m, logs, noise = (torch.from_numpy(given[f"rt.{block}.{name}"]) for name in ("enc_p.m", "enc_p.logs", "noise.z"))
    tap(f"rt.{block}.z_p", live.models.voice.synthesizer.prior(m, logs, noise))


def _heard_speaker(live: Live, block: int, given: Tensors) -> torch.Tensor:
    """The speaker's embedding that is given, or the voice's where no original shows it."""
    name = f"rt.{block}.spk.g"
    if name in given:
        return torch.from_numpy(given[name])
    return live.models.voice.synthesizer.speaker(live.controls(block).speaker)


def _flow(live: Live, block: int, given: Tensors, tap: Any) -> None:
    net = live.models.voice.synthesizer
    g = _heard_speaker(live, block, given)
    tap(f"rt.{block}.flow.z", net.flow(torch.from_numpy(given[f"rt.{block}.z_p"]), g))


def _source(live: Live, block: int, given: Tensors, tap: Any) -> None:
    hz = torch.from_numpy(given[f"rt.{block}.f0.hz"])
    BlockConverter(live.sizes).source(hz, live.formant(block), live.block_context(block, given, tap))


def _generate(live: Live, block: int, given: Tensors, tap: Any) -> None:
    net, formant = live.models.voice.synthesizer, live.formant(block)
    dec_head = heads(live.sizes.skip_head)[1]
    z = torch.from_numpy(given[f"rt.{block}.flow.z"])[:, :, dec_head : dec_head + formant.frames]
    source = given.get(f"rt.{block}.nsf.source")
    excitation = None if source is None else resize_source(torch.from_numpy(source), formant.synthesized * net.upp)
    g = _heard_speaker(live, block, given)
    tap(f"rt.{block}.waveform.raw", net.generate(resize_frames(z, formant.synthesized), g, excitation)[None])


def _formant(live: Live, block: int, given: Tensors, tap: Any) -> None:
    raw = torch.from_numpy(given[f"rt.{block}.waveform.raw"])[0]
    tap(f"rt.{block}.waveform.model", live.formant(block).restore_duration(raw))


def _finish(live: Live, block: int, given: Tensors, tap: Any) -> None:
    block_output = BlockOutput(live.sizes)
    for number in range(block + 1):
        model = torch.from_numpy(live.case[f"rt.{number}.waveform.model"].copy())
        spoken = resample(model, live.models.voice.rate, live.sizes.rate)
        heard = live.heard(number)[0]
        block_output.mix(spoken, heard, live.controls(number), for_block(tap, block) if number == block else no_tap)


def _sola(live: Live, block: int, given: Tensors, tap: Any) -> None:
    block_output = BlockOutput(live.sizes)
    if (held := live.before(block, "sola_buffer")) is not None:
        block_output.held = torch.from_numpy(held)
    fit, offset = block_output.best_offset(live.spoken(block, given))
    tap(f"rt.{block}.sola.cor", fit)
    tap(f"rt.{block}.sola.offset", np.array([offset], np.int64))


def _join(live: Live, block: int, given: Tensors, tap: Any) -> None:
    block_output = BlockOutput(live.sizes)
    if (held := live.before(block, "sola_buffer")) is not None:
        block_output.held = torch.from_numpy(held)
    offset = int(given[f"rt.{block}.sola.offset"][0])
    out = block_output.join(live.spoken(block, given), offset, live.controls(block).crossfade)
    tap(f"rt.{block}.sola_buffer", block_output.held)
    tap(f"rt.{block}.out", out)


Step = Callable[[Live, int, Tensors, Any], None]
STAGES: dict[str, Step] = {
    "rt.input16k": lambda live, block, given, tap: tap(f"rt.{block}.input16k", live.heard(block)[1]),
    "rt.hubert.features": _features,
    "rt.retrieval": _retrieval,
    "rt.content": _content,
    "rt.f0": _pitch,
    "rt.spk.g": _speaker,
    "rt.enc_p": _encode,
    "rt.z_p": _prior,
    "rt.flow": _flow,
    "rt.nsf": _source,
    "rt.generator": _generate,
    "rt.formant": _formant,
    "rt.infer_wav": _finish,
    "rt.sola": _sola,
    "rt.out": _join,
}


def run_stage(live: Live, stage: str, prefix: str, given: Tensors) -> Tensors:
    """The tensors that one stage makes in the block of `prefix`; raises CandidateError for a stage unknown here."""
    if stage not in STAGES:
        raise CandidateError(f"the stream has no stage {stage}")
    trace = Trace()
    with torch.inference_mode():
        STAGES[stage](live, index_of(prefix), {name: np.array(value) for name, value in given.items()}, trace)
    return {name: value for name, value in trace.items() if ".noise." not in name}
