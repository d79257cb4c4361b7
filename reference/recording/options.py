"""Options and weight files of one conversion, named like the options of `python -m rvc convert`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from parity.stages import profile_table
from reference.errors import Refusal

PROFILES = tuple(profile_table.PROFILES)
METHODS = {name: profile.methods for name, profile in profile_table.PROFILES.items()}


@dataclass(frozen=True)
class Window:
    """Segmentation in seconds: padding at both ends, search range around a cut, distance of cuts, longest uncut input.

    The defaults are those of the WebUIs on a CPU.
    """

    pad: float = 1.0
    query: float = 6.0
    center: float = 38.0
    max: float = 41.0

    @property
    def seconds(self) -> tuple[float, float, float, float]:
        """Pad, query, center and max, in the order of `--window`."""
        return self.pad, self.query, self.center, self.max


@dataclass(frozen=True)
class Options:
    """All options of one conversion; none is left to an original's own default, so case.json records every one."""

    f0_method: str = "rmvpe"
    transpose: int = 0  # semitones
    index_rate: float = 0.0
    protect: float = 0.33  # 0.5 and above: off
    rms_mix_rate: float = 1.0  # 1: off
    resample_rate: int = 0  # Hz; 0 keeps the voice's rate
    filter_radius: int = 3  # harvest only: a median filter above 2
    speaker: int = 0
    window: Window = Window()
    f0_file: str | None = None

    @classmethod
    def read(cls, table: dict[str, Any]) -> "Options":
        """Options from a TOML or JSON table.

        Raises:
            Refusal: the table has an unknown key.
        """
        known = set(cls.__dataclass_fields__)
        if unknown := sorted(set(table) - known):
            raise Refusal(f"options hold {', '.join(unknown)}, but only {', '.join(sorted(known))} are known")
        values = dict(table)
        if "window" in values:
            window = values["window"]
            values["window"] = Window(**window) if isinstance(window, dict) else Window(*map(float, window))
        return cls(**values)

    def table(self) -> dict[str, Any]:
        """Plain values for JSON: the window as four seconds in the order of `--window`."""
        table = asdict(self)
        table["window"] = list(self.window.seconds)
        return table


@dataclass(frozen=True)
class Weights:
    """Files on disk that an original loads with its own code."""

    model: Path
    hubert: Path  # a transformers folder
    rmvpe: Path | None = None
    index: Path | None = None

    def resolved(self) -> "Weights":
        """The same files with absolute paths, because an original runs in a scratch folder."""
        rmvpe, index = (path and path.resolve() for path in (self.rmvpe, self.index))
        return Weights(self.model.resolve(), self.hubert.resolve(), rmvpe, index)

    def files(self) -> list[Path]:
        """Every file; a folder stands for its files in sorted order."""
        files: list[Path] = []
        for path in (self.model, self.hubert, self.rmvpe, self.index):
            if path is not None:
                files += sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        return files
