"""The registry of probes: for each stage, a function that predicts its output under the known mistakes.

A probe is registered with `@probe("STAGE")`. It receives one `Deviation` and yields a `Guess` for each mistake. A new
cause is one more guess in the probe of its stage; a new stage is one more decorated function in the file of its group.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypedDict

from parity import stages
from parity.goldens.arrays import Array, NamedArrays, Tensors
from parity.goldens.store import Case
from parity.stages import TensorName


class Cause(TypedDict):
    """The cause of an error, as verdict.json holds it."""

    name: str
    sentence: str
    explains: float | None  # share of the error's energy, 0 to 1; None where it was not tried
    divergence: str | None  # number in docs/divergences.md


@dataclass(frozen=True)
class Guess:
    """What a tensor would be under one mistake.

    Attributes:
        name: The cause's name in verdict.json and in the catalog of mutants.
        sentence: What the candidate does instead, for a report.
        value: The predicted tensor.
        place_only: The value is the candidate's own: only the place of the error was predicted. Such a guess counts
            where no network can predict the tensor.
        general: Any stage can make this mistake (a gain, a shift); a cause of the stage itself is preferred.
        base: What the same computation makes without the mistake. With it, the mistake's size is free, and `value` less
            `base` is the direction in which the mistake moves the tensor.
        fitted: The size of the mistake was computed from the candidate's own values, such as a gain.
        with_rest: A part of the network is replaced by one that nobody can predict, such as random weights. `value` is
            the tensor without that part and `base` the right one. The error holds the whole of `value` less `base`,
            and a rest.
    """

    name: str
    sentence: str
    value: Array
    general: bool = False
    base: Array | None = None
    place_only: bool = False
    fitted: bool = False
    with_rest: bool = False

    @property
    def is_fitted(self) -> bool:
        """Whether the size of the mistake is free, so that it was fitted to the candidate's values."""
        return self.fitted or self.base is not None


@dataclass(frozen=True)
class Deviation:
    """One tensor that differs from the golden, with what its stage read.

    Attributes:
        case: The golden.
        stage: The stage that made the tensor.
        name: The tensor.
        inputs: The stage's inputs in this run, and the other tensors it made, by full name.
        ours: The candidate's value.
    """

    case: Case
    stage: stages.Stage
    name: TensorName
    inputs: Tensors
    ours: Array

    @property
    def tensor(self) -> str:
        """The full name of the tensor."""
        return str(self.name)

    @property
    def prefix(self) -> str:
        """The prefix of its segment or block; "" for the file."""
        return self.name.prefix

    @property
    def golden(self) -> Array:
        """The golden's value."""
        return self.case[self.tensor]

    def input(self, local: str) -> Array:
        """An input of the same segment or block, else of the file; raises KeyError where the stage has none."""
        full = self.prefix + local
        return self.inputs[full if full in self.inputs else local]

    def first_input(self, *locals: str) -> Array | None:
        """The first of some inputs that the stage has, by local name; None where it has none of them."""
        for local in locals:
            for name in (self.prefix + local, local):
                if name in self.inputs:
                    return self.inputs[name]
        return None


Probe = Callable[[Deviation], Iterator[Guess]]
# Predictions that need networks: (golden, name of the stage, prefix, tensor, inputs) → guesses.
Oracle = Callable[[Case, str, str, str, Tensors], Iterator[Guess]]

_PROBES: dict[tuple[str, str | None], Probe] = {}  # (stage, local name of a tensor, or None for all) → probe


def probe(*stage_names: str, tensors: tuple[str, ...] = ()) -> Callable[[Probe], Probe]:
    """Register a probe.

    Args:
        stage_names: The stages whose outputs it predicts.
        tensors: Only these outputs, by local name; () means all of them.
    Raises:
        ValueError: The stage (or that tensor of it) has a probe already, or there is no such stage.
    """

    def decorate(function: Probe) -> Probe:
        for stage in stage_names:
            if stages.stage_named(stage) is None:
                raise ValueError(f"there is no stage {stage!r} for the probe {function.__name__}")
            for tensor in tensors or (None,):
                if (stage, tensor) in _PROBES:
                    raise ValueError(f"{stage} has a probe already")
                _PROBES[stage, tensor] = function
        return function

    return decorate


def probe_of(stage: str, local: str) -> Probe | None:
    """The probe for one output of a stage, None where no mistake of it is known."""
    return _PROBES.get((stage, local)) or _PROBES.get((stage, None))


def guesses(deviation: Deviation) -> Iterator[Guess]:
    """Every prediction for a deviation, up to the first formula that does not fit the shapes at hand."""
    function = probe_of(deviation.stage.name, deviation.name.local)
    if function is None:
        return
    predictions = function(deviation)
    while True:
        try:
            guess = next(predictions)
        except StopIteration:
            return
        except (ValueError, IndexError, KeyError, ArithmeticError):
            return
        yield guess


def deviation_of(
    case: Case, stage: stages.Stage, name: str, made: NamedArrays, inputs: Tensors, prefix: str
) -> Deviation:
    """The deviation of a tensor that was made.

    Args:
        case: The golden.
        stage: The stage.
        name: The full name of the tensor.
        made: The candidate's tensors, of which the stage's other outputs are taken.
        inputs: What the stage read.
        prefix: Where the stage ran.
    """
    outputs = {prefix + row.name: made[prefix + row.name] for row in stage.makes if prefix + row.name in made}
    return Deviation(case, stage, TensorName.parse(name), outputs | inputs, made[name])
