"""The comparison of two sounds as text, and as a JSON document with the measures by frame."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from parity.errors import UsageError
from parity.goldens.arrays import Curve
from parity.waveforms import tier_scale
from parity.waveforms.pair import MARKS, Pair, PairState, Place
from parity.waveforms.perceptual import UNITS
from parity.waveforms.sound_file import Sound

FORMAT, FILE = "rvc-sounds/1", "sounds.json"
SIDES = ("reference.flac", "candidate.flac")  # the aligned sounds beside FILE, for the pages of the report
_SHOWN = 4  # places of one measure in the text; the document has all
_FIRST = {
    PairState.SAME: "same samples, within one step of a 16-bit file",
    PairState.ALTERED: "the same sound, altered",
    PairState.DIFFERS: "differs",
    PairState.OTHER: "no common sound",
}
_NOTE = "A comparison of two sounds is no proof of parity: it names no stage, and other noise gives other samples."


def text(pair: Pair) -> str:
    """The comparison in lines."""
    lines = [f"{pair.candidate.name} beside {pair.reference.name}: {_FIRST[pair.state]}", ""]
    lines += [f"  {'reference':10}{_form(pair.reference)}", f"  {'candidate':10}{_form(pair.candidate)}"]
    lines += [f"  - {difference.sentence}" for difference in pair.differences]
    if pair.state in (PairState.ALTERED, PairState.DIFFERS) and math.isfinite(pair.remainder) and pair.remainder:
        lines.append(f"  - what remains is {pair.remainder:.1f} dB relative to {pair.reference.name}")
    if pair.state is not PairState.OTHER:
        scales = tier_scale.load()
        heads = "".join(f"{tier:>10}" for tier in scales)
        lines += ["", f"  {'measure':16}{'value':>10}{heads}  unit               where it exceeds its mark (seconds)"]
        for measure, value in pair.summary.values().items():
            shown = "none" if math.isnan(value) else f"{value:.3f}"
            scale = "".join(f"{_largest(each.get(measure)):>10}" for each in scales.values())
            lines.append(f"  {measure:16}{shown:>10}{scale}  {UNITS[measure]:18} {_where(pair, measure)}".rstrip())
        names = " and ".join(scales)
        lines += ["", f"The columns {names} are a scale: the largest value of the originals in that precision."]
    return "\n".join([*lines, "", _NOTE])


def _largest(scale: tier_scale.Scale | None) -> str:
    return "none" if scale is None else f"{scale.largest:.3f}"


def write(pair: Pair, folder: Path) -> None:
    """Write FILE and the aligned sounds into a folder, which is made.

    Raises:
        UsageError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, samples in zip(SIDES, pair.placed, strict=True):
            part = folder / f".{name}.new"
            soundfile.write(part, np.clip(samples, -1.0, 1.0), pair.reference.rate, format="FLAC", subtype="PCM_24")
            part.replace(folder / name)
        fresh = folder / f".{FILE}.new"
        fresh.write_text(json.dumps(document(pair), indent=1) + "\n", encoding="utf-8")
        fresh.replace(folder / FILE)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written to ({error.strerror}); give another --out") from None


def document(pair: Pair) -> dict[str, Any]:
    """The comparison as a JSON document; a number that does not exist is null."""
    frames = pair.frames
    return {
        "format": FORMAT,
        "state": pair.state.value,
        "reference": _about(pair.reference),
        "candidate": _about(pair.candidate),
        "differences": [
            {"kind": each.kind.value, "sentence": each.sentence, "value": _number(each.value)}
            for each in pair.differences
        ],
        "alignment": {
            "delay_samples": pair.alignment.delay,
            "gain": pair.alignment.gain,
            "correlation": pair.alignment.correlation,
            "by_level": pair.alignment.by_level,
        },
        "remainder_db": _number(pair.remainder),
        "summary": {name: _number(value) for name, value in pair.summary.values().items()},
        "scale": {
            tier.value: {name: {"median": one.median, "largest": one.largest} for name, one in measures.items()}
            for tier, measures in tier_scale.load().items()
        },
        "units": UNITS,
        "marks": MARKS,
        "places": [
            {"measure": place.measure, "begin": place.begin, "end": place.end, "worst": _number(place.worst)}
            for place in pair.places
        ],
        "frames": {
            "times": _curve(frames.times),
            "level": _curve(frames.level),
            **{name: _curve(getattr(frames, name)) for name in MARKS},
        },
    }


def _form(sound: Sound) -> str:
    channels = sound.samples.shape[1]
    return (
        f"{sound.name}: {sound.seconds:.3f} s, {sound.rate} Hz, {channels} channel{'s'[: channels > 1]}, {sound.form}"
    )


def _about(sound: Sound) -> dict[str, Any]:
    return {
        "name": sound.name,
        "seconds": sound.seconds,
        "rate": sound.rate,
        "channels": int(sound.samples.shape[1]),
        "form": sound.form,
    }


def _where(pair: Pair, measure: str) -> str:
    """The places of a measure; F0 errors are those of cents, voicing errors those of voicing."""
    name = {"pitch_errors": "", "voicing_errors": "voicing"}.get(measure, measure)
    places = [place for place in pair.places if place.measure == name]
    if not places:
        return ""
    covered = sum(place.end - place.begin for place in places)
    if covered > 0.8 * pair.reference.seconds:
        return "nearly everywhere"
    worst = sorted(places, key=_weight, reverse=True)[:_SHOWN]
    shown = ", ".join(f"{place.begin:.2f}-{place.end:.2f}" for place in sorted(worst, key=lambda place: place.begin))
    return shown + (f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else "")


def _weight(place: Place) -> float:
    return abs(place.worst) * (place.end - place.begin)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _curve(values: Curve) -> list[float | None]:
    return [_number(value) for value in np.round(values, 4)]
