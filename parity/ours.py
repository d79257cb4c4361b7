"""Our own pipeline at the judge's side: what it would make under a known mistake or another profile, of any candidate.

It is loaded only where something differs, and only for voices that are made on this machine.
"""

import functools
from collections.abc import Iterator
from typing import Any

from parity import cause_live, voices
from parity.candidate import Candidate, CandidateError, Tensors
from parity.cause import Guess, Oracle
from parity.matches import Run
from parity.store import Case
from parity.views import Array
from parity.voicing import Hear, Heard


@functools.cache
def pipeline() -> Any:
    """`rvc` in this process."""
    from parity.candidates.rvc_torch import RvcTorch

    return RvcTorch()


def knows(case: Case) -> bool:
    """Whether the voice of a case can be made here."""
    return case.voice.get("kind") in voices.KINDS


def oracle(case: Case, program: Candidate | None = None) -> Oracle | None:
    """Predictions of known mistakes: by the candidate's own networks where it is ours, else by ours."""
    if not hasattr(program, "guesses") and not knows(case):
        return None

    def guesses(case: Case, stage: str, prefix: str, name: str, given: Tensors) -> Iterator[Guess]:
        yield from cause_live.guesses(case, stage, name)
        own: Any = program if hasattr(program, "guesses") else pipeline()
        yield from own.guesses(case, stage, prefix, name, given)
        if stage == "f0.raw" and hasattr(own, "f0_network"):
            from parity.candidates import decoders

            yield from decoders.guesses(own, case, given["padded"])

    return guesses


def hear(case: Case, program: Candidate | None = None) -> Hear | None:
    """What our pitch network of this case hears in a sound; None for a voice that is not known here."""
    if not knows(case):
        return None

    def listen(padded: Array) -> Heard | None:
        from parity.candidates import strengths

        return strengths.heard(program if hasattr(program, "f0_network") else pipeline(), case, padded)

    return listen


def conversion(case: Case, program: Candidate | None = None) -> Run:
    """The whole conversion of a case by our pipeline; it refuses a voice that is not known here."""
    if program is not None and hasattr(program, "guesses"):
        return program.run
    if knows(case):
        return lambda case: pipeline().run(case)

    def refuse(case: Case) -> Tensors:
        raise CandidateError("this voice cannot be made here")

    return refuse
