"""Streams as the judge requests them: a whole case, and the stages of one block alone (docs/verifying-a-port.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rvc_onnx.errors import OnnxVoiceError
from rvc_onnx.profiles import Noise, Record
from rvc_onnx.stream import BlockSizes, Controls, Stream
from rvc_onnx.voice import Voice

Tensors = Mapping[str, npt.NDArray[Any]]
TIMES = {"block_time": "block", "crossfade_time": "crossfade", "extra_time": "extra"}
SETTINGS = {
    "formant": "formant",
    "input_gate_db": "gate_db",
    "input_denoise": "input_denoise",
    "output_denoise": "output_denoise",
}
OPTIONS = ("transpose", "index_rate", "rms_mix_rate", "f0_method", "speaker")


class CaseStream:
    """The stream of a case.

    Attributes:
        stream: the stream, at its first block.
    """

    def __init__(self, voice: Voice, case: Mapping[str, Any], record: Record, noise: Noise) -> None:
        self.options: dict[str, Any] = case["options"]
        self.settings: dict[str, Any] = self.options["realtime"]
        times = {field: self.settings[name] for name, field in TIMES.items() if name in self.settings}
        sizes = BlockSizes.of(int(self.settings.get("rate") or voice.facts["rate"]), **times)
        self.stream: Stream = voice.stream(sizes, self.controls(0), profile=case["profile"], record=record, noise=noise)

    def controls(self, block: int) -> Controls:
        """The settings of a block: the case's, then every change up to that block."""
        fields = {name: self.options[name] for name in OPTIONS if name in self.options}
        fields |= {field: self.settings[name] for name, field in SETTINGS.items() if name in self.settings}
        if self.settings.get("phase_vocoder"):
            fields["crossfade"] = "phase-vocoder"
        for change in str(self.settings.get("changes") or "").split():
            at, setting = change.split(":")
            name, value = setting.split("=")
            if int(at) <= block:
                fields[SETTINGS.get(name, name)] = float(value)
        return Controls(**fields)

    def at(self, block: int) -> Stream:
        """The stream with the number and the settings of a block."""
        self.stream.number, self.stream.controls = block, self.controls(block)
        return self.stream

    def run(self, inputs: Tensors) -> None:
        """Convert every block."""
        block = 0
        while (name := f"rt.{block}.in") in inputs:
            self.at(block).block(np.array(inputs[name]))
            block += 1

    def run_stage(self, stage: str, block: int, inputs: Tensors) -> None:
        """Run one stage of a block on the golden's inputs; its tensors go to `record`."""
        STAGES[stage](self, block, lambda name: np.array(inputs[f"rt.{block}.{name}"]), inputs)


Take = Callable[[str], npt.NDArray[Any]]


def _input16k(case: CaseStream, block: int, take: Take, inputs: Tensors) -> None:
    for number in range(block + 1):
        at16k = case.at(number).push_input(np.array(inputs[f"rt.{number}.in"]))
    case.stream.record("input16k", at16k)


def _features(case: CaseStream, block: int, take: Take, inputs: Tensors) -> None:
    stream = case.at(block)
    stream.record("hubert.features", stream.features(take("input16k")))


def _retrieval(case: CaseStream, block: int, take: Take, inputs: Tensors) -> None:
    stream, features = case.at(block), take("hubert.features")
    if stream.voice.index is None:
        raise OnnxVoiceError("this voice has no index")
    extended = np.concatenate([features, features[:, -1:]], axis=1)
    stream.retrieve(extended[0, stream.sizes.skip_head // 2 :], stream.voice.index)


def _content(case: CaseStream, block: int, take: Take, inputs: Tensors) -> None:
    stream, features = case.at(block), take("hubert.features")
    if f"rt.{block}.retrieval.blended" in inputs:  # without the last frame, a copy that is appended below
        features[:, stream.sizes.skip_head // 2 :] = take("retrieval.blended")[:, :-1]
    stream.record("content", np.repeat(np.append(features, features[:, -1:], 1), 2, 1)[:, : stream.sizes.frames])


def _f0(case: CaseStream, block: int, take: Take, inputs: Tensors) -> None:
    for number in range(block + 1):
        case.at(number).f0(np.array(inputs[f"rt.{number}.input16k"]).reshape(-1))


def _formant(case: CaseStream, block: int, take: Take, inputs: Tensors) -> None:
    stream = case.at(block)
    stream.record("waveform.model", stream.formant.restore_duration(take("waveform.raw")[0]))


def _infer_wav(case: CaseStream, block: int, take: Take, inputs: Tensors) -> None:
    for number in range(block + 1):
        stream = case.at(number)
        stream.push_input(np.array(inputs[f"rt.{number}.in"]))
        stream.mix(stream.to_device(np.array(inputs[f"rt.{number}.waveform.model"])))


def _joined(case: CaseStream, block: int, take: Take, inputs: Tensors) -> tuple[Stream, npt.NDArray[Any]]:
    """The stream as the block before left it, and what is joined to that block."""
    stream = case.at(block)
    if block:
        stream.held = np.array(inputs[f"rt.{block - 1}.sola_buffer"])
    if f"rt.{block}.infer_wav" in inputs:
        return stream, take("infer_wav")
    return stream, stream.to_device(take("waveform.model"))


def _sola(case: CaseStream, block: int, take: Take, inputs: Tensors) -> None:
    stream, converted = _joined(case, block, take, inputs)
    stream.best_offset(converted)


def _out(case: CaseStream, block: int, take: Take, inputs: Tensors) -> None:
    stream, converted = _joined(case, block, take, inputs)
    stream.join(converted, int(take("sola.offset")[0]))


STAGES: dict[str, Callable[[CaseStream, int, Take, Tensors], None]] = {
    "rt.input16k": _input16k,
    "rt.hubert.features": _features,
    "rt.retrieval": _retrieval,
    "rt.content": _content,
    "rt.f0": _f0,
    "rt.formant": _formant,
    "rt.infer_wav": _infer_wav,
    "rt.sola": _sola,
    "rt.out": _out,
}
