"""The settings of a stream that may change between two blocks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rvc.errors import BadInput
from rvc.realtime.dsp.gate import OFF


class Crossfade(StrEnum):
    """How two blocks are joined."""

    FADE = "fade"  # sin² and cos² ramps
    PHASE_VOCODER = "phase-vocoder"  # the option of webui-classic


@dataclass(frozen=True)
class Controls:
    """Settings of a stream; the defaults are the original's. Assign a new object to `Stream.controls` to change one.

    Attributes:
        transpose: pitch change in semitones, -60 to 60.
        formant: formant shift in semitones, -12 to 12; above 0 for a shorter vocal tract, the pitch stays.
        index_rate: 0 keeps the content features, 1 replaces them by the index's.
        rms_mix_rate: 1 keeps the voice's loudness, 0 takes the input's.
        gate_db: threshold in dB below which input becomes silence; -60 and below is off.
        input_denoise: whether noise in the input is reduced.
        output_denoise: whether noise in the output is reduced.
        crossfade: how blocks are joined.
        f0_method: name of the F0 method.
        speaker: row of the voice's speaker embedding.
    Raises:
        BadInput: a value is outside its range.
    """

    transpose: float = 0.0
    formant: float = 0.0
    index_rate: float = 0.0
    rms_mix_rate: float = 0.0
    gate_db: float = OFF
    input_denoise: bool = False
    output_denoise: bool = False
    crossfade: Crossfade = Crossfade.FADE
    f0_method: str = "rmvpe"
    speaker: int = 0

    def __post_init__(self) -> None:
        for name, value in (("index rate", self.index_rate), ("rms mix rate", self.rms_mix_rate)):
            if not 0 <= value <= 1:
                raise BadInput(f"the {name} is {value}, expected a number from 0 to 1")
        if not abs(self.formant) <= 12:
            raise BadInput(f"the formant shift is {self.formant} semitones, expected -12 to 12")
        if not abs(self.transpose) <= 60:
            raise BadInput(f"the transposition is {self.transpose} semitones, expected -60 to 60")
        if self.crossfade not in list(Crossfade):
            raise BadInput(f"there is no crossfade {self.crossfade!r}; choose one of {', '.join(Crossfade)}")
        object.__setattr__(self, "crossfade", Crossfade(self.crossfade))
