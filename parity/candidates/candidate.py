"""The protocol of a candidate: a program that runs single stages on given inputs, or a whole conversion.

The stages of a segment read the F0 of that segment: `f0.hz` and `f0.coarse` are cut to its frames. `segment.cuts` is
an input of every segment stage, because some compute with the place of their segment in the file.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from parity import stages
from parity.errors import ParityError
from parity.goldens import time_axes
from parity.goldens.arrays import Array
from parity.goldens.arrays import Tensors as Tensors
from parity.goldens.store import Case
from parity.stages import Scope


class CandidateError(ParityError):
    """One call of a candidate failed; the judge records the failure and continues with the next call.

    Attributes:
        partial: the tensors that the call had made before it failed, by full name.
        reason: the error without the operation in which it occurred, equal for every call that fails of it.
    """

    def __init__(self, sentence: str, partial: Tensors | None = None, reason: str | None = None) -> None:
        super().__init__(sentence)
        self.partial: Tensors = dict(partial or {})
        self.reason = sentence if reason is None else reason


class NotOffered(CandidateError):
    """The candidate does not have this stage for this case; its cells become "not tested"."""


class Candidate(Protocol):
    """An implementation that is judged."""

    @property
    def about(self) -> Mapping[str, object]:
        """name and version; optionally command, runtime, environment, declares. It is `candidate` in verdict.json."""
        ...

    @property
    def chains(self) -> bool:
        """Whether `run` is available."""
        ...

    def takes(self, case: Case) -> bool:
        """Whether the candidate implements this case's profile; a case that it does not take is not tested."""
        ...

    def offers(self, stage: stages.Stage) -> bool:
        """Whether `run_stage` is available for this stage; a stage that is not offered is not tested."""
        ...

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """Run one stage on the inputs that `inputs` returns.

        Args:
            case: the golden, for its options and its voice.
            stage: a row of the stage table that `offers` accepts.
            prefix: "" for a stage of the file, "seg0." for one of the first segment, "rt.0." for the first block.
            inputs: full name → array.
        Returns:
            full name → array, the tensors of `stage.makes` under `prefix`.
        Raises:
            NotOffered: the candidate does not have the stage for this case.
            CandidateError: the call failed.
        """
        ...

    def run(self, case: Case) -> Tensors:
        """Run the whole conversion on the case's input (`audio16k.raw`, or the blocks) with the golden's noise.

        Returns:
            full name → array, every tensor that the conversion made.
        Raises:
            CandidateError: the conversion failed; `partial` holds what it had made.
        """
        ...

    def run_final(self, case: Case) -> Tensors:
        """Run the whole conversion as a user does: nothing but the final waveform is requested or recorded.

        Returns:
            full name → array; it holds `waveform.final`, other tensors do not matter.
        Raises:
            CandidateError: the conversion failed.
        """
        ...

    def restart(self) -> bool:
        """Start the program again, so that no earlier call can matter; False where that is not possible."""
        ...


class DeclinedCase:
    """The candidate for a case whose profile it does not take: it offers nothing, so every cell is not tested."""

    chains = False

    def __init__(self, program: Candidate) -> None:
        self.about = program.about

    def takes(self, case: Case) -> bool:
        """Always False."""
        return False

    def offers(self, stage: stages.Stage) -> bool:
        """Always False."""
        return False

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """Never called, because no stage is offered."""
        raise NotImplementedError

    def run(self, case: Case) -> Tensors:
        """Never called, because `chains` is False."""
        raise NotImplementedError

    def run_final(self, case: Case) -> Tensors:
        """Never called, because `chains` is False."""
        raise NotImplementedError

    def restart(self) -> bool:
        """Always False."""
        return False


def input_tensors(case: Case) -> Tensors:
    """The tensors of a case that no stage makes, its audio and its noise, by full name."""
    return {name: case[name] for name in case if stages.is_input(name)}


def inputs(case: Case, stage: stages.Stage, prefix: str, source: Mapping[str, Array] | None = None) -> Tensors:
    """The tensors that a stage reads.

    Args:
        case: the golden.
        stage: the stage.
        prefix: where it runs, such as "seg0.".
        source: tensors of a chained run to read instead of the golden's; audio and noise still come from the golden.
    Returns:
        full name → contiguous array. F0 is cut to the segment's frames; a name that `source` lacks is left out.
    """
    tensors: Mapping[str, Array] = case if source is None else {**input_tensors(case), **source}
    chosen = {name: tensors[name] for name in stages.reads(stage, prefix, tensors)}
    if stages.scope_of(prefix) is Scope.SEGMENT:
        frames = _frames(prefix, tensors, case)
        chosen |= {name: chosen[name][:, frames] for name in ("f0.hz", "f0.coarse") if name in chosen and frames}
    if stage.scope is Scope.SEGMENT and "segment.cuts" in tensors:
        chosen["segment.cuts"] = tensors["segment.cuts"]
    return {name: np.ascontiguousarray(value) for name, value in chosen.items()}


def _frames(prefix: str, tensors: Mapping[str, Array], case: Case) -> slice | None:
    """The 10 ms frames of a segment within the file's F0; None where its length is not known."""
    first = time_axes.first_frame(stages.index_of(prefix), tensors.get("segment.cuts"))
    for name in ("content.protected", "content.upsampled"):
        for holder in (tensors, case):
            if prefix + name in holder:
                return slice(first, first + holder[prefix + name].shape[1])
    return None


def steps(case: Case) -> Iterable[tuple[stages.Stage, str]]:
    """Every stage of a case with its prefix, in flow order, that makes at least one tensor of the case."""
    facts = case.facts
    present = set(case) | set(stages.expected(facts))
    for stage, prefix in stages.walk(stages.prefixes_of(case)):
        if facts.has_stage(stage) and any(
            prefix + row.name in (case if row.optional else present) for row in stage.makes
        ):
            yield stage, prefix
