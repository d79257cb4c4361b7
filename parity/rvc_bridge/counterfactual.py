"""Predictions by `rvc` for any candidate: a stage with one known mistake, F0 salience, another profile's conversion.

`rvc` and torch are loaded only where something differs. Where one of them is not installed, the judgment goes on
without these predictions, and the verdict lists what was not tried. A dump of tensors does not name the weights that
made it; the predictions are used only where `rvc` makes the golden's tensor of the golden's own inputs.
"""

import functools
from collections.abc import Iterator

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
from parity.judge.limits import network_f0
from parity.judge.states import NotTried
from parity.rvc_bridge.prediction_source import PredictionSource

# Relative RMS up to which two outputs count as those of one network. Networks with other weights differ by about 1, one
# network on two processors by about 1e-5 (reference/spread.py).
SAME_NETWORK = 1e-4


@functools.cache
def rvc_with_synthetic_voices() -> PredictionSource:
    """`rvc` in this process, on the synthetic voices of cases. Raises ImportError without torch or `rvc`."""
    from parity.rvc_bridge.rvc_torch import RvcTorch  # imports torch

    return RvcTorch()


@functools.cache
def networks_are_installed() -> bool:
    """Whether torch and `rvc` can be imported: rvc-parity[torch] installs both."""
    try:
        rvc_with_synthetic_voices()
    except ModuleNotFoundError:
        return False
    return True


def with_synthetic_voice(case: Case) -> Case | None:
    """The case with a voice that this machine can make.

    Returns:
        the case itself where its voice is synthetic; for a dump, whose voice is unknown, the case with the synthetic
        voice of the same version, rate and F0 input; None where there is no such voice.
    """
    if case.voice.get("kind") in voices.VOICES:
        return case
    voice = case.voice
    kind = f"{voice['version']}-{int(voice['rate']) // 1000}k-{'f0' if voice['f0'] else 'nof0'}"
    if kind not in voices.KINDS:
        return None
    return MemoryCase({**case.meta, "voice": {**voice, "kind": kind}}, {name: case[name] for name in case})


def reproduces(source: PredictionSource, case: Case, stage: stages.Stage, prefix: str, name: str) -> bool:
    """Whether a stage makes the golden's tensor `name` of the golden's inputs, so that its network is the same one."""
    try:
        made = source.run_stage(case, stage, prefix, candidate.inputs(case, stage, prefix))[name]
    except (ParityError, KeyError):
        return False
    return made.shape == case[name].shape and metrics.relative(case[name], made) <= SAME_NETWORK


def _case_of_same_network(case: Case, prefix: str, name: str) -> Case | None:
    """The case with a synthetic voice; None where the golden was made by other networks than that voice's."""
    synthetic, stage = with_synthetic_voice(case), stages.stage_of(name)
    if synthetic is None or synthetic is case:
        return synthetic
    same = stage is not None and reproduces(rvc_with_synthetic_voices(), synthetic, stage, prefix, name)
    return synthetic if same else None


class RvcCounterfactuals:
    """Predictions by the candidate's networks where it is `rvc`, else by `rvc` with synthetic voices in this process.

    Implements `parity.judge.judgment.Counterfactuals`.

    Attributes:
        case: the golden.
        refused: whether the last call of `guesses` was about a network that is not available here. Then the absence of
            a cause does not show that no known mistake was made.
        not_tried: what the calls so far left out because torch or `rvc` is not installed.
    """

    def __init__(self, case: Case, program: Candidate | None = None) -> None:
        """Load nothing yet.

        Args:
            case: the golden.
            program: the candidate that is judged; None for two dumps.
        """
        self.case, self.refused = case, False
        self.not_tried: set[NotTried] = set()
        self._own = program if isinstance(program, PredictionSource) else None

    def _lacks_networks(self, what: NotTried) -> bool:
        """Whether there is no network at all to predict with; then `what` is listed as not tried."""
        if self._own is not None or networks_are_installed():
            return False
        self.not_tried.add(what)
        return True

    @property
    def _source(self) -> PredictionSource:
        return self._own or rvc_with_synthetic_voices()

    def guesses(self, case: Case, stage: str, prefix: str, name: str, inputs: Tensors) -> Iterator[Guess]:
        """Predictions for one tensor of a stage; see `PredictionSource.guesses` for the arguments."""
        yield from realtime.guesses(case, stage, name)
        if self._lacks_networks(NotTried.CAUSES):
            self.refused = True
            return
        known = case if self._own is not None else _case_of_same_network(case, prefix, name)
        self.refused = known is None
        if known is None:
            return
        yield from self._source.guesses(known, stage, prefix, name, inputs)
        if stage == "f0.raw":
            yield from self._source.f0_decoder_guesses(known, inputs["padded"])

    def salience(self, padded: Array) -> Salience | None:
        """The salience of the case's F0 network.

        Args:
            padded: float (samples,) at 16 kHz.
        Returns:
            None where the F0 method has no network, or that network is not available here.
        """
        if not network_f0(self.case.options) or self._lacks_networks(NotTried.SALIENCE):
            return None
        known = self.case if self._own is not None else _case_of_same_network(self.case, "", "f0.raw")
        return None if known is None else self._source.f0_salience(known, padded)

    def convert(self, case: Case) -> Tensors:
        """Convert a case.

        Returns:
            full name → array, every tensor that the conversion made.
        Raises:
            CandidateError: the voice of the case is not available here, or torch or `rvc` is not installed.
        """
        if self._lacks_networks(NotTried.PROFILES):
            raise CandidateError("torch and rvc are not installed; rvc-parity[torch] installs both")
        known = case if self._own is not None else with_synthetic_voice(case)
        if known is None:
            raise CandidateError(f"the voice {case.voice.get('kind')!r} is not one of the synthetic voices")
        return self._source.run(known)

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors | None:
        """What the stage of `rvc` makes of these inputs.

        Args:
            case: the golden, or for a stream the golden with the tensors of a chain, from which its state follows.
            stage: the stage.
            prefix: where it runs, such as "seg0.".
            inputs: full name → array.
        Returns:
            None where the golden's network is not available here, or the stage fails on these inputs.
        """
        if self._lacks_networks(NotTried.CONTINUATION):
            return None
        made_by_stage = [prefix + row.name for row in stage.makes if prefix + row.name in self.case]
        known = case if self._own is not None or not made_by_stage else self._known(case, prefix, made_by_stage[0])
        if known is None:
            return None
        try:
            return self._source.run_stage(known, stage, prefix, inputs)
        except ParityError:
            return None

    def _known(self, case: Case, prefix: str, name: str) -> Case | None:
        """The case with a voice that this machine can make; None where the golden was made by other networks."""
        golden = _case_of_same_network(self.case, prefix, name)
        if golden is None or golden is self.case:
            return None if golden is None else case
        return golden.after(case) if case is not self.case else golden
