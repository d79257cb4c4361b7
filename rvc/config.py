"""What a conversion is asked to do, whole and checked: a profile's defaults with the user's wishes over them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rvc import profiles
from rvc.audio.segments import Window
from rvc.errors import BadInput
from rvc.profiles import METHODS, PROFILES, Profile
from rvc.retrieval.search import ExactHits

LOWEST_RESAMPLE = 16000  # the originals ignore lower rates


@dataclass(frozen=True)
class Config:
    """Every choice of one conversion; `Config.of` fills what is not said from a profile."""

    profile: Profile
    f0_method: str
    index_rate: float  # 0 keeps the features, 1 replaces them by the index's
    protect: float  # 0 keeps unvoiced frames from retrieval, 0.5 and more is off
    rms_mix_rate: float  # 1 keeps the voice's loudness, 0 takes the input's
    filter_radius: int  # harvest: above 2, a median of three frames
    resample_rate: int  # Hz, 0 keeps the voice's rate
    speaker: int
    transpose: int = 0  # semitones
    f0_file: Path | None = None  # lines of "seconds,hertz" that replace the tracked pitch
    window: Window = field(default_factory=Window)
    exact_hits: ExactHits = "finite"

    @classmethod
    def of(cls, profile: str | Profile = "webui-2026", **wishes: Any) -> Config:
        """A profile's defaults, then the wishes; a wish of None leaves the default.  Raises BadInput."""
        base = profiles.named(profile) if isinstance(profile, str) else profile
        chosen: dict[str, Any] = {
            "f0_method": base.f0_method,
            "index_rate": base.index_rate,
            "protect": base.protect,
            "rms_mix_rate": base.rms_mix_rate,
            "filter_radius": base.filter_radius,
            "resample_rate": base.resample_rate,
            "speaker": base.speaker,
        }
        known = set(cls.__dataclass_fields__) - {"profile"}
        for name, value in wishes.items():
            if name not in known:
                raise BadInput(f"a conversion has no option {name!r}; its options are {', '.join(sorted(known))}")
            if value is not None:
                chosen[name] = value
        return cls(base, **chosen)

    def __post_init__(self) -> None:
        if self.f0_method not in METHODS:
            raise BadInput(f"there is no F0 method {self.f0_method!r}; choose one of {', '.join(METHODS)}")
        self._within("index_rate", 0, 1)
        self._within("protect", 0, 1)
        self._within("rms_mix_rate", 0, 1)
        self._within("transpose", -60, 60)
        self._within("filter_radius", 0, 100)
        if self.transpose != int(self.transpose):
            raise BadInput(f"transpose is {self.transpose} semitones; expected a whole number, as in the originals")
        if self.resample_rate and not LOWEST_RESAMPLE <= self.resample_rate <= 192000:
            raise BadInput(f"resample_rate is {self.resample_rate} Hz; expected 16000 to 192000, or 0 for none")
        if self.exact_hits not in ("finite", "nan"):
            raise BadInput(f"exact_hits is {self.exact_hits!r}; expected finite or nan")

    def _within(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not low <= value <= high:
            raise BadInput(f"{name} is {value}; expected {low} to {high}")

    def extensions(self) -> list[str]:
        """What is asked for beyond the profile's original, so that no parity can be claimed; one sentence each."""
        found = []
        if not self.profile.has(self.f0_method):
            found.append(f"{self.f0_method} has no original under {self.profile.name}; it runs as an extension")
        if self.f0_file is not None and not self.profile.f0_file:
            found.append(f"an F0 curve file has no original under {self.profile.name}; it acts as in webui-classic")
        return found


__all__ = ["PROFILES", "Config"]
