"""The most likely cause of an error: known mistakes predict the tensor, and the best prediction names the cause.

The guess that explains the error is named if one alone does (parity/judge/diagnosis/acceptance.py); otherwise the cause
is "unknown".
"""

from collections.abc import Iterator, Sequence

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.goldens import reduction as reductions
from parity.goldens.arrays import Array, NamedArrays
from parity.goldens.store import Case
from parity.judge.diagnosis import any_stage, content, f0, input_audio, prior, registry, source, waveform
from parity.judge.diagnosis.acceptance import PLACES, Comparison, accepted, choose, finite
from parity.judge.diagnosis.divergences import number_of
from parity.judge.diagnosis.registry import Cause, Guess
from parity.judge.diagnosis.registry import Oracle as Oracle
from parity.judge.states import Mode

PROBE_MODULES = (input_audio, f0, content, prior, source, waveform)  # importing them registers their probes

# Share of the golden's energy. A tensor whose error has more has another content altogether.
FOREIGN = 0.01

UNKNOWN = Cause(name="unknown", sentence="no simple change explains this error", explains=0.0, divergence=None)


def suggest(
    case: Case,
    stage: stages.Stage,
    prefix: str,
    name: str,
    made: NamedArrays,
    mode: str,
    oracle: Oracle | None = None,
    noise: float = 0.0,
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
        noise: Relative RMS up to which a difference counts as rounding: the limit of the tensor.
    """
    if name not in case:
        return UNKNOWN.copy()
    if reductions.of(case.document, name) is not None:
        return UNKNOWN.copy()  # a known mistake predicts the whole tensor
    inputs = candidate.inputs(case, stage, prefix, made if mode == Mode.CHAINED else None)
    if name not in made:
        return _missing(name, made)
    ours, golden = made[name], case[name]
    if ours.dtype.kind not in "fiub":  # complex numbers, texts: no known mistake makes them
        return UNKNOWN.copy()
    if ours.shape != golden.shape:
        return _of_another_shape(name, ours, golden)
    deviation = registry.deviation_of(case, stage, name, made, inputs, prefix)
    comparison = Comparison(ours, golden, stages.tensor(name).axes, noise)
    simple = [*registry.guesses(deviation), *any_stage.guesses(name, ours, golden)]
    fits = accepted((guess for guess in simple if oracle is None or not guess.place_only), comparison)
    decision = choose(fits, comparison)
    if oracle is not None and (decision.fit is None or decision.fit.guess.general):
        by_networks = _until_error(oracle(case, stage.name, prefix, name, deviation.inputs))
        decision = choose([*fits, *accepted(by_networks, comparison)], comparison)
    if decision.rivals:
        one, other = (guess.name for guess in decision.rivals)
        cause = UNKNOWN.copy()
        cause["sentence"] = f"two known mistakes explain this error about equally: {one}, {other}"
        return cause
    if decision.fit is None:
        return _by_elimination(stage, ours, golden, comparison.axes) if oracle is None else UNKNOWN.copy()
    guess = decision.fit.guess
    share = round(decision.fit.share, 6)
    return Cause(name=guess.name, sentence=guess.sentence, explains=share, divergence=number_of(stage.name, guess.name))


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
        divergence=number_of("hubert.features", "wrong layer"),
    ),
    "spk.g": Cause(
        name="another speaker",
        sentence="the embedding is another one altogether: another speaker?",
        explains=None,
        divergence=number_of("spk.g", "another speaker"),
    ),
}


def _by_elimination(stage: stages.Stage, ours: Array, golden: Array, axes: Sequence[str]) -> Cause:
    return (_USUAL_CAUSES.get(stage.name, UNKNOWN) if _is_foreign(ours, golden, axes) else UNKNOWN).copy()


def _is_foreign(ours: Array, golden: Array, axes: Sequence[str]) -> bool:
    """Whether a tensor has another content altogether: in nearly every frame and in nearly every channel."""
    exact = golden.astype(np.float64)
    error = finite(ours) - exact
    for axis in range(error.ndim):
        others = tuple(other for other in range(error.ndim) if other != axis)
        wrong = np.sum(error**2, axis=others) > FOREIGN * np.sum(exact**2, axis=others)
        if axes[axis].startswith(("frame", "channel")) and wrong.mean() < PLACES:
            return False
    return float(np.sum(error**2)) > FOREIGN * float(np.sum(exact**2))


def _missing(name: str, made: NamedArrays) -> Cause:
    if name == "f0.filled" and "f0.hz" in made:
        return Cause(
            name="unvoiced frames kept at 0",
            sentence="unvoiced frames are not filled from their neighbors, as in rvc-python and webui-classic",
            explains=1.0,
            divergence=number_of("f0.filled", "unvoiced frames kept at 0"),
        )
    return UNKNOWN.copy()


def _of_another_shape(name: str, ours: Array, golden: Array) -> Cause:
    if name == "segment.cuts" and not ours.size:
        return Cause(
            name="never cut",
            sentence="the input is not cut, although it is longer than the window",
            explains=1.0,
            divergence=number_of(name, "never cut"),
        )
    if ours.ndim != golden.ndim:
        return UNKNOWN.copy()
    if sorted(ours.shape) == sorted(golden.shape):
        return Cause(
            name="transposed axis",
            sentence="the axes are in another order",
            explains=1.0,
            divergence=number_of("", "transposed axis"),
        )
    differing = [(a, b) for a, b in zip(ours.shape, golden.shape, strict=True) if a != b]
    if len(differing) != 1:
        return UNKNOWN.copy()
    a, b = differing[0]
    word = f"{abs(a - b)} {'fewer' if a < b else 'more'} than the golden's {b}"
    return Cause(name="another length", sentence=f"one axis has {a} elements, {word}", explains=1.0, divergence=None)
