"""Mistakes of realtime streams and of lengths: formant shift (D23), missing resampling (D24) or upsampling (D25)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.diagnosis.divergences import number_of
from parity.judge.diagnosis.registry import Cause, Guess
from parity.stages import TensorName

BEFORE_RESAMPLING = ("waveform.rmsmixed", "waveform.concat")


def guesses(case: Case, stage: str, name: str) -> Iterator[Guess]:
    """The F0 of a block without its formant shift, or with a wrong one.

    Args:
        case: The golden, a realtime stream.
        stage: The name of the stage; only `rt.f0` has guesses.
        name: The full name of the tensor; only F0 in hertz has guesses.
    """
    parsed = TensorName.parse(name)
    shift = _formant_shift(case, parsed.index)
    if stage != "rt.f0" or parsed.local != "f0.hz" or not shift:
        return
    golden = case[name].astype(np.float64)
    yield Guess(
        "missing formant shift",
        "the pitch is not lowered by the formant shift, which the resampling raises",
        golden * 2 ** (shift / 12),
    )
    yield Guess(
        "formant shift the other way",
        "the pitch is moved by the formant shift with the wrong sign",
        golden * 2 ** (2 * shift / 12),
    )
    raw, resampled = (str(parsed.sibling(local)) for local in ("waveform.raw", "waveform.model"))
    if raw in case and resampled in case:
        frame = int(case.voice["rate"]) // 100
        synthesized, output = case[raw].size // frame, case[resampled].size // frame
        yield Guess(
            "unscaled pitch",
            f"the pitch is not scaled by the {synthesized} synthesized frames for {output} output frames",
            golden * output / synthesized,
        )


def _formant_shift(case: Case, block: int) -> float:
    """The formant shift in a block, in semitones: the case's setting, and the changes up to that block."""
    settings: Mapping[str, Any] = case.options.get("realtime", {})
    shift = float(settings.get("formant", 0.0))
    for change in str(settings.get("changes") or "").split():
        at, setting = change.split(":")
        if setting.startswith("formant=") and int(at) <= block:
            shift = float(setting.removeprefix("formant="))
    return shift


def other_length(case: Case, stage: str, ours: Array, golden: Array) -> Cause | None:
    """The cause of an output that has the length of the stage's input, None for any other output."""
    if stage == "content.upsampled" and ours.ndim == 3:
        batch, frames, channels = ours.shape
        if golden.shape[::2] == (batch, channels) and (golden.shape[1] + 1) // 2 == frames:
            return _known_length(
                stage, "missing upsampling", "content has a frame every 20 ms: it is not doubled to the frames of F0"
            )
    if stage not in ("resampled", "final") or ours.shape == golden.shape or "waveform.resampled" not in case:
        return None
    before = next(case[name] for name in BEFORE_RESAMPLING if name in case)
    if ours.shape != before.shape:
        return None
    sentence = "the output is not resampled: it has the voice's own rate, whatever rate is written beside it"
    return _known_length("resampled", "missing resampling", sentence)


def _known_length(stage: str, name: str, sentence: str) -> Cause:
    return Cause(name=name, sentence=sentence, explains=1.0, divergence=number_of(stage, name))
