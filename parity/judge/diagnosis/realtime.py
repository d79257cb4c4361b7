"""Mistakes that show only live or only in a length: the formant shift (D23), a sound that was not resampled (D24)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.diagnosis.causes import Guess
from parity.stages import TensorName

UNRESAMPLED = ("waveform.rmsmixed", "waveform.concat")


def guesses(case: Case, stage: str, name: str) -> Iterator[Guess]:
    """A stream's pitch with its formant shift left out or the wrong way round."""
    shift = _formant(case, name)
    if stage != "rt.f0" or not name.endswith("f0.hz") or not shift:
        return
    golden, prefix = case[name].astype(np.float64), name.removesuffix("f0.hz")
    yield Guess(
        "missing formant shift",
        "the pitch is not lowered by the formant shift, which the resampling raises",
        golden * 2 ** (shift / 12),
        "D23",
    )
    yield Guess(
        "formant shift the other way",
        "the pitch is moved by the formant shift with the wrong sign",
        golden * 2 ** (2 * shift / 12),
        "D23",
    )
    frame = int(case.voice["rate"]) // 100
    if prefix + "waveform.raw" in case and prefix + "waveform.model" in case:
        made, heard = (case[prefix + wave].size // frame for wave in ("waveform.raw", "waveform.model"))
        yield Guess(
            "unscaled pitch",
            f"the pitch is not scaled by the {made} frames made for {heard} that are heard",
            golden * heard / made,
            "D23",
        )


def _formant(case: Case, name: str) -> float:
    """The formant shift of a block in semitones, as the case's sliders stand there."""
    live: Mapping[str, Any] = case.options.get("realtime", {})
    shift = float(live.get("formant", 0.0))
    for change in str(live.get("changes") or "").split():
        at, setting = change.split(":")
        if setting.startswith("formant=") and int(at) <= TensorName.parse(name).index:
            shift = float(setting.removeprefix("formant="))
    return shift


def other_length(case: Case, stage: str, ours: Array, golden: Array) -> dict[str, Any] | None:
    """The reason for a waveform of another length that a resampling left out would explain."""
    if stage not in ("resampled", "final") or ours.shape == golden.shape or "waveform.resampled" not in case:
        return None
    before = next(case[name] for name in UNRESAMPLED if name in case)
    if ours.shape != before.shape:
        return None
    return {
        "name": "missing resampling",
        "explains": 1.0,
        "divergence": "D24",
        "sentence": "the sound is not resampled: it has the voice's own rate, whatever rate is written beside it",
    }
