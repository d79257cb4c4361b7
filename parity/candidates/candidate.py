"""What is judged: anything that can run one stage on given inputs, or a whole conversion, and hand over its tensors.

Stages of a segment get the pitch of that segment: `f0.hz` and `f0.coarse` cut to its frames. `segment.cuts` goes with
every stage that has to know where its segment lies.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from parity import stages
from parity.errors import ParityError
from parity.goldens.recipes import Array
from parity.goldens.store import Case

Tensors = dict[str, Array]


class CandidateError(ParityError):
    """The candidate failed on one call; the judge records it and goes on. `partial` is what it had made by then."""

    def __init__(self, sentence: str, partial: Tensors | None = None) -> None:
        super().__init__(sentence)
        self.partial: Tensors = dict(partial or {})


class Lacks(CandidateError):
    """The candidate says that it cannot do this stage for this case; the judge reads it as not tested."""


class Candidate(Protocol):
    """An implementation under judgement."""

    @property
    def about(self) -> dict[str, object]:
        """name, version, and if it has them command, runtime, environment, declares."""
        ...

    def offers(self, stage: stages.Stage) -> bool:
        """Whether this stage can be run alone; what is not offered reads "not tested"."""
        ...

    @property
    def chains(self) -> bool:
        """Whether a whole conversion can be run."""
        ...

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """The tensors the stage makes under `prefix`, by full name; raises CandidateError."""
        ...

    def run(self, case: Case) -> Tensors:
        """The whole conversion of `audio16k.raw` with the golden's noise: every tensor it made, by full name."""
        ...


def inputs(case: Case, stage: stages.Stage, prefix: str, source: Mapping[str, Array] | None = None) -> Tensors:
    """What a stage reads, from the golden or from `source` (a chained run; noise always comes from the golden).

    Pitch is cut to the segment's frames. A name that `source` lacks is left out.
    """
    tensors: Mapping[str, Array] = case if source is None else {**_given(case), **source}
    found = {name: tensors[name] for name in stages.reads(stage, prefix, tensors)}
    if prefix.startswith("seg"):
        frames = _frames(prefix, tensors, case)
        found |= {name: found[name][:, frames] for name in ("f0.hz", "f0.coarse") if name in found and frames}
    if stage.scope == "segment" and "segment.cuts" in tensors:
        found["segment.cuts"] = tensors["segment.cuts"]
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def _given(case: Case) -> Tensors:
    return {name: case[name] for name in case if stages.stage_of(name) is None}


def _frames(prefix: str, tensors: Mapping[str, Array], case: Case) -> slice | None:
    first = 0
    number = int(prefix[3:-1])
    if number and "segment.cuts" in tensors and len(tensors["segment.cuts"]) >= number:
        first = int(tensors["segment.cuts"][number - 1]) // stages.FRAME
    for name in ("content.protected", "content.upsampled"):
        for holder in (tensors, case):
            if prefix + name in holder:
                return slice(first, first + holder[prefix + name].shape[1])
    return None


def steps(case: Case) -> Iterable[tuple[stages.Stage, str]]:
    """Every stage of a case with its prefix, in flow order, that makes a tensor the case has."""
    present = set(case) | set(stages.expected(case.facts))
    for stage, prefix in stages.walk(stages.prefixes_of(case)):
        if any(prefix + row.name in (case if row.when == "optional" else present) for row in stage.makes):
            yield stage, prefix
