"""The interface of a program that can compute a stage with one known mistake: `RvcTorch`.

This module imports neither torch nor `rvc`, so that a candidate can be tested for the interface without them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from parity.candidates.candidate import Tensors
from parity.goldens.arrays import Array
from parity.goldens.store import Case
from parity.judge.decisions.voicing import Salience
from parity.judge.diagnosis.registry import Guess
from parity.stages import Stage


class PredictionSource(ABC):
    """Networks of a case's voice, at the judge's side."""

    @abstractmethod
    def run_stage(self, case: Case, stage: Stage, prefix: str, inputs: Tensors) -> Tensors:
        """As `Candidate.run_stage`."""

    @abstractmethod
    def run(self, case: Case) -> Tensors:
        """As `Candidate.run`."""

    @abstractmethod
    def guesses(self, case: Case, stage: str, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
        """What the tensor `name` of a stage would be under each known mistake; none for a stage without a probe.

        Args:
            case: the golden.
            stage: name of the stage.
            prefix: where it runs, such as "seg0.".
            name: full name of the tensor.
            inputs: full name → array, the inputs of the stage.
        """

    @abstractmethod
    def f0_decoder_guesses(self, case: Case, padded: Array) -> Iterator[Guess]:
        """What `f0.raw` would be if the F0 network's salience was decoded differently.

        Args:
            case: the golden.
            padded: float (samples,) at 16 kHz, the input of the F0 method.
        """

    @abstractmethod
    def f0_salience(self, case: Case, padded: Array) -> Salience | None:
        """The salience of the case's F0 network.

        Args:
            case: the golden.
            padded: float (samples,) at 16 kHz.
        Returns:
            salience (frames, bins), or None where the case's F0 method has no network.
        """
