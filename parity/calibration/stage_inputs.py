"""Whether the stage table names the inputs of each stage: a declared input changes the output, and no other is read.

`rvc-parity inputs` tries both with the stages of `rvc`, which are proven on the same goldens. A stage is run on a
golden's inputs, then with one of them replaced; the output must change in at least one golden. It is also run where the
golden shows nothing but the declared inputs; its output must be the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, Tensors
from parity.errors import UsageError
from parity.goldens import store
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.runs.other_inputs import other_value
from parity.stages import TensorName

# (stage, input) → why no golden can show that the input matters.
WITHOUT_INFLUENCE: Mapping[tuple[str, str], str] = {}
# (stage, tensor) → why the stage of `rvc` reads a tensor that the table does not name.
READ_BESIDES: Mapping[tuple[str, str], str] = {
    ("trim", "segment.cuts"): "the segment's length is that of its waveform; the pipeline derives both from the cuts",
    ("concat", "segment.cuts"): "the segments' lengths are those of their waveforms; the pipeline derives both",
}


@dataclass(frozen=True)
class Influence:
    """Whether one input of a stage changes its output.

    Attributes:
        stage: The name of the stage.
        local: The input, without prefix; "earlier " stands before a tensor of an earlier block.
        case: The golden in which it does; None where it does in none that was tried.
        because: For an input without influence, the reason by the specification; None where there is none.
    """

    stage: str
    local: str
    case: str | None
    because: str | None = None

    @property
    def holds(self) -> bool:
        """Whether the table is right about this input."""
        return self.case is not None or self.because is not None


class OnlyInputs(Case):
    """A golden that shows the values of some tensors only; their dtypes and shapes, and those of all others, remain.

    Attributes:
        hidden: The names of tensors that were read although their values are not shown.
    """

    def __init__(self, case: Case, shown: Iterable[str]) -> None:
        super().__init__(case.folder, case.document)
        self._golden, self._shown = case, frozenset(shown)
        self.hidden: set[str] = set()

    def __getitem__(self, name: str) -> Array:
        if name in self and name not in self._shown:
            self.hidden.add(name)
        return self._golden[name]


def places(cases: Sequence[Case], stage: stages.Stage) -> Iterator[tuple[Case, str]]:
    """Where a stage can be tried: one segment or block of each case, of a stream the last one, which has most state."""
    for case in cases:
        prefixes = [prefix for other, prefix in candidate.steps(case) if other == stage]
        if prefixes:
            yield case, prefixes[-1]


def influences(program: Candidate, cases: Sequence[Case], stage: stages.Stage) -> list[Influence]:
    """Whether each input that the table names for a stage changes its output in one of the cases.

    Args:
        program: A candidate that is right in every case.
        cases: The goldens, in the order in which they are tried.
        stage: The stage.
    """
    shown_in: dict[str, str | None] = {}
    for case, prefix in places(cases, stage):
        inputs = candidate.inputs(case, stage, prefix)
        groups: dict[str, list[str]] = {}
        for name in inputs:
            groups.setdefault(_label(name, prefix), []).append(name)
        declared = {_label(name, prefix) for name in stages.reads(stage, prefix, case)}
        untried = [label for label in groups if label in declared and shown_in.get(label) is None]
        if not untried:
            continue
        made = program.run_stage(case, stage, prefix, inputs)
        for label in untried:
            changed = inputs | {name: other_value(stage, name, inputs[name]) for name in groups[label]}
            other = program.run_stage(case, stage, prefix, changed)
            differs = any(name in made and not _equal(other.get(name), made[name]) for name in made)
            shown_in[label] = case.name if differs else None
    return [
        Influence(stage.name, label, case, None if case else WITHOUT_INFLUENCE.get((stage.name, label)))
        for label, case in shown_in.items()
    ]


def _label(name: str, prefix: str) -> str:
    parsed = TensorName.parse(name)
    is_earlier = parsed.scope is stages.Scope.BLOCK and parsed.prefix != prefix
    return f"earlier {parsed.local}" if is_earlier else parsed.local


def _equal(one: Array | None, other: Array) -> bool:
    return one is not None and np.array_equal(one, other, equal_nan=True)


def undeclared(program: Callable[[], Candidate], case: Case, stage: stages.Stage, prefix: str) -> list[str]:
    """The tensors of a golden that a stage reads although the table does not name them.

    Args:
        program: Makes the candidate, which must not have the case's state yet.
        case: The golden.
        stage: The stage.
        prefix: Where it runs.
    """
    inputs: Tensors = candidate.inputs(case, stage, prefix)
    shown = OnlyInputs(case, inputs)
    program().run_stage(shown, stage, prefix, inputs)
    known = {name for name in shown.hidden if (stage.name, TensorName.parse(name).local) in READ_BESIDES}
    return sorted(shown.hidden - known)


def report(goldens: Path, program: Candidate) -> int:
    """Print the inputs of every stage and the golden in which each changes the output; returns 1 where one does not.

    Raises:
        UsageError: There is no golden below `goldens`.
    """
    folders = store.cases(goldens)
    if not folders:
        raise UsageError(f"there is no case below {goldens}; give the folder of goldens")
    cases = sorted((store.open_case(folder) for folder in folders), key=_size)
    wrong = stages.misplaced_reads()
    print("\n".join(wrong))
    for stage in stages.every():
        if not program.offers(stage):
            continue
        for row in influences(program, cases, stage):
            print(f"{row.stage:<18}{row.local:<26}{row.case or row.because or 'CHANGES NOTHING IN ANY GOLDEN'}")
            if not row.holds:
                wrong.append(f"{row.stage} declares {row.local}, which changes nothing in any golden")
    print(f"{len(wrong)} of the stage table's inputs are wrong" if wrong else "every declared input changes its output")
    return int(bool(wrong))


def _size(case: Case) -> int:
    """The number of all values of a case, by which the goldens are tried, the smallest first."""
    return sum(int(np.prod(case.entry(name)["shape"])) for name in case)
