"""The spread of an original's sound over noise: its perceptual measures against a golden, in runs with other noise.

`reference.seeds` runs an original; `measure` makes parity/data/own_noise.json of its traces.
"""

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.errors import UsageError
from parity.goldens import store, trace_file
from parity.waveforms import perceptual, tier_scale

DATA = Path(__file__).parents[1] / "data" / "own_noise.json"
FORMAT = "rvc-own-noise-scale/1"
SURE = 6.0  # standard deviations of the mean of the candidate's runs
LEAST = 0.03  # relative: the standard deviation that a measure is given at least, beside that of the runs
# The least width of a share of voiced frames. Where 12 runs of 39 frames (ear-turn-v2-2026) show none, a share of 0.02
# would have shown some in all but one of 10,000 such measurements: (1 - 0.02) ** 468.
LEAST_SHARE = 0.02
_FINAL = "waveform.final"


@dataclass(frozen=True)
class SoundScale:
    """Measure → its value in each run of the original against the golden."""

    values: Mapping[str, tuple[float, ...]]

    def limits(self, measure: str, runs: int) -> tuple[float | None, float | None]:
        """The lowest and highest mean over `runs` runs of a candidate; None for a measure without a value."""
        values = self.values.get(measure, ())
        if len(values) < 3:
            return None, None
        mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
        # The mean of `runs` values around a mean that is itself that of len(values) values.
        width = SURE * deviation * math.sqrt(1.0 / runs + 1.0 / len(values)) + LEAST * abs(mean)
        if perceptual.UNITS[measure].startswith("of ") and "cents" in self.values:
            width = max(width, LEAST_SHARE)
        return mean - width, mean + width


def of_case(name: str) -> SoundScale | None:
    """The scale of a golden, or None where the original's spread over noise was not measured on it."""
    entry = _document()["cases"].get(name)
    if entry is None:
        return None
    return SoundScale({measure: tuple(values) for measure, values in entry["values"].items()})


@functools.cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
    return document


def measure(folder: Path, goldens: Path) -> dict[str, Any]:
    """Measure the traces of `reference.seeds`; cases of parity/data/own_noise.json that `folder` lacks are kept.

    Args:
        folder: CASE/SEED.safetensors, and CASE/about.json with the original and its environment.
        goldens: the folder of goldens.
    Returns:
        the document of parity/data/own_noise.json.
    Raises:
        UsageError: the folder holds no such traces.
    """
    cases: dict[str, Any] = {}
    for about in sorted(folder.glob("*/about.json")):
        name = about.parent.name
        case = store.open_case(goldens / name).check()
        paths = sorted(about.parent.glob("*.safetensors"), key=lambda path: int(path.stem))
        runs = [tier_scale.measured(case, trace_file.read(path)[_FINAL]) for path in paths]
        held = [key for key in perceptual.UNITS if all(math.isfinite(run[key]) for run in runs)]
        values = {key: [round(run[key], 5) for run in runs] for key in held}
        cases[name] = {**json.loads(about.read_text(encoding="utf-8")), "runs": len(runs), "values": values}
    if not cases:
        raise UsageError(f"{folder} holds no traces with an about.json; make them with python -m reference.seeds")
    return {
        "format": FORMAT,
        "why": "perceptual measures of the original against its own golden, in runs with other noise; written by "
        "rvc-parity own-noise --measure from the traces of python -m reference.seeds",
        "cases": dict(sorted((_document()["cases"] | cases).items())),
    }
