"""Faults that show only with some values: long inputs, silence, ties, F0 beyond its range, another speaker before.

Each states the value class of its stage (parity/calibration/value_classes.py) that shows it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from parity.goldens.arrays import Array
from parity.mutants.fault import Fault
from parity.mutants.patches import Change, Original, after, around, both, in_voice, put
from rvc.audio import output, segments
from rvc.content import alignment, features
from rvc.f0 import postprocessing
from rvc.f0.methods import crepe
from rvc.f0.registry import HOP
from rvc.nn import fcpe, source
from rvc.nn.crepe import WINDOW
from rvc.nn.rmvpe import GRU_PIECE, GruDirection
from rvc.nn.synthesizer import Synthesizer
from rvc.pipeline import offline
from rvc.realtime import converter
from rvc.realtime.block_context import BlockContext
from rvc.realtime.dsp import loudness
from rvc.retrieval import search
from rvc.retrieval.search import FRAMES_AT_ONCE, Index

LAST_BLOCK = slice(output.BLOCK, None)


def _forget_state(original: Original, self: GruDirection, frames: torch.Tensor, reverse: bool = False) -> Iterator[Any]:
    """Begin every piece of 1024 frames with a state of zero."""
    starts = range(0, len(frames), GRU_PIECE)
    for start in reversed(starts) if reverse else starts:
        ((_, states),) = list(original(self, frames[start : start + GRU_PIECE], reverse))
        yield start, states


def _later_blocks_late(original: Original, *arguments: Any) -> Array:
    """Rows behind the first block of 256 are taken from one row earlier."""
    right: Array = original(*arguments)
    right[FRAMES_AT_ONCE:] = right[FRAMES_AT_ONCE - 1 : -1].copy()
    return right


def _later_blocks_unscaled(original: Original, waveform: Array) -> Array:
    """Behind the first 262,144 samples the peak guard is forgotten."""
    right: Array = original(waveform)
    right[LAST_BLOCK] = np.clip(waveform[LAST_BLOCK] * np.float32(32768), -32768, 32767).astype(np.int16)
    return right


def _later_blocks_unmixed(original: Original, waveform: Array, *arguments: Any) -> Array:
    """Behind the first 262,144 samples the loudness is not mixed."""
    right: Array = original(waveform, *arguments)
    right[LAST_BLOCK] = waveform[LAST_BLOCK]
    return right


def _divide_by_deviation(original: Original, samples: Array) -> Iterator[torch.Tensor]:
    """Divide each window by its deviation, also where that is 0."""
    audio = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
    windows = torch.nn.functional.pad(audio, (WINDOW // 2, WINDOW // 2)).unfold(0, WINDOW, HOP)
    for start in range(0, len(windows), crepe.STEPS_AT_ONCE):
        batch = windows[start : start + crepe.STEPS_AT_ONCE].clone()
        batch -= batch.mean(dim=1, keepdim=True)
        yield batch / batch.std(dim=1, keepdim=True)


def _keep_condition(layer: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """A layer that returns what it made at its first call."""
    kept: list[torch.Tensor] = []

    def call(g: torch.Tensor) -> torch.Tensor:
        if not kept:
            kept.append(layer(g))
        return kept[0]

    return call


def _keep_flow_condition(net: Any) -> Iterator[Change]:
    for coupling in net._flow.couplings:
        yield coupling, "cond", _keep_condition(coupling.cond)


def _keep_generator_condition(net: Any) -> Iterator[Change]:
    yield net.generator, "cond", _keep_condition(net.generator.cond)


def _mix_missing_neighbors(original: Original, content: Array, index: Index, context: BlockContext) -> Array:
    """Mix a block although a frame has fewer than eight neighbors."""
    distances, ids = index.search(content)
    weights = search.weights(distances)
    mean = search.mean(weights, ids, index)
    blended = search.blend(content, mean, context.controls.index_rate)
    names = ("distances", "ids", "weights", "mean", "blended")
    for name, value in zip(names, (distances, ids, weights, mean, blended), strict=True):
        context.tap(f"retrieval.{name}", value)
    return blended.reshape(content.shape)


def _second_segment_of_filled_pitch(original: Original, self: Any, pitch: Any, frames: int) -> torch.Tensor:
    """Where unvoiced frames are filled, later segments take their F0 from one frame earlier."""
    if self.name != "seg0" and self.config.profile.fill_unvoiced:
        pitch = offline.Pitch(np.roll(pitch.hz, 1, axis=1), pitch.coarse)
    return original(self, pitch, frames)  # type: ignore[no-any-return]


def _normalize_with_epsilon(original: Original, self: Any, stored: Any) -> None:
    """The group norm of FCPE with 1e-3 for 1e-5 under its root."""
    whole = slice(0, len(stored))
    frames = stored[whole]
    groups = frames.view(len(frames), fcpe.GROUPS, -1)
    mean = groups.double().mean((0, 2))
    variance = (groups.double() - mean[:, None]).square().mean((0, 2))
    weight, bias = (part.double().view(fcpe.GROUPS, -1) for part in self.first_norm)
    scale = weight / torch.sqrt(variance + 1e-3)[:, None]
    shift = bias - mean[:, None] * scale
    frames.mul_(scale.flatten().float()).add_(shift.flatten().float())
    stored[whole] = torch.nn.functional.leaky_relu_(frames, fcpe.SLOPE)


def _late_behind(frames: int, axis: int) -> Callable[[Any], Any]:
    """Everything behind some frames is one frame late."""

    def change(made: Any) -> Any:
        if isinstance(made, tuple):
            return tuple(change(one) for one in made)
        late = made.clone()
        late.movedim(axis, 0)[frames:] = made.movedim(axis, 0)[frames - 1 : -1]
        return late

    return change


def _last_of_equals(original: Original, highpassed: Array, window: Any) -> Any:
    """Of equally quiet places, the last one is cut."""
    profile, cuts = original(highpassed, window)
    if profile is None:
        return profile, cuts
    reach = window.samples("query")
    centers = range(window.samples("center"), len(highpassed), window.samples("center"))
    last = [center + reach - 1 - int(np.argmin(profile[center - reach : center + reach][::-1])) for center in centers]
    return profile, np.array(last, np.int64)


def _protect_zero_only(original: Original, blended: Array, unblended: Array, hz: Array, amount: float) -> Array:
    """Only F0 0 counts as unvoiced."""
    return original(blended, unblended, np.where(hz > 0, np.maximum(hz, 1), hz), amount)  # type: ignore[no-any-return]


def _unvoiced_below_10(original: Original, hz: torch.Tensor, *arguments: Any) -> Any:
    """F0 below 10 Hz counts as unvoiced in the source."""
    return original(torch.where(hz < 10, torch.zeros_like(hz), hz), *arguments)


def _clip_hz(original: Original, track: Array, semitones: int) -> Array:
    """F0 is clipped to 1100 Hz before it is transposed."""
    return original(np.minimum(track, 1100), semitones)  # type: ignore[no-any-return]


FAULTS = [
    Fault(
        "values-gru-forgets",
        "f0.raw",
        "the recurrent network of RMVPE forgets its state every 1024 frames",
        around(GruDirection, "run", _forget_state),
        values="more than 1024 frames in rmvpe",
    ),
    Fault(
        "values-crepe-silence",
        "f0.raw",
        "CREPE divides a silent window by 0",
        around(crepe, "batches", _divide_by_deviation),
        values="silence in crepe",
        causes=("lowest pitch bin",),
    ),
    Fault(
        "values-crepe-one-batch",
        "f0.raw",
        "CREPE decodes all frames as one batch",
        put(crepe, "STEPS_AT_ONCE", 1 << 20),
        values="more than 512 frames in crepe",
    ),
    Fault(
        "values-fcpe-epsilon",
        "f0.raw",
        "the group norm of FCPE adds 1e-3 to its variance",
        around(fcpe.Fcpe, "normalize_groups", _normalize_with_epsilon),
        values="white noise in fcpe",
    ),
    Fault(
        "values-cut-last",
        "segment.cuts",
        "the last of equally quiet places is cut",
        around(segments, "cut_points", _last_of_equals),
        values="equally quiet places",
        causes=("last minimum",),
    ),
    Fault(
        "values-f0-clipped",
        "f0.hz",
        "F0 above 1100 Hz is clipped",
        around(postprocessing, "transpose", _clip_hz),
        values="F0 above 1100 Hz",
        causes=("clipped pitch",),
    ),
    Fault(
        "values-mean-rows",
        "retrieval.mean",
        "rows behind the first 256 are one row late",
        around(search, "mean", _later_blocks_late),
        values="more than 256",
    ),
    Fault(
        "values-protect-zero",
        "content.protected",
        "F0 between 0 and 1 Hz counts as voiced",
        around(alignment, "protect", _protect_zero_only),
        values="F0 between 0 and 1 Hz",
        causes=("missing protect",),  # no frame of that golden has F0 0
    ),
    Fault(
        "values-condition-flow",
        "flow",
        "the speaker's condition of the flow is kept from the first call",
        in_voice(_keep_flow_condition),
        values="another speaker than in the segment before",
    ),
    Fault(
        "values-condition-generator",
        "generator",
        "the speaker's condition of the generator is kept from the first call",
        in_voice(_keep_generator_condition),
        values="another speaker than in the segment before",
    ),
    Fault(
        "values-source-10-hz",
        "nsf",
        "F0 below 10 Hz counts as unvoiced in the source",
        both(around(source, "sine_a", _unvoiced_below_10), around(source, "sine_b", _unvoiced_below_10)),
        values="F0 between 0 and 10 Hz (sine A)",
    ),
    Fault(
        "values-second-segment",
        "nsf",
        "segments after the first take a filled F0 from one frame earlier",
        around(offline.Segment, "source", _second_segment_of_filled_pitch),
        values="a second segment in webui-2026",
    ),
    Fault(
        "values-long-content-encoder",
        "hubert.features",
        "behind 512 rows the content encoder is one frame late",
        after(features, "extract", _late_behind(512, 1)),
        values="more than 512",
    ),
    Fault(
        "values-long-encoder",
        "enc_p",
        "behind 1024 frames the text encoder is one frame late",
        after(Synthesizer, "encode", _late_behind(1024, 2)),
        values="more than 1024",
    ),
    Fault(
        "values-long-flow",
        "flow",
        "behind 1024 frames the flow is one frame late",
        after(Synthesizer, "flow", _late_behind(1024, 2)),
        values="more than 1024",
    ),
    Fault(
        "values-mix-floor",
        "rmsmixed",
        "a voice is raised to 1e-3 instead of 1e-6",
        put(output, "QUIETEST", 1e-3),
        values="a voice below the loudness floor",
        causes=("another floor",),
    ),
    Fault(
        "values-mix-blocks",
        "rmsmixed",
        "behind 262,144 samples the loudness is not mixed",
        around(output, "mix_loudness", _later_blocks_unmixed),
        values="more than 262144",
    ),
    Fault(
        "values-final-blocks",
        "final",
        "behind 262,144 samples the peak guard is forgotten",
        around(output, "to_int16", _later_blocks_unscaled),
        values="more than 262144",
    ),
    Fault(
        "values-live-neighbors",
        "rt.retrieval",
        "a block is mixed although a frame has fewer than eight neighbors",
        around(converter, "blend_neighbors", _mix_missing_neighbors),
        values="fewer than eight neighbors",
    ),
    Fault(
        "values-live-mix-floor",
        "rt.infer_wav",
        "a voice is raised to 1e-6 instead of 1e-3",
        put(loudness, "QUIETEST", 1e-6),
        values="a voice below the loudness floor",
        causes=("gain",),  # below the floor everywhere, a lower one is a gain
    ),
]
