"""The conversion as a user gets it: another branch of the generator runs without a tap, and makes the same waveform."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.goldens import store
from parity.judge.ledger import Ledger
from parity.judge.limits import load as load_limits
from parity.judge.states import CaseState, Mode
from parity.judge.verdict import CaseVerdict
from parity.runs.repeat_findings import RepeatState
from parity.runs.repeats.repetition import Repetition
from parity.rvc_bridge.rvc_torch import RvcTorch
from rvc.pipeline import offline
from rvc.trace import no_tap

GOLDEN = Path(__file__).parents[2] / "goldens" / "cases" / "v1-32k-nof0-2026"


@pytest.mark.slow
def test_a_fault_of_the_untraced_branch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    program, case = RvcTorch(), store.open_case(GOLDEN)
    traced = program.run(case)
    assert np.array_equal(program.run_final(case)["waveform.final"], traced["waveform.final"])

    generate = offline.Segment.generate

    def without_its_last_frames(self: offline.Segment, *rest: Any) -> Any:
        made = generate(self, *rest)
        if self.tap is no_tap:
            made[..., -400:] = 0
        return made

    monkeypatch.setattr(offline.Segment, "generate", without_its_last_frames)
    repetition = Repetition(program, load_limits())
    judged = CaseVerdict(case.name, CaseState.PASS, None, Ledger(case.name), traces={Mode.CHAINED: traced})
    repetition.after_case(case, judged)
    repetition.finish()
    assert [finding.state for finding in repetition.findings] == [RepeatState.UNTRACED]
    assert repetition.findings[0].sentence == (
        "the whole conversion of v1-32k-nof0-2026 gives another waveform where nothing but the waveform is requested; "
        "which code runs only while stages are recorded?"
    )
