"""The repeated calls of one run, in their order: after each case, and at the end."""

import time
from dataclasses import dataclass
from typing import Any

from parity.candidates.candidate import NotOffered
from parity.goldens.store import Case
from parity.judge.states import CaseState, Mode
from parity.judge.verdict import CaseVerdict
from parity.runs.repeats import after_failure, conversions_at_end, stages_at_end
from parity.runs.repeats.program_calls import JudgedCase, RepeatedCalls, is_file


@dataclass
class Repetition(RepeatedCalls):
    """The repeated calls of one run: after a failure, and at the end with the answers of the first file."""

    _first: JudgedCase | None = None

    def document(self) -> dict[str, Any]:
        """The repetition as verdict.json holds it."""
        return {
            "calls": self.count,
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
                self.calls_of[verdict.stage.name] = self.calls_of.get(verdict.stage.name, 0) + 1
        if judged.state not in (CaseState.PASS, CaseState.PARTIAL, CaseState.DIFFERS) or judged.setup_failed:
            return
        if self._first is None or (not self._first.is_file and is_file(case)):
            traces = judged.traces
            right = judged.state is not CaseState.DIFFERS
            isolated, chained = dict(traces.get(Mode.ISOLATED, {})), dict(traces.get(Mode.CHAINED, {}))
            self._first = JudgedCase(case, isolated, chained, right)
        after_failure.repeat_failed(self, case, judged)
        self.seconds += time.monotonic() - begin

    def finish(self) -> None:
        """The repeated calls at the end of a run."""
        begin, first = time.monotonic(), self._first
        if first is None:
            self.notes.append("no call was repeated at the end, because no case was judged in this run")
        if first is not None:
            try:
                stages_at_end.repeat_stages(self, first)
                if self.only_stage is None:
                    conversions_at_end.repeat_conversion(self, first)
            except NotOffered as error:
                self.notes.append(str(error))
        self.seconds += time.monotonic() - begin
