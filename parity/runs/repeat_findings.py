"""The faults that repeated calls show, and how near a candidate must be to `rvc` on inputs that no golden has."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.goldens import random_stream, time_axes
from parity.goldens.arrays import Array
from parity.goldens.store import Case, MemoryCase
from parity.judge import metrics
from parity.judge.diagnosis.registry import Cause
from parity.judge.limits import Limits, network_f0
from parity.judge.states import Mode
from parity.stages import TensorKind

# Multiple of a stage's limit for the distance of a candidate from `rvc` on other inputs. Each of the two may differ
# from an original by one limit, and the limits were measured on goldens, hence twice as much.
# `rvc` with other instruction sets of oneDNN differs from itself by 0.4 limits on these inputs.
APART = 4.0
# Share of a tensor's decisions that may differ from those of `rvc` on other inputs, where values lie on a boundary.
FEW_DECISIONS = 0.02
OTHER_SPEAKER = 1  # the speaker of the repeated conversion; synthetic voices have 109 speakers, and goldens use 0


class RepeatState(StrEnum):
    """What repeated calls show."""

    DEPENDS = "answers depend on earlier calls"
    SECOND_RIGHT = "the second call is right"
    STORED = "returns an answer stored by case"
    UNTRACED = "differs when its stages are not asked for"
    OTHER_INPUTS = "differs on other inputs"


@dataclass(frozen=True)
class Finding:
    """One fault that repeated calls show.

    Attributes:
        state: what they show.
        case: the name of the case.
        stage: the name of the stage, or "run" for a whole conversion.
        sentence: the fault as a sentence, for the report.
    """

    state: RepeatState
    case: str
    stage: str
    sentence: str

    def document(self) -> dict[str, Any]:
        """The finding as verdict.json holds it."""
        return {"state": self.state.value, "case": self.case, "stage": self.stage, "sentence": self.sentence}


def cause_of_calls(third_right: bool) -> Cause:
    """The cause of an answer that is wrong at one call and right at the next, on the same inputs.

    Args:
        third_right: whether a third call is right too.
    """
    if third_right:
        return Cause(
            name="only the first call is wrong",
            sentence="the same call is right when it is repeated: memory that the first call does not fill?",
            explains=None,
            divergence=None,
        )
    return Cause(
        name="some calls are wrong",
        sentence="the same call is right at one time and wrong at the next: two buffers that are used in turn?",
        explains=None,
        divergence=None,
    )


def cause_of_later_calls() -> Cause:
    """The cause of a stage that is right at its first call and wrong at the later ones, on the same inputs."""
    return Cause(
        name="only the first call is right",
        sentence="the first call is right, and the same call is wrong when it is repeated: is a buffer not cleared?",
        explains=None,
        divergence=None,
    )


def with_other_voice(case: Case) -> MemoryCase:
    """The case with another speaker and other noise, under the same name."""
    inputs: dict[str, Array] = {
        name: random_stream.normal(f"repeated/{name}", value.shape).astype(value.dtype)
        if stages.tensor(name).kind is TensorKind.NOISE and not name.startswith("noise.")
        else value
        for name, value in candidate.input_tensors(case).items()
    }
    return MemoryCase({**case.meta, "options": {**case.options, "speaker": OTHER_SPEAKER}}, inputs)


def near(case: Case, name: str, expected: Array, made: Array, limits: Limits, mode: Mode = Mode.ISOLATED) -> bool:
    """Whether a candidate is near `rvc` on inputs that no golden has.

    Args:
        case: the golden from which the inputs were made.
        name: the tensor.
        expected: the tensor of `rvc`.
        made: the tensor of the candidate.
        limits: the limits of the run; a difference may be APART times as large.
        mode: the mode whose limits apply.
    """
    if metrics.form(name, expected, made)[0] is not None:
        return np.array_equal(expected, made)
    if stages.tensor(name).kind is TensorKind.DECISION:
        return int(np.sum(expected != made)) <= max(1.0, FEW_DECISIONS * expected.size)
    numbers = metrics.compare(name, expected, made, time_axes.axis(name, case.document, case))
    network = network_f0(case.options)
    return all(
        numbers.values[metric] <= APART * limits.find(name, mode, metric, network).limit
        for metric in metrics.metrics(name)
    )
