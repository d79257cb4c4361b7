"""The likeliest reason for an error: a small family of known mistakes, each of which predicts what it would have made.

A prediction explains the share of the error's energy that vanishes when it takes the golden's place. The one that
explains most is named, if it explains nearly all; "unknown" otherwise. A reason that belongs to one stage is preferred
to a general one (a gain, a shift) that explains hardly more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Tensors
from parity.goldens.arrays import Array
from parity.goldens.store import Case

ENOUGH, ENOUGH_IN_GENERAL = 0.95, 0.97  # of the error's energy
CERTAIN = 0.999  # nothing else needs to be tried
PREFERENCE = 0.05  # a general reason, or one whose size is free, must explain this much more than a stage's own
SAMPLES_TRIED = 3
Reason = dict[str, Any]
UNKNOWN: Reason = {
    "name": "unknown",
    "sentence": "no simple change explains this error",
    "explains": 0.0,
    "divergence": None,
}


Oracle = Callable[[Case, str, str, str, Tensors], Iterator["Guess"]]


@dataclass(frozen=True)
class Guess:
    """What a tensor would be under one mistake; `divergence` is its number in docs/divergences.md.

    base : what the same computation makes without the mistake; where given, the mistake's size is free, and `value`
           less `base` is the direction in which it moves the tensor
    """

    name: str
    sentence: str
    value: Array
    divergence: str | None = None
    general: bool = False
    base: Array | None = None


def suggest(
    case: Case,
    stage: stages.Stage,
    prefix: str,
    name: str,
    made: Mapping[str, Array],
    mode: str,
    oracle: Oracle | None = None,
) -> Reason:
    """name, sentence, explains (share of the error's energy) and the divergence, for the error in the tensor `name`.

    made   : the candidate's tensors of that mode; in a chained run its own inputs are what the mistake was made on
    oracle : predictions that need networks, asked only where nothing simpler explains the error
    """
    from parity.judge.diagnosis import content_and_f0

    if name not in case:
        return dict(UNKNOWN)
    siblings = {prefix + row.name: made[prefix + row.name] for row in stage.makes if prefix + row.name in made}
    given = siblings | candidate.inputs(case, stage, prefix, made if mode == "chained" else None)
    if name not in made:
        return _missing(case, name, made)
    ours, golden = made[name], case[name]
    if ours.shape != golden.shape:
        return _misshapen(ours, golden)
    guesses = [*content_and_f0.guesses(case, stage.name, prefix, name, given, ours), *general(name, ours, golden)]
    found = best(guesses, ours, golden)
    if oracle is not None and (found is None or found[1].general):
        other = best(_tolerant(oracle(case, stage.name, prefix, name, given)), ours, golden)
        found = other if found is None or (other is not None and other[0] > found[0] - PREFERENCE) else found
    if found is None:
        return _by_elimination(stage, ours, golden) if oracle is None else dict(UNKNOWN)
    share, guess = found
    return {"name": guess.name, "sentence": guess.sentence, "explains": round(share, 6), "divergence": guess.divergence}


def best(guesses: Iterable[Guess], ours: Array, golden: Array) -> tuple[float, Guess] | None:
    """The guess that explains most of the error and the share it explains, or None where none explains enough."""
    target, exact = _finite(ours), _finite(golden)
    count = golden.dtype.kind == "i" and golden.dtype != np.int16  # of decisions, wrong ones are counted
    error = _apart(target, exact, count)
    found: list[tuple[float, float, Guess]] = []
    for guess in guesses:
        value = np.asarray(guess.value)
        value = value[: len(golden)] if value.ndim == golden.ndim == 1 else value
        if value.shape != golden.shape or error == 0:
            continue
        right, wrong = exact, _finite(value)
        if guess.base is not None:  # what the same machine makes without the mistake stands for the golden
            right = _finite(guess.base)
            wrong = right + _fitted(wrong - right, target - right)
        error = _apart(target, right, count)
        left = _apart(target, wrong, count)
        if error == 0 or _apart(wrong, right, count) < 0.005 * error:
            continue  # a mistake that would hardly show here is not this error
        share = 1 - left / error
        loose = guess.general or guess.base is not None
        if share > CERTAIN and not loose:
            found = [(share, share, guess)]
            break
        found.append((share - (PREFERENCE if loose else 0), share, guess))
    found = [row for row in found if row[1] >= (ENOUGH_IN_GENERAL if row[2].general else ENOUGH)]
    return max(found, key=lambda row: row[0])[1:] if found else None


def _fitted(direction: Array, gap: Array) -> Array:
    """As much of a direction as explains most of a difference."""
    power = float(np.sum(direction * direction))
    return direction * (float(np.sum(direction * gap)) / power if power else 0.0)


SUSPECTS: dict[str, tuple[str, str, str]] = {
    "hubert.features": ("wrong layer", "features of this form that are quite other ones: another layer?", "D3"),
    "spk.g": ("another speaker", "an embedding that is quite another one: another speaker?", "D22"),
}


def _by_elimination(stage: stages.Stage, ours: Array, golden: Array) -> Reason:
    """Where no network is at hand to try it, the usual suspect for a tensor that is quite another one."""
    exact = golden.astype(np.float64)
    apart = float(np.sum((_finite(ours) - exact) ** 2)) > 0.01 * float(np.sum(exact**2))
    if stage.name not in SUSPECTS or not apart:
        return dict(UNKNOWN)
    name, sentence, divergence = SUSPECTS[stage.name]
    return {"name": name, "sentence": sentence, "explains": None, "divergence": divergence}


def _tolerant(guesses: Iterator[Guess]) -> Iterator[Guess]:
    """Guesses up to the first that cannot be made: a voice that is not here, a shape that does not fit."""
    try:
        yield from guesses
    except Exception:  # an oracle must never turn a verdict into a crash
        return


def _apart(one: Array, other: Array, count: bool) -> float:
    return float((one != other).sum()) if count else float(np.sum((one - other) ** 2))


def _finite(value: Array) -> Array:
    """float64 without NaN, infinity, and the FLT_MAX of neighbours that were not found."""
    found = np.nan_to_num(np.asarray(value, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return np.where(np.abs(found) > 1e30, 0.0, found)


def general(name: str, ours: Array, golden: Array) -> Iterator[Guess]:
    """Mistakes that any stage can make: shifted in time, scaled, upside down, an axis reversed, fewer bits."""
    row = stages.tensor(name)
    exact = golden.astype(np.float64)
    yield Guess("polarity", "the sign is reversed", -exact, general=True)
    axis = row.time_axis
    if axis is not None and axis < golden.ndim and golden.shape[axis] > 2 * SAMPLES_TRIED:
        unit = "sample" if row.axes[axis].startswith("sample") else "frame"
        for by in (*range(-SAMPLES_TRIED, 0), *range(1, SAMPLES_TRIED + 1)):
            word = "late" if by > 0 else "early"
            yield Guess(
                f"shift by {abs(by)} {unit}{'s' if abs(by) > 1 else ''}",
                f"everything comes {abs(by)} {unit}{'s' if abs(by) > 1 else ''} {word}",
                _shifted(exact, by, axis, ours),
                general=True,
            )
        yield Guess("reversed time", "the time axis is reversed", np.flip(exact, axis), general=True)
    for place, label in enumerate(row.axes):
        if label == "channel" and place < golden.ndim:
            yield Guess("reversed channels", "the channels are in reverse order", np.flip(exact, place), general=True)
            half = golden.shape[place] // 2
            yield Guess(
                "swapped halves",
                "the two halves of the channels are exchanged",
                np.roll(exact, half, place),
                general=True,
            )
    if row.kind not in ("decision", "noise"):
        yield from _scaled(exact, _finite(ours))
        yield from _rounded(golden, ours)


def _shifted(exact: Array, by: int, axis: int, ours: Array) -> Array:
    moved = np.roll(exact, by, axis)
    edge = (slice(None),) * axis + (slice(0, by) if by > 0 else slice(by, None),)
    moved[edge] = _finite(ours)[edge]  # what came in from outside is not known
    return moved


def _scaled(exact: Array, ours: Array) -> Iterator[Guess]:
    power = float(np.sum(exact * exact))
    if power:
        gain = float(np.sum(exact * ours)) / power
        if float(np.sum((ours - gain * exact) ** 2)) < 0.1 * float(np.sum(ours * ours)):  # else it is hardly the golden
            yield Guess("gain", f"everything is {gain:.5g} times the golden", exact * gain, general=True)
    offset = float(ours.mean() - exact.mean())
    yield Guess("offset", f"{offset:.3g} is added everywhere", exact + offset, general=True)


def _rounded(golden: Array, ours: Array) -> Iterator[Guess]:
    """Values that need fewer bits or digits than the golden's: that is what happened to them."""
    if golden.dtype.kind != "f" or not np.isfinite(ours).all():
        return
    gap, scale = np.abs(ours - golden), np.abs(golden.astype(np.float64))
    if not gap.any() or not (gap <= 0.01 * scale + 1e-3 * scale.max()).all():
        return
    slack = 1e-6 * float(scale.max())
    count, places = _bits(ours), _places(ours)
    if 0 < count <= 24 and _bits(golden) > count + 2 and (gap <= 2.0 ** (1 - count) * scale + slack).all():
        name = "half precision" if count <= 11 else "fewer bits" if count < 24 else "single precision"
        yield Guess(name, f"every value has only {count} bits", ours, "D26")
    if places <= 30 and _places(golden) > places + 2 and (gap <= 2.0**-places + slack).all():
        yield Guess("fixed point", f"every value has {places} bits behind the point", ours)
    for digits in range(1, 7):
        if _decimal(ours, digits):
            if not _decimal(golden, digits) and (gap <= 10.0**-digits + slack).all():
                yield Guess("rounded decimals", f"every value has {digits} decimals", ours)
            break


def _lowest(value: Array) -> Array:
    """The power of two that each value other than 0 is an odd multiple of."""
    part, power = np.frexp(value[value != 0].astype(np.float64))
    whole = (part * 2.0**53).astype(np.int64)
    return np.asarray(np.log2((whole & -whole).astype(np.float64)) + power - 53)


def _bits(value: Array) -> int:
    """The bits that the values' mantissas need, at most."""
    _, power = np.frexp(value[value != 0].astype(np.float64))
    return int((power - _lowest(value)).max()) if power.size else 0


def _places(value: Array) -> int:
    """The bits that the values need behind the point, at most."""
    lowest = _lowest(value)
    return int(-lowest.min()) if lowest.size else 0


def _decimal(value: Array, digits: int) -> bool:
    """Whether all values have so few decimals."""
    scaled = value.astype(np.float64) * 10.0**digits
    return bool((np.abs(scaled - np.rint(scaled)) <= 0.1).all())


def _missing(case: Case, name: str, made: Mapping[str, Array]) -> Reason:
    if name == "f0.filled" and "f0.hz" in made:
        return {
            "name": "unvoiced frames kept at 0",
            "divergence": "D1",
            "explains": 1.0,
            "sentence": "unvoiced frames are not filled from their neighbours, as in rvc-python and webui-classic",
        }
    return dict(UNKNOWN)


def _misshapen(ours: Array, golden: Array) -> Reason:
    if sorted(ours.shape) == sorted(golden.shape) and ours.ndim == golden.ndim:
        return {
            "name": "transposed axis",
            "sentence": "the axes are in another order",
            "explains": 1.0,
            "divergence": "D27",
        }
    if ours.ndim == golden.ndim:
        differ = [(a, b) for a, b in zip(ours.shape, golden.shape, strict=True) if a != b]
        if len(differ) == 1:
            a, b = differ[0]
            word = f"{abs(a - b)} {'fewer' if a < b else 'more'} than the golden's {b}"
            return {
                "name": "another length",
                "sentence": f"one axis has {a} elements, {word}",
                "explains": 1.0,
                "divergence": None,
            }
    return dict(UNKNOWN)


def given_of(given: Tensors, prefix: str, *names: str) -> Array | None:
    """The first of some inputs that is there."""
    for name in names:
        for full in (prefix + name, name):
            if full in given:
                return given[full]
    return None
