"""Where the originals differ from one another, as named choices in one table (docs/spec/08, docs/divergences.md).

The table describes the originals as they run with the library versions that the goldens were recorded with: the
loudness mix is float32 in all three (librosa ≥ 0.10), although the classic WebUI's old pin kept half of it in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rvc.errors import BadInput

METHODS = ("pm", "harvest", "dio", "crepe", "crepe-tiny", "rmvpe", "fcpe")


@dataclass(frozen=True)
class Profile:
    """One original's choices and its defaults for converting a single file."""

    name: str
    original: str  # which program this is, and at which version
    methods: tuple[str, ...]  # F0 methods that the original has offline; others run as announced extensions
    fill_unvoiced: bool  # True: unvoiced frames take the interpolated pitch of their neighbours (D1)
    generation: Literal["A", "B"]  # of the sine generator (D16)
    flush_decoder: bool  # False: what the resampler still holds at the end of the file is lost (spec 06 §6.3)
    f0_file: bool  # whether the original can be reached with an F0 curve file
    f0_method: str
    index_rate: float
    rms_mix_rate: float  # 1 keeps the voice's own loudness, 0 takes the input's
    protect: float  # 0.5 and more: off
    filter_radius: int = 3  # harvest only; above 2, a median of three frames
    speaker: int = 0
    resample_rate: int = 0  # 0 keeps the voice's rate

    def has(self, method: str) -> bool:
        """Whether the original offers this F0 method, so that parity can be asked for."""
        return method in self.methods


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="webui-2026",
            original="RVC-Project/Retrieval-based-Voice-Conversion-WebUI at 4338f12 (July 2026), web page, single file",
            methods=("pm", "rmvpe", "fcpe"),
            fill_unvoiced=True,
            generation="A",
            flush_decoder=True,
            f0_file=False,
            f0_method="rmvpe",
            index_rate=0.75,
            rms_mix_rate=0.25,
            protect=0.33,
        ),
        Profile(
            name="webui-classic",
            original="the same project as of 2023-24, kingfree's copy at 33ef97e, web page, single file",
            methods=("pm", "harvest", "crepe", "rmvpe"),
            fill_unvoiced=False,
            generation="B",
            flush_decoder=True,
            f0_file=True,
            f0_method="rmvpe",
            index_rate=0.75,
            rms_mix_rate=0.25,
            protect=0.33,
        ),
        Profile(
            name="rvc-python",
            original="PyPI rvc-python 0.1.5, RVCInference.infer_file",
            methods=("pm", "harvest", "crepe", "rmvpe"),
            fill_unvoiced=False,
            generation="A",
            flush_decoder=False,
            f0_file=False,
            f0_method="harvest",
            index_rate=0.5,
            rms_mix_rate=1.0,
            protect=0.33,
        ),
    )
}


def named(name: str) -> Profile:
    """The profile of that name.  Raises BadInput for any other name."""
    try:
        return PROFILES[name]
    except KeyError:
        raise BadInput(f"there is no profile {name!r}; choose one of {', '.join(PROFILES)}") from None
