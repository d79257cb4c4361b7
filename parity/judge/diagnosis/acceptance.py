"""When a prediction explains an error: it must explain how large the error is, and where.

A prediction is what a tensor would be under one known mistake. It is accepted where

1. nearly all of the error's energy vanishes when the prediction takes the golden's place,
2. what is left is as small as rounding (the limit of the tensor), or a hundredth of the error,
3. the places agree: nearly every frame, and nearly every channel, that holds error is explained by itself, and the
   prediction moves no other frame or channel,
4. what is left is small beside the candidate's own values, so that a prediction near 0 does not explain a tensor
   near 0.

A mistake whose effect has a part that nobody can predict (`Guess.with_rest`) is accepted where the error holds the
whole of the predicted part, in every part of the tensor.

Of the accepted predictions the one with the least freedom is taken: a mistake of the stage before one that any stage
can make, and a prediction of fixed size before one whose size is fitted. One with more freedom is taken only where it
is clearly nearer to the candidate. Where two predictions are about equally near, and nothing but their order
distinguishes them, neither is taken.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from parity.goldens.arrays import Array
from parity.judge.diagnosis.registry import Guess

# Shares of the error's energy, 0 to 1. They were chosen so that the mutants of parity/mutants/catalog get the right
# cause and none gets a wrong one: python -m parity.mutants counts both.
ENOUGH = 0.95  # least share that the prediction of a cause of the stage itself must explain
ENOUGH_IN_GENERAL = 0.97  # least share that the prediction of a general cause must explain
PRECISE = 0.01  # largest share that a prediction of fixed size may leave, unless rounding explains more
PRECISE_IN_GENERAL = 0.003  # largest share that the prediction of a general cause may leave, with the same exception
CERTAIN = 1e-6  # share left below which no other guess is tried
NEGLIGIBLE = 0.005  # a mistake that changes the tensor by less than this share cannot have caused the error
# Squared distances above it are FLT_MAX = 3.4e38, which faiss gives where a search returns fewer neighbors.
UNFOUND = 1e30

# Of an error with a rest: the multiple of the predicted part that it holds, in the whole tensor and in each part of it,
# and the least share of its energy that this is. Random positional convolutions of a content encoder hold 0.91 to 0.95
# of it, which is 0.37 to 0.41 of the energy.
WHOLE_PART = (0.85, 1.2)
PART_SOMEWHERE = (0.5, 1.6)
LEAST_PART = 0.15
PIECES_OF_AN_AXIS = 4  # every fourth frame, and every fourth channel, is a part of the tensor

# A place is a frame or a channel, or 160 samples of a waveform.
EXPLAINED_PLACE = 0.5  # share of the energy at a place that the prediction must explain for the place to agree
PLACES = 0.9  # share of the frames with error, and of the channels with error, that must agree
SILENT_PLACE = 1e-3  # share of the mean energy of all places with error; a place below it counts as one without
OWN = 0.05  # share of the energy of the candidate's own values, about their mean, that may be left
APART = 4.0  # factor between the energies that two predictions leave, above which the nearer one is taken
SAME_EFFECT = 0.01  # share of the error's energy; two predictions that differ by less describe one effect
FEWEST_FITTED = 4.0  # values over which an error must be spread for the size of a mistake to be fitted to it
SPREAD = 0.2  # the original's own spread divided by the limit, which is five times the spread (parity/judge/limits.py)


@dataclass(frozen=True)
class Comparison:
    """A candidate's tensor beside the golden's.

    Attributes:
        ours: The candidate's tensor.
        golden: The golden's, of the same shape.
        axes: The labels of its axes, such as ("1", "frame10", "channel"); () where they are not known.
        noise: Relative RMS up to which a difference counts as rounding: the limit of the tensor.
    """

    ours: Array
    golden: Array
    axes: Sequence[str] = ()
    noise: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether unequal elements are counted: a decision has no energy."""
        return self.golden.dtype.kind == "i" and self.golden.dtype != np.int16


@dataclass(frozen=True)
class Fit:
    """An accepted prediction.

    Attributes:
        guess: The mistake.
        share: Share of the error's energy that it explains.
        left: Energy, or number of elements, that it leaves.
        value: The prediction, with its size fitted where it is free.
    """

    guess: Guess
    share: float
    left: float
    value: Array

    @property
    def freedom(self) -> int:
        """0 to 2: one for a mistake that any stage can make, and one for a prediction whose size is fitted."""
        return int(self.guess.general) + int(self.guess.is_fitted)

    @property
    def is_certain(self) -> bool:
        """Whether a mistake of the stage, of fixed size, leaves nothing: no other guess is tried then."""
        return self.freedom == 0 and 1 - self.share < CERTAIN


@dataclass(frozen=True)
class Decision:
    """The result of examining the predictions of one error.

    Attributes:
        fit: The prediction that explains the error; None where none does.
        rivals: Two mistakes that explain the error about equally well; () otherwise.
    """

    fit: Fit | None = None
    rivals: tuple[Guess, ...] = ()


def finite(value: Array) -> Array:
    """float64, with 0 for NaN, infinity, numbers that are not real, and the FLT_MAX of neighbors that are missing."""
    if value.dtype.kind not in "fiub":
        return np.zeros(value.shape)
    with np.errstate(invalid="ignore"):  # signaling NaNs, as random bytes hold them
        exact = np.nan_to_num(np.asarray(value, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return np.where(np.abs(exact) > UNFOUND, 0.0, exact)


def decide(guesses: Iterable[Guess], comparison: Comparison) -> Decision:
    """The guess that explains an error, if one alone does."""
    return choose(accepted(guesses, comparison), comparison)


def accepted(guesses: Iterable[Guess], comparison: Comparison) -> list[Fit]:
    """The accepted predictions, up to the first that is certain."""
    fits: list[Fit] = []
    for fit in _fits(guesses, comparison):
        fits.append(fit)
        if fit.is_certain:
            break
    return fits


def choose(fits: Sequence[Fit], comparison: Comparison) -> Decision:
    """The one of the accepted predictions that explains the error, if one alone does."""
    if not fits:
        return Decision()
    rounding = SPREAD**2 * _rounding(comparison)

    def is_nearer(one: Fit, other: Fit) -> bool:
        """Whether one prediction leaves so much less than another that rounding cannot be the reason."""
        return max(other.left, rounding) > APART * max(one.left, rounding)

    best = min(fits, key=lambda fit: (fit.freedom, fit.left))
    for fit in sorted(fits, key=lambda fit: (fit.freedom, fit.left)):
        if is_nearer(fit, best):
            best = fit
    error = distance(finite(comparison.ours), finite(comparison.golden), comparison.counts)
    for other in fits:
        if other.guess.name == best.guess.name or is_nearer(best, other):
            continue
        both_fitted = other.guess.is_fitted and best.guess.is_fitted
        differ = distance(other.value, best.value, comparison.counts) > SAME_EFFECT * error
        if both_fitted or (other.freedom == best.freedom and differ):
            return Decision(rivals=(best.guess, other.guess))
    return Decision(best)


def _rounding(comparison: Comparison) -> float:
    """The energy of an error as large as the limit; 0 for a decision."""
    exact = finite(comparison.golden)
    return 0.0 if comparison.counts else comparison.noise**2 * float(np.sum(exact * exact))


def _fits(guesses: Iterable[Guess], comparison: Comparison) -> Iterator[Fit]:
    golden, count = comparison.golden, comparison.counts
    target, exact = finite(comparison.ours), finite(golden)
    spread = float(np.sum((target - target.mean()) ** 2)) if target.size else 0.0
    if not distance(target, exact, count):
        return
    rounding, values_with_error = _rounding(comparison), _spread_over(target - exact)
    for guess in guesses:
        if guess.is_fitted and values_with_error < FEWEST_FITTED:
            continue
        value = np.asarray(guess.value)
        value = value[: len(golden)] if value.ndim == golden.ndim == 1 else value
        if value.shape != golden.shape:
            continue
        right, wrong = exact, finite(value)
        if guess.with_rest:
            base = exact if guess.base is None else finite(guess.base)
            if not count and _holds_part(target - base, wrong - base):
                left = distance(target, base + projected(wrong - base, target - base), count)
                yield Fit(guess, 1 - left / distance(target, base, count), left, wrong)
            continue
        if guess.base is not None:  # the prediction without the mistake takes the golden's place
            right = finite(guess.base)
            wrong = right + projected(wrong - right, target - right)
        error, left = distance(target, right, count), distance(target, wrong, count)
        if error == 0 or distance(wrong, right, count) < NEGLIGIBLE * error:
            continue
        share = 1 - left / error
        free = 1 - ENOUGH if guess.base is not None else PRECISE_IN_GENERAL if guess.general else PRECISE
        precise = max(rounding, free * error)
        if share < (ENOUGH_IN_GENERAL if guess.general else ENOUGH) or left > precise:
            continue
        if not count and left > OWN * spread and left > rounding:
            continue
        if same_places(target - right, wrong - right, target - wrong, comparison.axes, count):
            yield Fit(guess, share, left, wrong)


def _holds_part(error: Array, part: Array) -> bool:
    """Whether an error holds the whole of a predicted part, everywhere, beside a rest of any kind."""
    energy = float(np.sum(error * error))
    held = projected(part, error)
    if not energy or float(np.sum(held * held)) < LEAST_PART * energy:
        return False
    if not WHOLE_PART[0] <= _multiple(part, error) <= WHOLE_PART[1]:
        return False
    for axis in range(error.ndim):
        for first in range(PIECES_OF_AN_AXIS if error.shape[axis] >= 2 * PIECES_OF_AN_AXIS else 0):
            piece = (slice(None),) * axis + (slice(first, None, PIECES_OF_AN_AXIS),)
            if not PART_SOMEWHERE[0] <= _multiple(part[piece], error[piece]) <= PART_SOMEWHERE[1]:
                return False
    return True


def _multiple(direction: Array, gap: Array) -> float:
    """The factor of a direction that is nearest to a difference by least squares."""
    power = float(np.sum(direction * direction))
    return float(np.sum(direction * gap)) / power if power else 0.0


def _spread_over(error: Array) -> float:
    """The number of values over which an error is spread: n where n of them are equally large and the others are 0.

    The size of a mistake is fitted only to several values, because any size can be fitted to a single one.
    """
    energy = error * error
    return float(energy.sum() ** 2 / np.sum(energy * energy))


def same_places(error: Array, predicted: Array, left: Array, axes: Sequence[str], count: bool = False) -> bool:
    """Whether an error and its prediction lie in the same frames and in the same channels.

    Args:
        error: The candidate's value less the right one.
        predicted: What the mistake adds to the right one, of the same shape.
        left: The candidate's value less the prediction.
        axes: The labels of the axes; () where they are not known, which compares no place.
        count: Whether unequal elements are counted.
    """
    for axis, label in enumerate(axes[: error.ndim]):
        if error.shape[axis] < 2 or not label.startswith(("frame", "sample", "channel")):
            continue
        curves = [_by_place(part, axis, label, count) for part in (error, predicted, left)]
        if not (_explained(curves[0], curves[2]) and _explained(curves[1], curves[2])):
            return False
    return True


def _explained(energy: Array, left: Array) -> bool:
    """Whether nearly every place with energy keeps less than half of it."""
    held = energy > SILENT_PLACE * energy[energy > 0].mean() if (energy > 0).any() else np.zeros(len(energy), bool)
    return not held.any() or float((left[held] <= (1 - EXPLAINED_PLACE) * energy[held]).mean()) >= PLACES


SAMPLES_IN_A_PLACE = 160  # samples of a waveform in one place, because an error crosses 0 in single samples


def _by_place(value: Array, axis: int, label: str, count: bool) -> Array:
    """The energy, or the number of elements other than 0, at each place of an axis."""
    energy = (value != 0).astype(np.float64) if count else value * value
    curve = energy.sum(axis=tuple(other for other in range(value.ndim) if other != axis))
    if label.startswith("sample") and len(curve) > SAMPLES_IN_A_PLACE:
        curve = np.add.reduceat(curve, np.arange(0, len(curve), SAMPLES_IN_A_PLACE))
    return np.asarray(curve)


def projected(direction: Array, gap: Array) -> Array:
    """The multiple of a direction that is nearest to a difference by least squares; all arrays have one shape."""
    return direction * _multiple(direction, gap)


def distance(one: Array, other: Array, count: bool) -> float:
    """The sum of the squared differences; with `count`, the number of unequal elements. Both arrays have one shape."""
    return float((one != other).sum()) if count else float(np.sum((one - other) ** 2))
