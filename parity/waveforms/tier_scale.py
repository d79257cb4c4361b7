"""The sound of the originals in reduced precisions beside their goldens: a scale for the perceptual measures.

`sound` of parity/data/spread.json has the measures of each golden that was run in float16 and bfloat16
(`rvc-parity spread`). They are a scale and no limit: what a listener notices depends on the sound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge import limits
from parity.judge.states import Tier
from parity.judge.tiers import tier_limits
from parity.waveforms import perceptual, sound_file


@dataclass(frozen=True)
class Scale:
    """One measure of the originals in one precision: its median and its largest value, over so many goldens."""

    median: float
    largest: float
    goldens: int


def measured(case: Case, wave: Array) -> Mapping[str, float]:
    """The perceptual measures of a waveform beside a golden's.

    Args:
        case: the golden.
        wave: int16 or float (samples,), as `waveform.final`.
    Raises:
        ModuleNotFoundError: librosa or mir_eval is not installed.
    """
    golden = sound_file.of_case(case, case.name)
    other = np.asarray(wave, np.float64).reshape(-1) / 32768.0
    return perceptual.summarize(perceptual.measure(golden.samples[:, 0], other, golden.rate)).values()


def load(document: Mapping[str, Any] | None = None) -> dict[Tier, dict[str, Scale]]:
    """Tier → measure → its scale, by the originals on the device of the goldens.

    Args:
        document: the content of a spread.json; None reads parity/data/spread.json.
    Raises:
        ParityError: spread.json cannot be read.
    """
    document = limits.read() if document is None else document
    environments = {row["name"]: row["environment"] for row in document["variants"]}
    values: dict[Tier, dict[str, list[float]]] = {tier: {} for tier in tier_limits.REDUCED}
    for row in document.get("sound", ()):
        environment = environments[row["variant"]]
        if environment.get("device", limits.RECORDED_ON) != limits.RECORDED_ON:
            continue
        tier = Tier(environment.get("dtype"))
        for measure, value in row["values"].items():
            values[tier].setdefault(measure, []).append(value)
    return {
        tier: {measure: _scale(several) for measure, several in measures.items()} for tier, measures in values.items()
    }


def _scale(values: Sequence[float]) -> Scale:
    return Scale(float(np.median(values)), float(max(values)), len(values))
