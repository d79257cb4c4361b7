"""Read and check cases.toml: input, voice, original, options and reason of every case."""

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reference.errors import Refusal
from reference.recording.options import METHODS, PROFILES, Options

HERE = Path(__file__).parents[1]
GOLDENS = HERE.parent / "goldens"
FIELDS = {"name", "why", "profile", "voice", "input", "index", "options", "realtime", "isolated", "values", "reduced"}


@dataclass(frozen=True)
class Spec:
    """One entry of cases.toml. The seed of its noise is its name."""

    name: str
    why: str
    profile: str
    voice: str  # kind, such as v2-40k-f0
    input: str  # a file of goldens/inputs
    index: str | None  # one of parity.voices.INDEXES; default: the voice's version
    options: Options
    realtime: dict[str, Any] = field(default_factory=dict)
    isolated: tuple[str, ...] = ()  # stages recorded alone instead of a conversion
    reduced: bool = False  # whether the golden holds a reduction of what they make
    values: str = ""  # inputs of `stages`, by their name in reference/stages_alone/values.py

    @property
    def audio(self) -> Path:
        """The input file."""
        return GOLDENS / "inputs" / self.input

    @property
    def absolute_options(self) -> Options:
        """The options with an absolute path of the F0 curve, because an original runs in a scratch folder."""
        curve = self.options.f0_file
        return replace(self.options, f0_file=str(HERE.parent / curve)) if curve else self.options


def read(path: Path = HERE / "cases.toml") -> list[Spec]:
    """Every case, in the file's order.

    Raises:
        Refusal: a field is misspelled or missing, a name occurs twice, or the original lacks the F0 method.
    """
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("case", [])
    specs = [_spec(entry) for entry in entries]
    names = [spec.name for spec in specs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise Refusal(f"{path.name} has {repeated[0]} twice; give each case its own name")
    return specs


def _spec(entry: dict[str, Any]) -> Spec:
    name = entry.get("name", "a case without a name")
    if unknown := sorted(set(entry) - FIELDS):
        raise Refusal(f"{name} has the field {unknown[0]!r}, but only {', '.join(sorted(FIELDS))} are known")
    alone = "isolated" in entry and "realtime" not in entry
    for required in ("name", "why", "profile", "voice", *(("values",) if alone else ("input",))):
        if required not in entry:
            raise Refusal(f"{name} lacks the field {required!r}; every case has it")
    options = Options.read(entry.get("options", {}))
    if entry["profile"] not in PROFILES:
        raise Refusal(f"{name} has profile {entry['profile']!r}, but the originals are {', '.join(PROFILES)}")
    if options.f0_method not in METHODS[entry["profile"]]:
        raise Refusal(
            f"{name} has profile {entry['profile']} and F0 method {options.f0_method}, which that original lacks; "
            f"it has {', '.join(METHODS[entry['profile']])}"
        )
    return Spec(
        name=entry["name"],
        why=entry["why"],
        profile=entry["profile"],
        voice=entry["voice"],
        input=entry.get("input", ""),
        index=entry.get("index", entry["voice"][:2]) if options.index_rate else None,
        options=options,
        realtime=entry.get("realtime", {}),
        isolated=tuple(entry.get("isolated", ())),
        values=entry.get("values", ""),
        reduced=bool(entry.get("reduced", False)),
    )


def changes(text: str) -> dict[str, dict[str, float]]:
    """Parse `"3:transpose=-4 3:formant=1"`: block number to the settings that change before that block."""
    by_block: dict[str, dict[str, float]] = {}
    for change in text.split():
        block, _, assignment = change.partition(":")
        name, _, value = assignment.partition("=")
        by_block.setdefault(block, {})[name] = float(value)
    return by_block


def select(specs: list[Spec], profile: str, names: list[str]) -> list[Spec]:
    """The cases of one original, or the named ones of them."""
    of_profile = [spec for spec in specs if spec.profile == profile]
    if not names:
        return of_profile
    by_name = {spec.name: spec for spec in specs}
    for name in names:
        if name not in by_name:
            raise Refusal(f"cases.toml has no case {name}; it has {', '.join(by_name)}")
        if by_name[name].profile != profile:
            raise Refusal(f"{name} is recorded from {by_name[name].profile}; add --original {by_name[name].profile}")
    return [by_name[name] for name in names]
