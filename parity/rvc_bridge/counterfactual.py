"""Our own pipeline at the judge's side: what it would make under a known mistake or another profile, of any candidate.

It is loaded only where something differs. A dump does not say whose networks made it; ours are believed there only
where they make the same of the same inputs.
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from parity import stages, voices
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, CandidateError, Tensors
from parity.errors import ParityError
from parity.goldens.arrays import Array
from parity.goldens.store import Case, MemoryCase
from parity.judge import metrics
from parity.judge.decisions.voicing import Salience
from parity.judge.diagnosis import realtime
from parity.judge.diagnosis.registry import Guess

NEAR = 1e-4  # relative RMS: another network is off by 1, the same one on another machine by 1e-5


@functools.cache
def pipeline() -> Any:
    """`rvc` in this process."""
    from parity.rvc_bridge.offline import RvcTorch

    return RvcTorch()


def known(case: Case) -> Case | None:
    """The case with a voice that can be made here: its own, or, for a dump that does not say which, the synthetic one
    of its version, rate and pitch; None where there is none of that kind."""
    if case.voice.get("kind") in voices.KINDS:
        return case
    voice = case.voice
    kind = f"{voice['version']}-{int(voice['rate']) // 1000}k-{'f0' if voice['f0'] else 'nof0'}"
    if kind not in voices.KINDS:
        return None
    return MemoryCase({**case.meta, "voice": {**voice, "kind": kind}}, {name: case[name] for name in case})


def confirmed(case: Case, own: Any, stage: stages.Stage, prefix: str, name: str) -> bool:
    """Whether our network makes of the golden's own inputs what the golden holds, so that it is the same one."""
    try:
        made = own.run_stage(case, stage, prefix, candidate.inputs(case, stage, prefix))[name]
    except (ParityError, KeyError):
        return False
    if made.shape != case[name].shape:
        return False
    return metrics.rms(made.astype(np.float64) - case[name]) <= NEAR * metrics.rms(case[name])


def _believed(case: Case, prefix: str, name: str) -> Case | None:
    """The case as our networks know it, None where they are others than those that made the golden."""
    here, stage = known(case), stages.stage_of(name)
    if here is None or here is case:
        return here
    return here if stage is not None and confirmed(here, pipeline(), stage, prefix, name) else None


class RvcCounterfactuals:
    """Predictions by networks of a case: the candidate's own where it is `rvc`, else those of `rvc` in this process.

    Implements `parity.judge.judgment.Counterfactuals`.
    """

    def __init__(self, case: Case, program: Candidate | None = None) -> None:
        """Nothing is loaded before the first call.

        Args:
            case: The golden.
            program: The candidate that is judged; None for two dumps.
        """
        self.case, self.refused = case, False
        self._own: Any = program if hasattr(program, "guesses") else None

    def guesses(self, case: Case, stage: str, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
        """Predictions for one output of a stage, by the stage's name and the tensor's full name."""
        yield from realtime.guesses(case, stage, name)
        here = case if self._own is not None else _believed(case, prefix, name)
        self.refused = here is None
        if here is None:
            return
        own = self._own if self._own is not None else pipeline()
        yield from own.guesses(here, stage, prefix, name, inputs)
        if stage == "f0.raw" and hasattr(own, "f0_network"):
            from parity.rvc_bridge import pitch_decoders  # loads torch

            yield from pitch_decoders.guesses(own, here, inputs["padded"])

    def salience(self, padded: Array) -> Salience | None:
        """The salience of the case's pitch network on padded audio; None where that network is not available."""
        own = self._own if hasattr(self._own, "f0_network") else None
        believed = self.case if own is not None else _believed(self.case, "", "f0.raw")
        if believed is None:
            return None
        from parity.rvc_bridge import pitch_salience  # loads torch

        return pitch_salience.salience_of(own or pipeline(), believed, padded)

    def convert(self, case: Case) -> Tensors:
        """The whole conversion of a case; raises CandidateError where its voice is not available."""
        if self._own is not None:
            made: Tensors = self._own.run(case)
            return made
        here = known(case)
        if here is None:
            raise CandidateError(f"the voice {case.voice.get('kind')!r} is not one of the synthetic voices")
        made = pipeline().run(here)
        return {**made}
