"""The table of the judge's profiles and F0 methods. To add one, add an entry at the end.

A profile is one original program. The schema of case.json, the coverage table, the limits and the recorder of goldens
read this table. It does not import `rvc`, which has its own registries (`rvc.profiles`, `rvc.f0.registry`); a test
compares the two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Generation(StrEnum):
    """How the sine generator sums its phase (docs/divergences.md, D16)."""

    A = "A"  # a running sum over samples, from which 1 is subtracted wherever the phase wraps
    B = "B"  # a sum over frames, interpolated


@dataclass(frozen=True)
class F0Method:
    """One F0 method.

    Attributes:
        name: the value of the option `f0_method` in case.json.
        weight_file: the role of its network's weight file, an option of the judge's command line; None without network.
        is_dithered: whether it takes the recorded draw `noise.crepe`.
        cost: the duration of a conversion, as a multiple of one with pm, which costs little beside the networks.
    """

    name: str
    weight_file: str | None = None
    is_dithered: bool = False
    cost: int = 1

    @property
    def is_neural(self) -> bool:
        """Whether its F0 comes from a network, so that the sine's phase varies between machines."""
        return self.weight_file is not None


@dataclass(frozen=True)
class Profile:
    """One original.

    Attributes:
        name: the value of `profile` in case.json.
        methods: the F0 methods that the original offers for files (docs/spec/03 §3.1).
        fills_unvoiced: whether unvoiced frames are filled from their neighbors (docs/divergences.md, D1).
        generation: the generation of the sine generator (docs/divergences.md, D16).
    """

    name: str
    methods: tuple[str, ...]
    fills_unvoiced: bool
    generation: Generation


@dataclass(frozen=True)
class Behavior:
    """Something that only some originals do, so that the goldens of the others cannot show whether it is right.

    Attributes:
        name: the name in reports.
        stage: the stage that does it.
        because: why a profile that does not do it cannot show it.
        shown_by: whether a profile does it.
        in_case: whether the options and the voice of a case (the fields of case.json) ask for it.
    """

    name: str
    stage: str
    because: str
    shown_by: Callable[[Profile], bool]
    in_case: Callable[[Mapping[str, Any]], bool]


METHODS: dict[str, F0Method] = {}
PROFILES: dict[str, Profile] = {}


def register_method(method: F0Method) -> F0Method:
    """Add an F0 method to the table.

    Returns:
        The method.
    Raises:
        ValueError: a method of this name is registered.
    """
    if method.name in METHODS:
        raise ValueError(f"the F0 method {method.name!r} is registered already")
    METHODS[method.name] = method
    return method


def register_profile(profile: Profile) -> Profile:
    """Add a profile to the table.

    Returns:
        The profile.
    Raises:
        ValueError: a profile of this name is registered, or one of its F0 methods is not.
    """
    if profile.name in PROFILES:
        raise ValueError(f"the profile {profile.name!r} is registered already")
    unknown = [method for method in profile.methods if method not in METHODS]
    if unknown:
        raise ValueError(f"the profile {profile.name!r} names the F0 method {unknown[0]!r}; register that first")
    PROFILES[profile.name] = profile
    return profile


def unregister(name: str) -> None:
    """Remove the profile or the F0 method of that name; an unknown name is ignored."""
    METHODS.pop(name, None)
    PROFILES.pop(name, None)


PROTECT_OFF = 0.5  # from this value of the option `protect` on, no frame is protected (docs/spec/03)


def behaviors() -> list[Behavior]:
    """What the registered profiles do not have in common: one entry for each field of `Profile` and each F0 method."""

    def has_f0(meta: Mapping[str, Any]) -> bool:
        return bool(meta["voice"]["f0"])

    def protects(meta: Mapping[str, Any]) -> bool:
        return has_f0(meta) and float(meta["options"].get("protect", PROTECT_OFF)) < PROTECT_OFF

    def by_method(name: str) -> Behavior:
        return Behavior(
            f"the F0 method {name}",
            "f0.raw",
            "it does not offer that method",
            lambda profile: name in profile.methods,
            lambda meta: has_f0(meta) and meta["options"].get("f0_method") == name,
        )

    def by_generation(generation: Generation) -> Behavior:
        other = next(each for each in Generation if each is not generation)
        return Behavior(
            f"the sine of generation {generation}",
            "nsf",
            f"its sine is of generation {other}",
            lambda profile: profile.generation is generation,
            has_f0,
        )

    return [
        *(by_method(name) for name in METHODS),
        Behavior(
            "the filling of unvoiced frames",
            "f0.filled",
            "it leaves unvoiced frames at 0",
            lambda profile: profile.fills_unvoiced,
            has_f0,
        ),
        Behavior(
            "protect",
            "content.protected",
            "it fills unvoiced frames, so that protect changes no frame of a voice",
            lambda profile: not profile.fills_unvoiced,
            protects,
        ),
        *(by_generation(generation) for generation in Generation),
    ]


def weight_files() -> list[str]:
    """The roles of the weight files of F0 methods, each once, in the order of the table."""
    roles = (method.weight_file for method in METHODS.values())
    return list(dict.fromkeys(role for role in roles if role is not None))


def methods_without_original() -> list[str]:
    """The F0 methods that no profile has, in the order of the table."""
    offered = {method for profile in PROFILES.values() for method in profile.methods}
    return [method for method in METHODS if method not in offered]


register_method(F0Method("pm"))
register_method(F0Method("harvest", cost=4))
register_method(F0Method("dio"))
register_method(F0Method("crepe", weight_file="crepe", is_dithered=True, cost=4))
register_method(F0Method("crepe-tiny", weight_file="crepe", is_dithered=True))
register_method(F0Method("rmvpe", weight_file="rmvpe", cost=2))
register_method(F0Method("fcpe", weight_file="fcpe", cost=2))

register_profile(Profile("webui-2026", ("pm", "rmvpe", "fcpe"), fills_unvoiced=True, generation=Generation.A))
register_profile(
    Profile("webui-classic", ("pm", "harvest", "crepe", "rmvpe"), fills_unvoiced=False, generation=Generation.B)
)
register_profile(
    Profile("rvc-python", ("pm", "harvest", "crepe", "rmvpe"), fills_unvoiced=False, generation=Generation.A)
)
