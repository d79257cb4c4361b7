"""The table of profiles: how each original program differs from the others (docs/spec/08, docs/divergences.md).

To add a profile, add an entry below. The command line, `Config` and `rvc profiles` read this table. It describes the
originals as they run with the library versions that the goldens were recorded with: the loudness mix is float32 in all
three (librosa ≥ 0.10), although the versions that the classic WebUI once pinned computed half of it in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rvc.errors import BadInput
from rvc.f0 import registry


@dataclass(frozen=True)
class Profile:
    """The choices of one original, and its defaults for converting a single file.

    Attributes:
        name: the value of the option `profile`.
        original: the program and its version.
        methods: the F0 methods that the original offers for files; others run as announced extensions.
        fill_unvoiced: whether unvoiced frames take the interpolated F0 of their neighbors (D1).
        generation: the generation of the sine generator (D16).
        flush_decoder: False loses the samples that the resampler holds at the end of the file (docs/spec/06 §6.3).
        f0_file: whether the original accepts an F0 curve file.
        realtime: whether the original converts a stream.
        f0_method: the default F0 method.
        index_rate: 0 keeps the content features, 1 replaces them with the retrieved ones.
        rms_mix_rate: 1 keeps the voice's own loudness, 0 takes the input's.
        protect: 0 keeps unvoiced frames from retrieval, 0.5 and more is off.
        filter_radius: harvest only; above 2, a median of three frames.
        speaker: 0 is the first.
        resample_rate: Hz; 0 keeps the voice's rate.
    """

    name: str
    original: str
    methods: tuple[str, ...]
    fill_unvoiced: bool
    generation: Literal["A", "B"]
    flush_decoder: bool
    f0_file: bool
    f0_method: str
    index_rate: float
    rms_mix_rate: float
    protect: float
    filter_radius: int = 3
    speaker: int = 0
    resample_rate: int = 0
    realtime: bool = False

    def has(self, method: str) -> bool:
        """Whether the original offers this F0 method, so that parity with it can be tested."""
        return method in self.methods


PROFILES: dict[str, Profile] = {}
DEFAULT = "webui-2026"  # the profile of a conversion that names none: the current release of the original


def register(profile: Profile) -> Profile:
    """Add a profile to the table.

    Returns:
        The profile.
    Raises:
        ValueError: a profile of this name is registered, or one of its F0 methods is not.
    """
    if profile.name in PROFILES:
        raise ValueError(f"the profile {profile.name!r} is registered already")
    unknown = [method for method in (*profile.methods, profile.f0_method) if method not in registry.METHODS]
    if unknown:
        raise ValueError(f"the profile {profile.name!r} names the F0 method {unknown[0]!r}; register that first")
    PROFILES[profile.name] = profile
    return profile


def unregister(name: str) -> None:
    """Remove a profile from the table; an unknown name is ignored."""
    PROFILES.pop(name, None)


def named(name: str) -> Profile:
    """The profile of that name.

    Raises:
        BadInput: there is no such profile.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise BadInput(f"there is no profile {name!r}; choose one of {', '.join(PROFILES)}") from None


register(
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
        realtime=True,
    )
)
register(
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
        realtime=True,
    )
)
register(
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
    )
)
