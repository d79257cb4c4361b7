"""What may change between two blocks."""

from __future__ import annotations

from dataclasses import dataclass

from rvc.errors import BadInput
from rvc.realtime.dsp.gate import OFF

CROSSFADES = ("fade", "phase-vocoder")


@dataclass(frozen=True)
class Controls:
    """The sliders of a stream, the original's settings where nothing is said; replace the whole to move one.

    transpose    : semitones
    formant      : semitones by which the vocal tract gets shorter; pitch stays
    index_rate   : how far content is moved towards the voice's own, 0 to 1
    rms_mix_rate : 1 keeps the voice's loudness, 0 gives it the input's
    gate_db      : input quieter than this is silenced; -60 and below is off
    speaker      : row of the voice's embedding
    """

    transpose: float = 0.0
    formant: float = 0.0
    index_rate: float = 0.0
    rms_mix_rate: float = 0.0
    gate_db: float = OFF
    input_denoise: bool = False
    output_denoise: bool = False
    crossfade: str = "fade"
    f0_method: str = "rmvpe"
    speaker: int = 0

    def __post_init__(self) -> None:
        for name in ("index_rate", "rms_mix_rate"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise BadInput(f"{name.replace('_', ' ')} is {value}, expected a number from 0 to 1")
        if not abs(self.formant) <= 12:
            raise BadInput(f"the formant shift is {self.formant} semitones, expected -12 to 12")
        if not abs(self.transpose) <= 60:
            raise BadInput(f"the transposition is {self.transpose} semitones, expected -60 to 60")
        if self.crossfade not in CROSSFADES:
            raise BadInput(f"there is no crossfade {self.crossfade!r}; choose one of {', '.join(CROSSFADES)}")
