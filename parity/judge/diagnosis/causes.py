"""The most likely cause of an error: known mistakes predict the tensor, and the best prediction names the cause.

A prediction explains the share of the error's energy that vanishes when the prediction takes the golden's place. The
guess that explains most is named if it explains nearly all of the error; otherwise the cause is "unknown". A cause of
the stage itself is preferred to a general one (a gain, a shift) that explains little more.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.goldens.arrays import Array, NamedArrays
from parity.goldens.store import Case
from parity.judge.diagnosis import any_stage, content, f0, input_audio, prior, registry, source, waveform
from parity.judge.diagnosis.any_stage import finite
from parity.judge.diagnosis.registry import Cause, Guess
from parity.judge.diagnosis.registry import Oracle as Oracle
from parity.judge.states import Mode

PROBE_MODULES = (input_audio, f0, content, prior, source, waveform)  # importing them registers their probes

# Shares of the error's energy, 0 to 1. They were chosen so that the mutants of parity/mutants/catalog get the right
# cause and none gets a wrong one: python -m parity.mutants counts both.
ENOUGH = 0.95  # that a cause of the stage itself must explain
ENOUGH_IN_GENERAL = 0.97  # that a general cause must explain
CERTAIN = 0.999  # above which no other guess is tried
PREFERENCE = 0.05  # that a general cause, or one of free size, must explain beyond a cause of the stage itself
NEGLIGIBLE = 0.005  # of the error's energy: a mistake that moves the tensor by less cannot have caused the error
FOREIGN = 0.01  # of the golden's energy: an error above it means that the tensor has another content altogether

UNKNOWN = Cause(name="unknown", sentence="no simple change explains this error", explains=0.0, divergence=None)


def suggest(
    case: Case,
    stage: stages.Stage,
    prefix: str,
    name: str,
    made: NamedArrays,
    mode: str,
    oracle: Oracle | None = None,
) -> Cause:
    """The cause of the error in one tensor.

    Args:
        case: The golden.
        stage: The stage that made the tensor.
        prefix: Where the stage ran.
        name: The full name of the tensor.
        made: The candidate's tensors of that mode. In a chained run the mistake was made on the candidate's own inputs.
        mode: "isolated" or "chained".
        oracle: Predictions that need networks; used only where no simpler cause of the stage explains the error.
    """
    if name not in case:
        return UNKNOWN.copy()
    inputs = candidate.inputs(case, stage, prefix, made if mode == Mode.CHAINED else None)
    if name not in made:
        return _missing(name, made)
    ours, golden = made[name], case[name]
    if ours.shape != golden.shape:
        return _of_another_shape(ours, golden)
    deviation = registry.deviation_of(case, stage, name, made, inputs, prefix)
    simple = best([*registry.guesses(deviation), *any_stage.guesses(name, ours, golden)], ours, golden)
    if oracle is not None and (simple is None or simple[1].general):
        network = best(_until_error(oracle(case, stage.name, prefix, name, deviation.inputs)), ours, golden)
        if simple is None or (network is not None and network[0] > simple[0] - PREFERENCE):
            simple = network
    if simple is None:
        return _by_elimination(stage, ours, golden) if oracle is None else UNKNOWN.copy()
    share, guess = simple
    return Cause(name=guess.name, sentence=guess.sentence, explains=round(share, 6), divergence=guess.divergence)


def best(guesses: Iterable[Guess], ours: Array, golden: Array) -> tuple[float, Guess] | None:
    """The guess that explains most of the error.

    Args:
        guesses: Predictions; those of another shape than the golden are ignored.
        ours: The candidate's tensor.
        golden: The golden's, of the same shape.
    Returns:
        The share of the error's energy that it explains, and the guess; None where no guess explains enough.
    """
    target, exact = finite(ours), finite(golden)
    count = golden.dtype.kind == "i" and golden.dtype != np.int16  # of decisions, the wrong ones are counted
    error = _distance(target, exact, count)
    candidates: list[tuple[float, float, Guess]] = []  # (share for the ranking, share, guess)
    for guess in guesses:
        value = np.asarray(guess.value)
        value = value[: len(golden)] if value.ndim == golden.ndim == 1 else value
        if value.shape != golden.shape or error == 0:
            continue
        right, wrong = exact, finite(value)
        if guess.base is not None:  # the prediction without the mistake takes the golden's place
            right = finite(guess.base)
            wrong = right + _projected(wrong - right, target - right)
        error = _distance(target, right, count)
        left = _distance(target, wrong, count)
        if error == 0 or _distance(wrong, right, count) < NEGLIGIBLE * error:
            continue
        share = 1 - left / error
        flexible = guess.general or guess.base is not None
        if share > CERTAIN and not flexible:
            candidates = [(share, share, guess)]
            break
        candidates.append((share - (PREFERENCE if flexible else 0), share, guess))
    candidates = [row for row in candidates if row[1] >= (ENOUGH_IN_GENERAL if row[2].general else ENOUGH)]
    return max(candidates, key=lambda row: row[0])[1:] if candidates else None


def _projected(direction: Array, gap: Array) -> Array:
    """The multiple of a direction that explains most of a difference (least squares)."""
    power = float(np.sum(direction * direction))
    return direction * (float(np.sum(direction * gap)) / power if power else 0.0)


def _distance(one: Array, other: Array, count: bool) -> float:
    """The energy of the difference, or the number of unequal elements."""
    return float((one != other).sum()) if count else float(np.sum((one - other) ** 2))


def _until_error(guesses: Iterator[Guess]) -> Iterator[Guess]:
    """Guesses up to the first that cannot be made: an unknown voice, a shape that does not fit."""
    try:
        yield from guesses
    except Exception:  # a prediction must never end the judgment of a case
        return


# The usual cause of a tensor with another content altogether, where no network is available to try it.
_USUAL_CAUSES = {
    "hubert.features": Cause(
        name="wrong layer",
        sentence="the features have the right form and another content altogether: another layer?",
        explains=None,
        divergence="D3",
    ),
    "spk.g": Cause(
        name="another speaker",
        sentence="the embedding is another one altogether: another speaker?",
        explains=None,
        divergence="D22",
    ),
}


def _by_elimination(stage: stages.Stage, ours: Array, golden: Array) -> Cause:
    exact = golden.astype(np.float64)
    foreign = float(np.sum((finite(ours) - exact) ** 2)) > FOREIGN * float(np.sum(exact**2))
    return (_USUAL_CAUSES.get(stage.name, UNKNOWN) if foreign else UNKNOWN).copy()


def _missing(name: str, made: NamedArrays) -> Cause:
    if name == "f0.filled" and "f0.hz" in made:
        return Cause(
            name="unvoiced frames kept at 0",
            sentence="unvoiced frames are not filled from their neighbors, as in rvc-python and webui-classic",
            explains=1.0,
            divergence="D1",
        )
    return UNKNOWN.copy()


def _of_another_shape(ours: Array, golden: Array) -> Cause:
    if ours.ndim != golden.ndim:
        return UNKNOWN.copy()
    if sorted(ours.shape) == sorted(golden.shape):
        return Cause(name="transposed axis", sentence="the axes are in another order", explains=1.0, divergence="D27")
    differing = [(a, b) for a, b in zip(ours.shape, golden.shape, strict=True) if a != b]
    if len(differing) != 1:
        return UNKNOWN.copy()
    a, b = differing[0]
    word = f"{abs(a - b)} {'fewer' if a < b else 'more'} than the golden's {b}"
    return Cause(name="another length", sentence=f"one axis has {a} elements, {word}", explains=1.0, divergence=None)
