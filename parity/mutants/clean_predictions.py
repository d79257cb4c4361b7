"""Predictions by networks while a fault is planted in the process: the fault is inactive as long as they are made.

A candidate in another process cannot change what the judge predicts. A fault in this process would, so that every call
of the predictions pauses it. A prediction of the same tensor of the same inputs is made once for a case.
"""

from collections.abc import Collection, Generator, Iterator
from contextlib import closing

from parity import stages
from parity.candidates.candidate import Tensors
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.decisions.voicing import Salience
from parity.judge.diagnosis.registry import Guess
from parity.judge.judgment import Counterfactuals
from parity.judge.states import NotTried
from parity.mutants.cached_stages import StageCache, key_of
from parity.mutants.patches import Planted


class CleanPredictions:
    """Implements `parity.judge.judgment.Counterfactuals` without the planted fault."""

    def __init__(self, predictions: Counterfactuals, fault: Planted, cache: StageCache) -> None:
        """Predict nothing yet.

        Args:
            predictions: those of `rvc` for the case.
            fault: what is planted in `rvc`.
            cache: keeps what was predicted for the case.
        """
        self._predictions, self._fault, self._cache = predictions, fault, cache

    @property
    def refused(self) -> bool:
        """As `Counterfactuals.refused`."""
        return self._predictions.refused

    @property
    def not_tried(self) -> Collection[NotTried]:
        """As `Counterfactuals.not_tried`."""
        return self._predictions.not_tried

    def guesses(self, case: Case, stage: str, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
        """As `Counterfactuals.guesses`; the probes get the inputs of the stage alone, and so depend on them alone."""
        row = stages.stage_named(stage)
        outputs = {prefix + tensor.name for tensor in row.makes} if row is not None else set()
        read = {other: value for other, value in inputs.items() if other not in outputs}
        key = (stage, prefix, name, *((other, key_of(value)) for other, value in sorted(read.items())))
        kept = self._cache.guesses.setdefault(key, [])
        yield from kept
        with closing(self._without_fault(self._predictions.guesses(case, stage, prefix, name, read))) as guesses:
            for number, guess in enumerate(guesses):
                if number >= len(kept):
                    kept.append(guess)
                    yield guess

    def _without_fault(self, guesses: Iterator[Guess]) -> Generator[Guess, None, None]:
        """The guesses of an iterator, which runs and ends only while the fault is paused.

        A probe changes `rvc` between two guesses, too, so that no result is kept.
        """
        try:
            while True:
                with self._fault.paused(), self._cache.bypassed():
                    guess = next(guesses, None)
                if guess is None:
                    return
                yield guess
        finally:
            with self._fault.paused(), self._cache.bypassed():
                if isinstance(guesses, Generator):
                    guesses.close()

    def salience(self, padded: Array) -> Salience | None:
        """As `Counterfactuals.salience`."""
        with self._fault.paused():
            return self._predictions.salience(padded)

    def convert(self, case: Case) -> Tensors:
        """As `Counterfactuals.convert`."""
        with self._fault.paused():
            return self._predictions.convert(case)

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors | None:
        """As `Counterfactuals.run_stage`."""
        with self._fault.paused():
            return self._predictions.run_stage(case, stage, prefix, inputs)
