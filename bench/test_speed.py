"""Times of single stages on a golden's inputs. A stage whose output is beyond its limit fails."""

from typing import Any

import pytest

from bench.measure.workload import ROOT
from parity.candidates import candidate
from parity.goldens import store
from parity.judge import ledger
from parity.judge import limits as tolerance
from parity.judge.states import Mode
from parity.rvc_bridge.rvc_torch import RvcTorch

CASE = "retrieval-loudness-2026"
TIMED = ("hubert.features", "retrieval.search", "content.protected", "enc_p", "flow", "nsf", "generator")


@pytest.fixture(scope="module")
def case() -> store.Case:
    return store.open_case(ROOT / "goldens" / "cases" / CASE)


@pytest.fixture(scope="module")
def rvc() -> RvcTorch:
    return RvcTorch()


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMED)
def test_stage(name: str, case: store.Case, rvc: RvcTorch, benchmark: Any) -> None:
    """Time a stage on the original's inputs and compare its output with the stage's limits."""
    stage = next(row for row, prefix in candidate.steps(case) if prefix == "seg0." and row.name == name)
    inputs = candidate.inputs(case, stage, "seg0.")
    made = benchmark(rvc.run_stage, case, stage, "seg0.", inputs)
    limits = tolerance.load()
    known = [(key, value) for key, value in made.items() if key in case]
    judged = [cell for key, value in known for cell in ledger.judge_tensor(case, key, Mode.ISOLATED, value, limits)[0]]
    assert judged, "nothing was compared"
    assert not [cell.sentence for cell in judged if cell.failed]
