"""The options of a conversion, checked: a profile's defaults with the user's options over them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rvc import profiles
from rvc.audio.segments import Window
from rvc.errors import BadInput
from rvc.f0 import registry
from rvc.profiles import PROFILES, Profile
from rvc.retrieval.search import ExactHits

LOWEST_RESAMPLE = 16000  # Hz; the originals ignore lower rates (docs/spec/06 §6.8)
HIGHEST_RESAMPLE = 192000  # Hz; also the highest rate of an input file


@dataclass(frozen=True)
class Config:
    """Every option of one conversion; `Config.of` takes those that are not set from a profile.

    Attributes:
        profile: the original to reproduce.
        f0_method: a name in `rvc.f0.registry.METHODS`.
        index_rate: 0 keeps the content features, 1 replaces them with the retrieved ones.
        protect: 0 keeps unvoiced frames from retrieval, 0.5 and more is off.
        rms_mix_rate: 1 keeps the voice's loudness, 0 takes the input's.
        filter_radius: harvest only; above 2, a median of three frames.
        resample_rate: Hz; 0 keeps the voice's rate.
        speaker: 0 is the first.
        transpose: semitones.
        f0_file: lines of "seconds,hertz" that replace the tracked F0.
        window: how a long recording is cut.
        exact_hits: "finite", or "nan" for the originals' NaN where content features equal an index vector.
    Raises:
        BadInput: an option is outside its range.
    """

    profile: Profile
    f0_method: str
    index_rate: float
    protect: float
    rms_mix_rate: float
    filter_radius: int
    resample_rate: int
    speaker: int
    transpose: int = 0
    f0_file: Path | None = None
    window: Window = field(default_factory=Window)
    exact_hits: ExactHits = "finite"

    @classmethod
    def of(cls, profile: str | Profile = profiles.DEFAULT, **options: Any) -> Config:
        """A profile's defaults, with `options` over them.

        Args:
            profile: a profile or its name.
            options: attributes of `Config`; None keeps the default.
        Raises:
            BadInput: there is no such profile or option, or a value is outside its range.
        """
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
        for name, value in options.items():
            if name not in known:
                raise BadInput(f"a conversion has no option {name!r}; its options are {', '.join(sorted(known))}")
            if value is not None:
                chosen[name] = value
        return cls(base, **chosen)

    def __post_init__(self) -> None:
        registry.named(self.f0_method)
        self._within("index_rate", 0, 1)
        self._within("protect", 0, 1)
        self._within("rms_mix_rate", 0, 1)
        self._within("transpose", -60, 60)
        self._within("filter_radius", 0, 100)
        if self.transpose != int(self.transpose):
            raise BadInput(f"transpose is {self.transpose} semitones; expected a whole number, as in the originals")
        if self.resample_rate and not LOWEST_RESAMPLE <= self.resample_rate <= HIGHEST_RESAMPLE:
            raise BadInput(
                f"resample_rate is {self.resample_rate} Hz; expected {LOWEST_RESAMPLE} to {HIGHEST_RESAMPLE}, "
                "or 0 for none"
            )
        if self.exact_hits not in ("finite", "nan"):
            raise BadInput(f"exact_hits is {self.exact_hits!r}; expected finite or nan")

    def _within(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not low <= value <= high:
            raise BadInput(f"{name} is {value}; expected {low} to {high}")

    def extensions(self) -> list[str]:
        """The options that the profile's original does not have, for which parity cannot be tested; a sentence each."""
        sentences = []
        if not self.profile.has(self.f0_method):
            sentences.append(f"{self.f0_method} has no original under {self.profile.name}; it runs as an extension")
        if self.f0_file is not None and not self.profile.f0_file:
            sentences.append(f"an F0 curve file has no original under {self.profile.name}; it acts as in webui-classic")
        return sentences


__all__ = ["PROFILES", "Config"]
