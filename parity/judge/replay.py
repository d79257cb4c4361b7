"""A stage run again on other inputs than those of the candidate's conversion.

The candidate runs it, where it answers `run_stage`, else `rvc` in its place. What that makes of the inputs of the
candidate's conversion is compared with what the conversion made of them. A difference is the stage's own error, and is
added to what the stage makes of the other inputs.
"""

from dataclasses import dataclass, field

import numpy as np

from parity import stages
from parity.candidates.candidate import NotOffered
from parity.errors import ParityError
from parity.goldens import time_axes
from parity.goldens.arrays import Array, NamedArrays, Tensors
from parity.judge import metrics
from parity.judge.decisions import margins, voicing
from parity.judge.judgment import Judgment
from parity.judge.states import Mode
from parity.stages import Stage, TensorKind

Place = tuple[str, str]  # name of a stage, prefix


class Unavailable(Exception):
    """A stage that neither the candidate nor `rvc` can run again."""


@dataclass
class Replay:
    """The stages of a candidate's conversion, to be run again.

    Attributes:
        judgment: The judgment.
        made: What the candidate's own conversion made.
        is_exact: Whether an own error that is within the limits counts too.
        own_errors: The errors of single stages that were measured so far.
    """

    judgment: Judgment
    made: Tensors
    is_exact: bool = False
    own_errors: dict[Place, dict[str, Array]] = field(default_factory=dict)

    def missing_inputs(self, stage: Stage, prefix: str, tensors: NamedArrays) -> list[str]:
        """The inputs of a stage that the golden has and `tensors` lacks; optional ones are not needed."""
        reads = stages.reads(stage, prefix, self.judgment.case)
        needed = [name for name in reads if not stages.is_input(name) and not stages.tensor(name).optional]
        return [name for name in needed if name not in tensors]

    def compute(self, stage: Stage, prefix: str, tensors: NamedArrays) -> Tensors:
        """The outputs of a stage on the inputs in `tensors`, by the candidate or else by `rvc`; {} where it fails.

        Raises:
            Unavailable: Neither of them has the stage.
        """
        judgment, program = self.judgment, self.judgment.candidate
        case = judgment.after_chain(tensors)
        inputs = judgment.inputs(stage, prefix, tensors)
        try:
            if program is not None and program.offers(stage):
                return dict(program.run_stage(case, stage, prefix, inputs))
        except NotOffered:
            pass
        except (ParityError, KeyError):
            return {}
        if judgment.counterfactuals is None:
            raise Unavailable
        made = judgment.counterfactuals.run_stage(case, stage, prefix, inputs)
        if made is None:
            raise Unavailable
        return dict(made)

    def with_own_error(self, stage: Stage, prefix: str, tensors: NamedArrays) -> Tensors:
        """What a stage makes of the inputs in `tensors`, its own error included; see `compute`."""
        fresh = self.compute(stage, prefix, tensors)
        for name, error in self.own_error(stage, prefix).items():
            if name in fresh and fresh[name].shape == error.shape:
                fresh[name] = _with_error(name, fresh[name], error, self.made[name])
        return fresh

    def own_error(self, stage: Stage, prefix: str) -> dict[str, Array]:
        """What the candidate's conversion made of its own inputs, less what `compute` makes of them.

        Returns:
            A difference for each float tensor; for decisions, where they differ. Nothing for outputs that agree.
        """
        place = (stage.name, prefix)
        if place not in self.own_errors:
            self.own_errors[place] = self._measure(stage, prefix)
        return self.own_errors[place]

    def _measure(self, stage: Stage, prefix: str) -> dict[str, Array]:
        judgment, made = self.judgment, self.made
        if self.missing_inputs(stage, prefix, made):
            return {}
        alone = self.compute(stage, prefix, made)
        return {
            name: np.asarray(made[name] != value) if is_decision(name) else made[name].astype(np.float64) - value
            for name, value in alone.items()
            if name in made and name in judgment.case and made[name].shape == value.shape
            if (self.is_exact and not is_decision(name)) or not _agrees(judgment, name, alone, made)
        }


def is_within(judgment: Judgment, name: str, one: Array, other: Array) -> bool:
    """Whether two values of a tensor differ by no more than its limits in a chain."""
    if metrics.form(name, one, other)[0] is not None:
        return False
    axis = time_axes.axis(name, judgment.case.document, judgment.case)
    values = metrics.compare(name, one, other, axis).values
    network = judgment.network_f0
    return all(v <= judgment.limits.find(name, Mode.CHAINED, metric, network).limit for metric, v in values.items())


def is_decision(name: str) -> bool:
    """Whether a full name is that of a decision of the stage table."""
    return stages.is_known(name) and stages.tensor(name).kind is TensorKind.DECISION


def _agrees(judgment: Judgment, name: str, alone: Tensors, made: Tensors) -> bool:
    """Whether the candidate's conversion made of its inputs what the stage alone makes of them."""
    if is_within(judgment, name, alone[name], made[name]):
        return True
    if is_decision(name):
        flips = margins.flips(name, {**judgment.case, **made, **alone}, made, False, judgment.case.options)
        return all(flip["explained"] for flip in flips)
    networks = judgment.counterfactuals
    if name != "f0.raw" or networks is None or "padded" not in made:
        return False
    frames = voicing.changed(alone[name], made[name])
    if not 0 < len(frames) <= max(1, voicing.FEW * made[name].size):
        return False
    settled = made[name].copy()
    settled[frames] = alone[name][frames]
    salience = networks.salience(made["padded"])
    if salience is None or not is_within(judgment, name, alone[name], settled):
        return False
    return all(flip["explained"] for flip in voicing.flips(alone[name], made[name], salience, salience))


def _with_error(name: str, fresh: Array, error: Array, made: Array) -> Array:
    """What a stage makes, with the error that the candidate's conversion made in it."""
    if is_decision(name):
        return np.where(error, made, fresh)
    value = fresh.astype(np.float64) + error
    if fresh.dtype.kind == "i":
        information = np.iinfo(fresh.dtype)
        value = np.clip(np.rint(value), information.min, information.max)
    return value.astype(fresh.dtype)
