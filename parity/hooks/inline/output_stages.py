"""The stages after the last segment: trimming, loudness, the output's rate and its integers.

The pipeline's method runs on with one given segment.
"""

import sys
from typing import Any

import librosa
import numpy as np
import scipy.signal

from parity.hooks.inline.inline_base import NO_MIX, InlineBase, any_f0
from parity.hooks.interception import replaced
from parity.hooks.serving import Array, Arrays, Tape

_SILENCE = np.zeros(48000)  # a high-passed input of three seconds, where none is read


class OutputStages(InlineBase):
    """The stages `trim`, `rmsmixed`, `resampled` and `final`."""

    @property
    def loudness(self) -> tuple[Any, str]:
        """Owner and name of the function that mixes the input's loudness."""
        return self.module, "change_rms"

    def stage_trim(self, prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `trim`."""
        made = self._tail(inputs[prefix + "waveform.segment.full"], _SILENCE, **NO_MIX)
        return {prefix + "waveform.segment": made["trimmed"]}

    def stage_rmsmixed(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `rmsmixed`."""
        made = self._tail(self._with_padding(inputs["waveform.concat"]), inputs["highpassed"], resample_sr=0)
        return {"waveform.rmsmixed": made["rmsmixed"]}

    def stage_resampled(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `resampled`."""
        wave = inputs.get("waveform.rmsmixed", inputs.get("waveform.concat"))
        changes = {**NO_MIX, "resample_sr": self.case["options"]["resample_rate"]}
        return {"waveform.resampled": self._tail(self._with_padding(wave), _SILENCE, **changes)["resampled"]}

    def stage_final(self, _prefix: str, inputs: Arrays) -> dict[str, Any]:
        """Compute the stage `final`."""
        names = ("waveform.resampled", "waveform.rmsmixed", "waveform.concat")
        wave = next(inputs[name] for name in names if name in inputs)
        return {"waveform.final": self._tail(self._with_padding(wave), _SILENCE, **NO_MIX)["final"]}

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
        methods = {self.names.segment: lambda *_, **__: given, self.names.f0: any_f0, "t_max": 1 << 40}
        with (
            replaced(self.pipe, **methods),
            replaced(scipy.signal, filtfilt=lambda *_, **__: highpassed.copy()),
            self._tapped_join(lambda pieces, joined: tape("trimmed", pieces[0])),
            replaced(librosa, resample=convert_rate),
            replaced(owner, **{name: mixed}),
        ):
            tape("final", self.core(np.zeros(len(highpassed), np.float32), **changes))
        return tape
