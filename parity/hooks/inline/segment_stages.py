"""How the pipeline's method cuts its input into segments, and joins their waveforms.

The method runs with a given input after its high-pass, and a stand-in answers for each segment.
"""

import inspect
from typing import Any

import numpy as np
import scipy.signal

from parity.hooks.inline.inline_base import FRAME, NO_MIX, any_f0
from parity.hooks.inline.one_segment import OneSegment
from parity.hooks.interception import replaced
from parity.hooks.serving import Array, Arrays, Tape, snapshot


class SegmentStages(OneSegment):
    """The stages `seg.audio` and `concat`."""

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

        methods = {self.names.segment: segment, self.names.f0: any_f0, "t_max": 0 if cut else 1 << 40}
        with (
            replaced(self.pipe, **methods),
            replaced(scipy.signal, filtfilt=lambda *_, **__: highpassed.copy()),
            replaced(np, pad=pad_input),
            self._tapped_join(lambda pieces, joined: tape("joined", joined)),
        ):
            self.core(np.zeros(len(highpassed), np.float32), **NO_MIX)
        return tape


def _quiet_at(length: int, cuts: list[int]) -> Array:
    """float64 (length,): louder with the distance from the nearest cut, so that a search finds exactly the cuts.

    The level of a cut is a sum over the half-open 10 ms around it, whose center is half a sample before it.
    """
    if not cuts:
        return np.ones(length)
    distances = [np.abs(np.arange(length) - (cut - 0.5)) for cut in cuts]
    return np.asarray(np.minimum.reduce(distances) / length + 1e-3)
