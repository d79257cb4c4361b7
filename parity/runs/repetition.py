"""Calls that a judgment repeats: in another order, with other inputs, and without asking for the stages.

A golden is judged with one call for each stage and one whole conversion. A program can be right in each of them and
wrong for its users: it may keep state between calls, return answers that it has stored by the name of a case, or
compute something else where no tap records its stages. Therefore, beside the judgment of all cases:

1. A stage that failed is called again with the same inputs, and once more after a restart of the program. A stage that
   was right alone and is the origin in a conversion is called twice more.
2. At the end each stage of the first file is called with other inputs and then again with the golden's, so that all
   other cases lie between its two answers (A B A).
3. The answers to the other inputs are compared with those of `rvc`, which is a proven program: it passes all goldens.
4. The whole conversion is run again, with nothing but the final waveform requested, and with another speaker and other
   noise.

An answer is compared within the limits of its stage, so that a program whose sums have another order at each call, as
on a GPU, is not reported.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from parity import stages
from parity.candidates import candidate
from parity.candidates.candidate import Candidate, NotOffered, Tensors
from parity.errors import GoldenError, ParityError
from parity.goldens.arrays import NamedArrays
from parity.goldens.store import Case
from parity.judge import ledger
from parity.judge.blame import StageVerdict
from parity.judge.candidate_runs import is_wanted
from parity.judge.diagnosis.causes import UNKNOWN
from parity.judge.limits import Limits
from parity.judge.states import Blame, CaseState, Mode, NotTried
from parity.judge.verdict import CaseVerdict
from parity.runs.other_inputs import is_same, other_inputs
from parity.runs.repeat_findings import (
    OTHER_SPEAKER,
    Finding,
    RepeatState,
    cause_of_calls,
    cause_of_later_calls,
    near,
    with_other_voice,
)
from parity.stages import Scope

FINAL = "waveform.final"
LEAST_CALLS = 12  # calls of one stage that a run makes at least; a fault after ten calls is known from public programs
MOST_ASKED_AGAIN = 3  # failed stages of a run that are called again
MOST_RESTARTS = 2  # restarts of the program in a run; loading its weights may take a minute


class Reference(Protocol):
    """A proven program: `rvc`, which is judged by the goldens itself."""

    def run_stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors:
        """As `Candidate.run_stage`."""
        ...

    def run(self, case: Case) -> Tensors:
        """As `Candidate.run`."""
        ...


@dataclass
class _Judged:
    """A judged case with the answers that it was judged by."""

    case: Case
    isolated: Tensors
    chained: Tensors
    right: bool

    @property
    def is_file(self) -> bool:
        return _is_file(self.case)


def _is_file(case: Case) -> bool:
    """Whether a golden holds the conversion of a file: no stream, and no stages recorded alone."""
    return not case.facts.blocks and not case.facts.isolated


@dataclass
class Repetition:
    """The repeated calls of one run.

    Attributes:
        program: the candidate.
        reference: gives the proven program; None compares no answer to other inputs.
        limits: the limits of the run.
        only_stage: only this stage; None for all.
        findings: what was found.
        notes: what could not be compared, and why.
        not_tried: what was left out because torch or `rvc` is not installed.
        calls: the number of repeated calls.
        seconds: the time that they took.
    """

    program: Candidate
    limits: Limits
    reference: Callable[[], Reference] | None = None
    only_stage: str | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_tried: list[NotTried] = field(default_factory=list)
    calls: int = 0
    seconds: float = 0.0
    _first: _Judged | None = None
    _asked_again: set[str] = field(default_factory=set)
    _restarts: int = 0
    _calls_of: dict[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The repetition as verdict.json holds it."""
        return {
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "findings": [finding.document() for finding in self.findings],
            "notes": list(dict.fromkeys(self.notes)),
            "not_tried": self.not_tried,
        }

    def complaints(self) -> list[str]:
        """A sentence for each finding: each is a failure of the run."""
        return [f"{finding.state}: {finding.sentence}" for finding in self.findings]

    def after_case(self, case: Case, judged: CaseVerdict) -> None:
        """Call again what failed in a case, and keep the answers of the first file for the end of the run."""
        begin = time.monotonic()
        for verdict in judged.stages:
            if any(not cell.state.untested for cell in verdict.cells):
                self._calls_of[verdict.stage.name] = self._calls_of.get(verdict.stage.name, 0) + 1
        if judged.state not in (CaseState.PASS, CaseState.PARTIAL, CaseState.DIFFERS) or judged.setup_failed:
            return
        if self._first is None or (not self._first.is_file and _is_file(case)):
            traces = judged.traces
            right = judged.state is not CaseState.DIFFERS
            isolated, chained = dict(traces.get(Mode.ISOLATED, {})), dict(traces.get(Mode.CHAINED, {}))
            self._first = _Judged(case, isolated, chained, right)
        for verdict in judged.stages:
            name, ask = verdict.stage.name, self._ask_again
            if not verdict.failed_in(Mode.ISOLATED):
                if verdict.blame is not Blame.ORIGIN or not self._was_right_alone(verdict):
                    continue
                ask = self._ask_again_alone
            if len(self._asked_again) < MOST_ASKED_AGAIN:
                if name not in self._asked_again and ask(case, verdict):
                    verdict.sentence = f"{verdict.sentence}; {self.findings[-1].state}"
                self._asked_again.add(name)
        if not case.facts.isolated and not any(verdict.failed_in(Mode.ISOLATED) for verdict in judged.stages):
            self._convert_again(case, judged)
        self.seconds += time.monotonic() - begin

    def finish(self) -> None:
        """The repeated calls at the end of a run."""
        begin, first = time.monotonic(), self._first
        if first is None:
            self.notes.append("no call was repeated at the end, because no case was judged in this run")
        if first is not None:
            try:
                self._repeat_stages(first)
                if self.only_stage is None:
                    self._repeat_conversion(first)
            except NotOffered as error:
                self.notes.append(str(error))
        self.seconds += time.monotonic() - begin

    # ---- calls -------------------------------------------------------------------------------------------------------

    def _stage(self, case: Case, stage: stages.Stage, prefix: str, inputs: Tensors) -> Tensors | None:
        """One repeated call of a stage; None where it fails."""
        self.calls += 1
        self._calls_of[stage.name] = self._calls_of.get(stage.name, 0) + 1
        try:
            return self.program.run_stage(case, stage, prefix, {name: value.copy() for name, value in inputs.items()})
        except (GoldenError, NotOffered):
            raise
        except ParityError:
            return None

    def _restart(self) -> bool:
        """Whether the program was started again, so that no earlier call can matter."""
        self._restarts += 1
        return self._restarts <= MOST_RESTARTS and self.program.restart()

    def _report(self, state: RepeatState, case: Case, stage: str, sentence: str) -> None:
        if not any((finding.state, finding.stage) == (state, stage) for finding in self.findings):
            self.findings.append(Finding(state, case.name, stage, sentence))

    def _holds(self, case: Case, names: list[str], mode: Mode, made: Tensors | None) -> bool:
        """Whether an answer is within the limits of the golden."""
        return made is not None and all(
            not cell.failed
            for name in names
            for cell in ledger.judge_tensor(case, name, mode, made.get(name), self.limits)[0]
        )

    # ---- after a failure ---------------------------------------------------------------------------------------------

    def _ask_again(self, case: Case, judged: StageVerdict) -> bool:
        """Call a failed stage again, then once more after a restart; whether one of these answers is right."""
        stage, prefix, title = judged.stage, judged.prefix, judged.title
        failed = [cell.tensor for cell in judged.failed_in(Mode.ISOLATED)]  # optional tensors, too
        names, inputs = list({*_names(case, stage, prefix), *failed}), candidate.inputs(case, stage, prefix)
        if self._holds(case, names, Mode.ISOLATED, self._stage(case, stage, prefix, inputs)):
            third = self._holds(case, names, Mode.ISOLATED, self._stage(case, stage, prefix, inputs))
            judged.cause = cause_of_calls(third)
            self._report(
                RepeatState.SECOND_RIGHT,
                case,
                stage.name,
                f"{title} of {case.name} was wrong at the first call and right at the second, on the same inputs; is "
                "something prepared at the first call, or memory uninitialized?",
            )
            return True
        if self._restart() and self._holds(case, names, Mode.ISOLATED, self._stage(case, stage, prefix, inputs)):
            self._report(
                RepeatState.DEPENDS,
                case,
                stage.name,
                f"{title} of {case.name} is wrong after the calls before it and right in a program that was just "
                "started; what is kept between calls?",
            )
            return True
        return False

    def _was_right_alone(self, judged: StageVerdict) -> bool:
        tried = [cell for cell in judged.cells if cell.mode is Mode.ISOLATED and not cell.state.untested]
        return bool(tried) and self.program.offers(judged.stage)

    def _ask_again_alone(self, case: Case, judged: StageVerdict) -> bool:
        """Call a stage twice that is wrong in a conversion and was right alone; whether it is wrong alone then."""
        stage, prefix = judged.stage, judged.prefix
        names, inputs = _names(case, stage, prefix), candidate.inputs(case, stage, prefix)
        right = [self._holds(case, names, Mode.ISOLATED, self._stage(case, stage, prefix, inputs)) for _ in range(2)]
        if all(right):
            return False
        if any(right):
            judged.cause = cause_of_calls(third_right=False)
        elif judged.cause is None or judged.cause["name"] == UNKNOWN["name"]:
            judged.cause = cause_of_later_calls()
        self._report(
            RepeatState.DEPENDS,
            case,
            stage.name,
            f"{judged.title} of {case.name} was right at the first call and wrong when it was called again, on the "
            "same inputs; what is kept between calls?",
        )
        return True

    def _convert_again(self, case: Case, judged: CaseVerdict) -> None:
        """Run a whole conversion again that failed although each of its stages is right alone; once in a run."""
        failed = [cell.tensor for cell in judged.ledger.cells if cell.failed and cell.mode is Mode.CHAINED]
        if not failed or "run" in self._asked_again or not self.program.chains:
            return
        self._asked_again.add("run")
        self.calls += 1
        try:
            made = self.program.run(case)
        except ParityError:
            return
        if self._holds(case, list(dict.fromkeys(failed)), Mode.CHAINED, made):
            for row in judged.stages:
                if row.blame is Blame.ORIGIN:
                    row.cause = cause_of_calls(third_right=False)
            self._report(
                RepeatState.SECOND_RIGHT,
                case,
                "run",
                f"the whole conversion of {case.name} was wrong at the first call and right at the second; is "
                "something prepared at the first call, or memory uninitialized?",
            )

    # ---- stages at the end -------------------------------------------------------------------------------------------

    def _repeat_stages(self, first: _Judged) -> None:
        """Each stage of a case with other inputs, and then again with the golden's."""
        case, perturbed, cheapest = first.case, set[str](), list[tuple[float, stages.Stage, str]]()
        for stage, prefix in self._wanted(case):
            names = [name for name in _names(case, stage, prefix) if name in first.isolated]
            if not names:
                continue
            inputs = candidate.inputs(case, stage, prefix)
            if stage.name not in perturbed and not _is_first_block(case, prefix):
                perturbed.add(stage.name)
                self._perturb(first, stage, prefix, inputs, names)
            begin = time.monotonic()
            self._compare_again(first, stage, prefix, inputs, names)
            cheapest.append((time.monotonic() - begin, stage, prefix))
        if cheapest:
            _, stage, prefix = min(cheapest, key=lambda entry: entry[0])
            inputs, names = candidate.inputs(case, stage, prefix), _names(case, stage, prefix)
            while self._calls_of.get(stage.name, 0) < LEAST_CALLS:
                self._compare_again(first, stage, prefix, inputs, names)

    def _wanted(self, case: Case) -> Iterator[tuple[stages.Stage, str]]:
        for stage, prefix in candidate.steps(case):
            if self.program.offers(stage) and is_wanted(stage, self.only_stage):
                yield stage, prefix

    def _compare_again(
        self, first: _Judged, stage: stages.Stage, prefix: str, inputs: Tensors, names: list[str]
    ) -> None:
        """Call a stage again on the golden's inputs and compare with its first answer."""
        case = first.case
        again = self._stage(case, stage, prefix, inputs)
        if again is not None and all(is_same(case, name, first.isolated, again) for name in names):
            return
        was_right = self._holds(case, names, Mode.ISOLATED, first.isolated)
        title = f"{prefix}{stage.name}"
        if not was_right and self._holds(case, names, Mode.ISOLATED, again):
            self._report(
                RepeatState.SECOND_RIGHT,
                case,
                stage.name,
                f"{title} of {case.name} was wrong at its first call and is right at the end of the run, on the same "
                "inputs; is something prepared at the first call, or memory uninitialized?",
            )
            return
        self._report(
            RepeatState.DEPENDS,
            case,
            stage.name,
            f"{title} of {case.name} {'fails' if again is None else 'differs'} at the end of the run from its first "
            "answer, on the same inputs; what is kept between calls, or drawn inside?",
        )

    def _perturb(self, first: _Judged, stage: stages.Stage, prefix: str, inputs: Tensors, names: list[str]) -> None:
        """Call a stage with other inputs and compare with the proven program's answers."""
        case, changed = first.case, other_inputs(stage, inputs)
        if all(np.array_equal(inputs[name], value) for name, value in changed.items()):
            return
        made, title = self._stage(case, stage, prefix, changed), f"{prefix}{stage.name}"
        expected = self._expected(case, stage, prefix, changed, names, first)
        if expected is not None and all(is_same(case, name, first.isolated, expected) for name in names):
            return  # these inputs change nothing: the case is silent, or the stage has no effect in it
        if made is not None and all(is_same(case, name, first.isolated, made) for name in names):
            self._report(
                RepeatState.STORED,
                case,
                stage.name,
                f"{title} gives the answer of {case.name} for other inputs too; is it stored under the name of the "
                "case?",
            )
            return
        if expected is None or self._near(case, names, made, expected):
            return
        if self._restart() and self._near(case, names, self._stage(case, stage, prefix, changed), expected):
            self._report(
                RepeatState.DEPENDS,
                case,
                stage.name,
                f"{title} is wrong on other inputs after the calls for {case.name}, and right in a program that was "
                "just started; what is kept from the first call?",
            )
        elif self._holds(case, names, Mode.ISOLATED, first.isolated):
            self._report(
                RepeatState.OTHER_INPUTS,
                case,
                stage.name,
                f"{title} is right on the inputs of {case.name} and differs from rvc on other inputs of the same form; "
                "does it read all of them?",
            )

    def _expected(
        self, case: Case, stage: stages.Stage, prefix: str, changed: Tensors, names: list[str], first: _Judged
    ) -> Tensors | None:
        """The proven program's answer to other inputs; None where it cannot run the stage or misses the golden."""
        if self.reference is None:
            return None
        try:
            program = self.reference()
            right = program.run_stage(case, stage, prefix, candidate.inputs(case, stage, prefix))
            if not self._holds(case, names, Mode.ISOLATED, right):
                self.notes.append(f"rvc misses {stage.name} of {case.name} here; its other inputs were not compared")
                return None
            return program.run_stage(case, stage, prefix, changed)
        except GoldenError:
            raise
        except ParityError as error:
            self.notes.append(f"{stage.name} was not compared on other inputs: {error}")
            return None
        except ImportError:
            self._do_without_reference()
            return None

    def _do_without_reference(self) -> None:
        """Compare no other answer with the proven program, which is not installed, and note that once."""
        self.reference = None
        self.not_tried.append(NotTried.OTHER_INPUTS)
        self.notes.append("answers to other inputs were not compared with those of rvc: not tried without torch")

    def _near(self, case: Case, names: list[str], made: Tensors | None, expected: NamedArrays) -> bool:
        """Whether an answer to other inputs is near the proven program's."""
        return made is not None and all(
            name in made and near(case, name, expected[name], made[name], self.limits)
            for name in names
            if name in expected
        )

    # ---- whole conversions -------------------------------------------------------------------------------------------

    def _repeat_conversion(self, first: _Judged) -> None:
        """The whole conversion without its stages, with another speaker and other noise, and again."""
        case, final = first.case, first.chained.get(FINAL)
        if not self.program.chains or final is None:
            return
        made = self._convert(self.program.run_final, case)
        if made is None or not is_same(case, FINAL, first.chained, made, Mode.CHAINED):
            self._report(
                RepeatState.UNTRACED,
                case,
                "run",
                f"the whole conversion of {case.name} {'fails' if made is None else 'gives another waveform'} where "
                "nothing but the waveform is requested; which code runs only while stages are recorded?",
            )
        self._convert_other(first)
        again = self._convert(self.program.run, case)
        if again is None or not is_same(case, FINAL, first.chained, again, Mode.CHAINED):
            right_now = not first.right and self._holds(case, [FINAL], Mode.CHAINED, again)
            self._report(
                RepeatState.SECOND_RIGHT if right_now else RepeatState.DEPENDS,
                case,
                "run",
                f"the whole conversion of {case.name} {'fails' if again is None else 'gives another waveform'} at the "
                "end of the run than at its beginning; what is kept between calls, or drawn inside?",
            )

    def _convert(self, call: Callable[[Case], Tensors], case: Case) -> Tensors | None:
        """One repeated conversion; None where it fails or gives no final waveform."""
        self.calls += 1
        try:
            made = call(case)
        except (GoldenError, NotOffered):
            raise
        except ParityError:
            return None
        return made if FINAL in made else None

    def _convert_other(self, first: _Judged) -> None:
        """The conversion of a file with another speaker and other noise, which change nothing before the latents."""
        case = first.case
        if not first.is_file:
            return
        other = with_other_voice(case)
        made = self._convert(self.program.run, other)
        if made is not None and is_same(case, FINAL, first.chained, made, Mode.CHAINED):
            self._report(
                RepeatState.STORED,
                case,
                "run",
                f"the whole conversion gives the waveform of {case.name} for another speaker and other noise too; is "
                "it stored under the name of the case?",
            )
            return
        if self.reference is None or not first.right:
            return
        try:
            program = self.reference()
            if not self._holds(case, [FINAL], Mode.CHAINED, program.run(case)):
                self.notes.append(f"rvc misses the conversion of {case.name} here; no other speaker was compared")
                return
            expected = program.run(other)
        except ParityError as error:
            self.notes.append(f"no other speaker was compared: {error}")
            return
        except ImportError:
            self._do_without_reference()
            return
        if made is not None and near(case, FINAL, expected[FINAL], made[FINAL], self.limits, Mode.CHAINED):
            return
        alone = self._convert(self.program.run, other) if self._restart() else None
        kept = alone is not None and near(case, FINAL, expected[FINAL], alone[FINAL], self.limits, Mode.CHAINED)
        self._report(
            RepeatState.DEPENDS if kept else RepeatState.OTHER_INPUTS,
            case,
            "run",
            f"the whole conversion of {case.name} with speaker {OTHER_SPEAKER} and other noise differs from rvc's"
            + (", and is right in a program that was just started; what is kept from the first call?" if kept else ""),
        )


def _names(case: Case, stage: stages.Stage, prefix: str) -> list[str]:
    """The tensors that a golden holds of a stage and that a candidate must make."""
    return [prefix + row.name for row in stage.makes if prefix + row.name in case and not row.optional]


def _is_first_block(case: Case, prefix: str) -> bool:
    """Whether a prefix is that of a stream's first block, which has no state, while there are others."""
    return stages.scope_of(prefix) is Scope.BLOCK and stages.index_of(prefix) == 0 and case.facts.blocks > 1
