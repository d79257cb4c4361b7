"""The stages of a file's conversion, each run alone by the function of `rvc` that the pipeline calls for it.

`STAGES` maps the name of a stage (parity/stages) to a function of (case and networks, prefix, inputs) that returns the
stage's tensors by full name.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from parity import stages
from parity.candidates.candidate import CandidateError, Tensors
from parity.goldens.arrays import Array
from parity.goldens.trace_file import Trace
from parity.rvc_bridge import replayed_waveforms
from parity.rvc_bridge.case_voice import CaseVoice
from rvc.audio import output, preparation, segments
from rvc.audio.segments import Span
from rvc.content import alignment, features
from rvc.f0 import postprocessing
from rvc.noise import Tape
from rvc.pipeline import offline
from rvc.pipeline.timing import Stopwatch
from rvc.retrieval import search as retrieval
from rvc.retrieval.search import Index

RunStage = Callable[[CaseVoice, str, Tensors], Tensors]


def _array(value: Any) -> Array:
    """A numpy array of a tensor or an array."""
    return np.asarray(value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value)


def _span(voice: CaseVoice, prefix: str, inputs: Mapping[str, Array]) -> Span:
    """Where the segment of a prefix lies, by the cut points in the inputs or else in the golden."""
    length = voice.case.entry("highpassed")["shape"][0]
    source = inputs if "segment.cuts" in inputs else voice.case
    cuts = source["segment.cuts"] if "segment.cuts" in source else np.zeros(0, np.int64)
    return segments.spans(length, cuts, voice.config.window)[stages.index_of(prefix)]


def _cuts(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    profile, cuts = segments.cut_points(inputs["highpassed"], voice.config.window)
    return {"segment.cuts": cuts} | ({} if profile is None else {"quiet.profile": profile})


def _track(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    noise = {name: value for name, value in inputs.items() if name.startswith("noise.")}
    return {"f0.raw": _array(voice.networks.track(inputs["padded"], voice.config, Tape(noise)))}


def _finished_f0(voice: CaseVoice, inputs: Tensors) -> tuple[Any, Any, Any]:
    """f0.filled, f0.hz and f0.coarse of the filled F0, or of the F0 method's own where the profile does not fill."""
    config, is_filled = voice.config, "f0.filled" in inputs
    track = inputs["f0.filled" if is_filled else "f0.raw"]
    frames = voice.case.entry("padded")["shape"][0] // segments.FRAME if "padded" in voice.case else len(track)
    if is_filled:  # unvoiced frames that the input itself holds stay: this stage fills none
        config = replace(config, profile=replace(config.profile, fill_unvoiced=False))
    return postprocessing.finish(track, frames, config)


class _Recorded(Exception):
    """Ends the pipeline once it has recorded the tensor in question."""


def _segment_audio(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    recorded: Tensors = {}

    def tap(name: str, value: Any) -> Any:
        if name == "seg0.audio":
            recorded[prefix + "audio"] = _array(value).copy()
            raise _Recorded
        return value

    with contextlib.suppress(_Recorded):
        spans = [_span(voice, prefix, inputs)]
        offline.extract_content(inputs["padded"], spans, None, voice.networks, voice.config, tap, Stopwatch())
    return recorded


def _features(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    with voice.borrow_hubert() as hubert:
        extracted = features.extract(torch.from_numpy(inputs[prefix + "audio"]), hubert, voice.networks.version)
    return {prefix + "hubert.features": _array(extracted)}


def _present(index: Index | None) -> Index:
    if index is None:
        raise CandidateError("this conversion has no index")
    return index


def _search(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    with voice.borrow_index() as index:
        distances, ids = _present(index).search(inputs[prefix + "hubert.features"][0])
    return {prefix + "retrieval.distances": distances, prefix + "retrieval.ids": ids}


def _weights(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    weights = retrieval.weights(inputs[prefix + "retrieval.distances"], voice.config.exact_hits)
    return {prefix + "retrieval.weights": weights}


def _mean(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    with voice.borrow_index() as index:
        mean = retrieval.mean(inputs[prefix + "retrieval.weights"], inputs[prefix + "retrieval.ids"], _present(index))
    return {prefix + "retrieval.mean": mean}


def _blend(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    content, mean = inputs[prefix + "hubert.features"], inputs[prefix + "retrieval.mean"]
    return {prefix + "retrieval.blended": retrieval.blend(content, mean, voice.config.index_rate)}


def _upsample(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    blended = prefix + "retrieval.blended"
    source = inputs[blended if blended in inputs else prefix + "hubert.features"]
    return {prefix + "content.upsampled": alignment.upsample(source)}


def _protect(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    doubled, hz = inputs[prefix + "content.upsampled"], inputs.get("f0.hz")
    if hz is not None:
        # Doubled here and not by `rvc`, whose doubling is the stage before: an error of it is not counted again.
        unblended = np.repeat(inputs[prefix + "hubert.features"], 2, axis=1)[:, : doubled.shape[1]]
        doubled = alignment.protect(doubled, unblended, hz, voice.config.protect)
    return {prefix + "content.protected": doubled}


def _speaker(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    return {prefix + "spk.g": _array(voice.synthesizer.speaker(voice.config.speaker))}


def _encode(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    coarse = torch.from_numpy(inputs["f0.coarse"]) if "f0.coarse" in inputs else None
    m, logs = voice.synthesizer.encode(torch.from_numpy(inputs[prefix + "content.protected"]), coarse)
    return {prefix + "enc_p.m": _array(m), prefix + "enc_p.logs": _array(logs)}


def _prior(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    m, logs, noise = (torch.from_numpy(inputs[prefix + name]) for name in ("enc_p.m", "enc_p.logs", "noise.z"))
    return {prefix + "z_p": _array(voice.synthesizer.prior(m, logs, noise))}


def _flow(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    z_p, g = torch.from_numpy(inputs[prefix + "z_p"]), torch.from_numpy(inputs[prefix + "spk.g"])
    return {prefix + "flow.z": _array(voice.synthesizer.flow(z_p, g))}


def _source(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    hz, trace = inputs["f0.hz"], Trace()
    segment = offline.Segment(prefix[:-1], voice.synthesizer, voice.config, Tape(inputs), trace)
    segment.source(offline.Pitch(hz, np.ones(hz.shape, np.int64)), hz.shape[1])
    return {name: value for name, value in trace.items() if ".nsf." in name and ".noise." not in name}


def _generate(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    name = prefix + "nsf.source"
    source = torch.from_numpy(inputs[name]) if name in inputs else None
    z, g = torch.from_numpy(inputs[prefix + "flow.z"]), torch.from_numpy(inputs[prefix + "spk.g"])
    return {prefix + "waveform.segment.full": _array(voice.synthesizer.generate(z, g, source))}


def _of_frames(frames: int) -> Span:
    """A segment with so many frames of content; where it lies in the input is decided by other stages."""
    return Span(0, segments.FRAME * frames + 80, slice(0, frames))


def _trim(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    full = inputs[prefix + "waveform.segment.full"]
    trace, _ = replayed_waveforms.join(voice, [full], [_of_frames(len(full) * 100 // voice.networks.rate)])
    return {prefix + "waveform.segment": trace["seg0.waveform.segment"]}


def _concat(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    prefixes = [p for p in stages.prefixes_of(inputs) if stages.scope_of(p) is stages.Scope.SEGMENT]
    waveforms = [inputs[p + "waveform.segment"] for p in prefixes]
    padding = 2 * voice.config.window.pad_frames
    spans = [_of_frames(len(waveform) * 100 // voice.networks.rate + padding) for waveform in waveforms]
    return {"waveform.concat": replayed_waveforms.concatenate(voice, waveforms, spans)}


def _mix(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    rate, mix = voice.networks.rate, voice.config.rms_mix_rate
    return {"waveform.rmsmixed": output.mix_loudness(inputs["waveform.concat"], inputs["highpassed"], rate, mix)}


def _resample(voice: CaseVoice, prefix: str, inputs: Tensors) -> Tensors:
    resampled = output.resample(_last_waveform(inputs), voice.networks.rate, voice.config.resample_rate)
    return {"waveform.resampled": resampled}


def _last_waveform(inputs: Tensors) -> Array:
    """The waveform of the last optional stage that was run."""
    names = ("waveform.resampled", "waveform.rmsmixed", "waveform.concat")
    return inputs[next(name for name in names if name in inputs)]


STAGES: dict[str, RunStage] = {
    "audio16k": lambda voice, prefix, inputs: {"audio16k": preparation.guard_peak(inputs["audio16k.raw"])},
    "highpassed": lambda voice, prefix, inputs: {"highpassed": preparation.highpass(inputs["audio16k"])},
    "segment.cuts": _cuts,
    "padded": lambda voice, prefix, inputs: {"padded": segments.pad(inputs["highpassed"], voice.config.window)},
    "f0.raw": _track,
    "f0.filled": lambda voice, prefix, inputs: {"f0.filled": postprocessing.fill_unvoiced(inputs["f0.raw"])},
    "f0.hz": lambda voice, prefix, inputs: {"f0.hz": _finished_f0(voice, inputs)[1]},
    "f0.coarse": lambda voice, prefix, inputs: {"f0.coarse": _finished_f0(voice, inputs)[2]},
    "seg.audio": _segment_audio,
    "hubert.features": _features,
    "retrieval.search": _search,
    "retrieval.weights": _weights,
    "retrieval.mean": _mean,
    "retrieval.blended": _blend,
    "content.upsampled": _upsample,
    "content.protected": _protect,
    "spk.g": _speaker,
    "enc_p": _encode,
    "z_p": _prior,
    "flow": _flow,
    "nsf": _source,
    "generator": _generate,
    "trim": _trim,
    "concat": _concat,
    "rmsmixed": _mix,
    "resampled": _resample,
    "final": lambda voice, prefix, inputs: {"waveform.final": output.to_int16(_last_waveform(inputs))},
}
