"""Other inputs for a stage, for which the specification requires another output, and the comparison of two answers.

Most stages are linear, odd, or networks without symmetries: inputs scaled by -0.75 change every one of their outputs.
The table below holds the stages for which that is not so; tests/parity/test_other_inputs.py tries each on a golden.
"""

from collections.abc import Callable

import numpy as np

from parity import stages
from parity.goldens import random_stream, time_axes
from parity.goldens.arrays import Array, NamedArrays, Tensors
from parity.goldens.store import Case
from parity.judge import metrics
from parity.judge.decisions import margins
from parity.judge.limits import load as load_limits
from parity.judge.limits import network_f0
from parity.judge.states import Mode
from parity.stages import SR16, TensorKind, TensorName

_FACTOR = -0.75  # inverts the sign and changes the magnitude
_TONES = (150.0, 250.0)  # Hz, F0 of the first and the second half of a synthetic sound; in the range of every method
_LEVEL = 0.05  # amplitude of each harmonic of that sound, and of the noise that takes the place of silence
_HARMONICS = 8
_F0_RANGE = (150.0, 300.0)  # Hz, from the first to the last voiced frame of a synthetic F0 track


def _scaled(value: Array) -> Array:
    if not value.any():
        return (_LEVEL * random_stream.normal("other inputs", value.shape)).astype(value.dtype)
    return (value * _FACTOR).astype(value.dtype)


def _reversed(value: Array) -> Array:
    """Reversed along the last axis: quiet places of a sound, or neighbors, change places."""
    return np.ascontiguousarray(value[..., ::-1])


def _sound(value: Array) -> Array:
    """A voiced sound at 16 kHz, for stages that measure a pitch."""
    time = np.arange(value.shape[-1]) / SR16
    tone = np.where(np.arange(value.shape[-1]) < value.shape[-1] // 2, *_TONES)
    wave = sum(np.sin(2 * np.pi * tone * k * time) for k in range(1, _HARMONICS + 1))
    return np.broadcast_to(_LEVEL * wave, value.shape).astype(value.dtype)


def _track(value: Array) -> Array:
    """An F0 track that rises, unvoiced (0) in its middle third."""
    frames = value.shape[-1]
    hz = np.linspace(*_F0_RANGE, frames)
    hz[frames // 3 : 2 * frames // 3] = 0
    return np.broadcast_to(hz, value.shape).astype(value.dtype)


def _filled_track(value: Array) -> Array:
    """An F0 track that rises, voiced throughout, as the stage f0.filled leaves it."""
    return np.broadcast_to(np.linspace(*_F0_RANGE, value.shape[-1]), value.shape).astype(value.dtype)


def _last_neighbor(value: Array) -> Array:
    """Weights that take the last neighbor alone."""
    weights = np.zeros_like(value)
    weights[..., -1] = 1
    return weights


# (stage, local name of an input) → its other value; every other floating-point input is scaled.
_OTHER: dict[tuple[str, str], Callable[[Array], Array]] = {
    ("segment.cuts", "highpassed"): _reversed,
    ("f0.raw", "padded"): _sound,
    ("f0.filled", "f0.raw"): _track,
    ("f0.hz", "f0.filled"): _filled_track,
    ("f0.hz", "f0.raw"): _track,
    ("f0.coarse", "f0.filled"): _filled_track,
    ("f0.coarse", "f0.raw"): _track,
    ("content.protected", "f0.hz"): _track,
    ("retrieval.weights", "retrieval.distances"): _reversed,  # weights are normalized: a factor cancels
    ("retrieval.mean", "retrieval.weights"): _last_neighbor,
    ("nsf", "f0.hz"): _track,
    ("rt.f0", "input16k"): _sound,
    ("rt.nsf", "f0.hz"): _track,
    ("rt.sola", "infer_wav"): _reversed,  # the correlation is normalized, and two signs cancel
    ("rt.sola", "waveform.model"): _reversed,
}

_LAST_BIN = 255  # the largest F0 bin
_FRAMES_MOVED = 3  # 10 ms frames by which cut points are moved

# Local name of an input of integers → its other value.
_INTEGERS: dict[str, Callable[[Array], Array]] = {
    "f0.coarse": lambda bins: _LAST_BIN - bins,
    "retrieval.ids": _reversed,
    "segment.cuts": lambda cuts: cuts - _FRAMES_MOVED * stages.FRAME,
    "sola.offset": lambda offset: np.where(offset > 0, offset - 1, offset + 1),
}


def other_inputs(stage: stages.Stage, inputs: Tensors) -> Tensors:
    """Inputs of the same names, shapes and dtypes for which the stage must make another output; integers are kept."""
    return {
        name: other_value(stage, name, value) if value.dtype.kind == "f" else value for name, value in inputs.items()
    }


def other_value(stage: stages.Stage, name: str, value: Array) -> Array:
    """Another value of one input, of the same form and within the input's range.

    Args:
        stage: The stage that reads it.
        name: The full name of the input.
        value: Its value.
    """
    if value.dtype.kind == "f":
        return _OTHER.get((stage.name, TensorName.parse(name).local), _scaled)(value)
    return _INTEGERS[TensorName.parse(name).local](value)


def is_same(case: Case, name: str, one: NamedArrays, other: NamedArrays, mode: Mode = Mode.ISOLATED) -> bool:
    """Whether two answers agree in one tensor within the limit of its stage in a mode.

    A program that sums in another order at each call, as on a GPU, gives other bits and is no failure. A decision may
    differ within its margin. Where the golden holds a reduced tensor, an answer may be whole or reduced already.
    """
    if name not in one or name not in other:
        return name not in one and name not in other
    a, b = (case.as_stored(name, np.asarray(answer[name])) for answer in (one, other))
    if metrics.form(name, a, b)[0] is not None:
        return np.array_equal(a, b)
    if stages.tensor(name).kind is TensorKind.DECISION:
        # Other quantities lead to another decision by the original's rule; that is another answer, not a margin.
        if not all(is_same(case, quantity, one, other, mode) for quantity in _decided_on(name, one, other)):
            return False
        flips = margins.flips(name, {**case, **one}, {**case, **other}, False, case.options) if (a != b).any() else []
        return all(flip["explained"] for flip in flips)
    numbers = metrics.compare(name, a, b, time_axes.axis(name, case.document, case))
    limits, network = load_limits(), network_f0(case.options)
    return all(
        numbers.values[metric] <= limits.find(name, mode, metric, network).limit for metric in metrics.metrics(name)
    )


def _decided_on(name: str, one: NamedArrays, other: NamedArrays) -> list[str]:
    """The tensors on which a decision's own stage decides, as far as both answers hold them."""
    parsed, stage = TensorName.parse(name), stages.stage_of(name)
    rows = [row for row in stage.makes if row.kind is not TensorKind.DECISION] if stage is not None else []
    return [full for full in (str(parsed.sibling(row.name)) for row in rows) if full in one and full in other]
